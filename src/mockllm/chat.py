"""A chat request as both APIs mean it, and the text in it."""

import re
from dataclasses import dataclass
from typing import Any, Literal

Provider = Literal["openai", "anthropic"]


def split_tokens(text: str) -> list[str]:
    """Cut `text` into the fake's tokens: a word with the space before it. Joined they are `text` again."""
    return re.findall(r"\s*\S+|\s+$", text)


def count_tokens(text: str) -> int:
    """Tokens of `text` as the fake counts them: words. Real tokenizers give about a third more."""
    return len(split_tokens(text))


def names(text: str) -> frozenset[str]:
    """The words of `text` as a set: for lists of names that read better in lines."""
    return frozenset(text.split())


def text_of(content: Any) -> str:
    """The text of a message's content: a string, or an array of parts of which only the text parts are read."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict) and "text" in part)
    return ""


@dataclass(frozen=True)
class Chat:
    """What was asked, whichever API it came through."""

    provider: Provider
    model: str
    messages: tuple[tuple[str, str], ...]
    """(role, text) in order; for Anthropic without the top-level `system`."""
    system: str
    stream: bool
    max_tokens: int | None
    tools: tuple[str, ...]
    include_usage: bool = False
    """OpenAI's `stream_options.include_usage`."""
    stop: tuple[str, ...] = ()

    @property
    def prompt(self) -> str:
        """The text of the last user message, "" if there is none."""
        return next((text for role, text in reversed(self.messages) if role == "user"), "")

    @property
    def prompt_tokens(self) -> int:
        """Tokens of everything that was sent."""
        return count_tokens(self.system) + sum(count_tokens(text) for _, text in self.messages)
