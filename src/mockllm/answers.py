"""What the fake says when nobody scripted an answer."""

import hashlib

from .chat import Chat


def echo_answer(chat: Chat) -> str:
    """Answer with the prompt, so that a test can tell which answer belongs to which call."""
    return f"Mock answer to: {chat.prompt}"


_OPENINGS = (
    "I can only give you a canned answer",
    "There is no model behind this answer",
    "This sentence was written before you asked",
)


def offline_answer(chat: Chat) -> str:
    """Answer as a service without a key should: of some use, the same each time, and open about being offline."""
    prompt = " ".join(chat.prompt.split())
    shown = prompt if len(prompt) <= 120 else f"{prompt[:117]}..."
    opening = _OPENINGS[hashlib.blake2b(prompt.encode(), digest_size=2).digest()[0] % len(_OPENINGS)]
    words = len(prompt.split())
    lines = [
        f"[offline] {opening}: no provider is configured, so {chat.model} was not asked.",
        f'I received {words} {"word" if words == 1 else "words"}: "{shown}"',
        "Everything around the model works as it would: validation, limits, streaming, usage and logs.",
        "To get real answers, set an API key in the environment and restart.",
    ]
    if chat.system:
        lines.insert(2, f"Your system prompt arrived too ({len(chat.system.split())} words).")
    return "\n\n".join(lines)
