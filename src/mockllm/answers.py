"""What the fake says when nobody scripted an answer."""

import hashlib
import math
import re
from html import unescape

from .chat import Chat
from .embeddings import content_words, embed


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
    if sources := _SOURCE.findall(chat.prompt):
        return _quoted(chat.prompt, sources)
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


# What a prompt that brings its own material looks like: lesson 05 writes it so.
_SOURCE = re.compile(r'<source\b[^>]*?\sid="(\d+)"[^>]*>(.*?)</source>', re.S)  # whatever else stands in the tag
_QUESTION = re.compile(r"<question>(.*?)</question>", re.S)
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n\s*\n")
_QUOTES = 2
_NEAR = 0.2  # cosine from which on a sentence has something to do with the question


def _quoted(prompt: str, sources: list[tuple[str, str]]) -> str:
    """Answer with the sentences of the sources that are nearest to the question, each with the number of its source."""
    asked = _QUESTION.search(prompt)
    question = unescape(asked[1] if asked else prompt)
    sentences = {
        sentence.strip(): number
        for number, text in reversed(sources)  # of one that stands in two sources the first is named
        for sentence in _SENTENCE.split(unescape(text))
        if sentence.strip() and not sentence.lstrip().startswith("#")
    }
    wanted, words = embed(question), {one: content_words(one) for one in sentences}
    rarity = {
        word: math.log(len(sentences) / found)
        for word in content_words(question)
        if (found := sum(word in one for one in words.values()))
    }
    # A rare word of the question says most; how near the whole sentence is decides among those that share one.
    nearness = {one: sum(a * b for a, b in zip(wanted, embed(one), strict=True)) for one in sentences}
    shared = {one: sum(rarity.get(word, 0.0) for word in words[one]) for one in sentences}
    near = [one for one in sentences if nearness[one] >= _NEAR or shared[one] >= 1]
    best = sorted(near, key=lambda one: (-shared[one] - nearness[one], one))[:_QUOTES]
    if not best:
        return "[offline] No model was asked, and no sentence of the sources is near the question."
    quotes = " ".join(f"{one} [{sentences[one]}]" for one in best)
    return f"[offline] No model was asked; these sentences of the sources are nearest to the question: {quotes}"
