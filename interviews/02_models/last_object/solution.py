"""Interview - the last word of a model that corrects itself."""

import json
import re
from typing import Any

MOST_CHARS = 20_000
OPENS = re.compile(r'\{\s*"')


class NoObject(ValueError):
    """Given: the text has no object that was wanted."""


def last_object(text: str, keys: set[str]) -> dict[str, Any]:
    """Return the last JSON object in `text` that has all of `keys`.

    Raises:
        NoObject: there is none, or the text is too long to be looked at.
    """
    # TODO 02.7: the last object with these keys, whatever stands around it.
    # >>> solution
    if len(text) > MOST_CHARS:
        raise NoObject(f"the text has {len(text)} characters, more than {MOST_CHARS}")
    found: dict[str, Any] | None = None
    at = 0
    while opening := OPENS.search(text, at):
        try:
            value, at = json.JSONDecoder().raw_decode(text, opening.start())
        except json.JSONDecodeError as error:
            rest = text[error.pos :].rstrip()
            if error.msg.startswith("Unterminated") or any(word.startswith(rest) for word in ("true", "false", "null")):
                break  # cut off, also in the middle of a word: all that follows is inside of it
            at = opening.start() + 1
            continue
        if keys <= value.keys():
            found = value
    if found is None:
        raise NoObject(f"no object with {', '.join(sorted(keys))}")
    return found
    # <<< solution
