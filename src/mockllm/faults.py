"""Faults in words, for people: the header `X-Mock-Fault`, the control endpoint and the picker on the status page.

429                     a status by its number
429 retry_after=2       the same with an option
slow first_token_s=2 cadence_s=0.5
cut after=3 reset=true
"""

import shlex
from collections.abc import Callable
from typing import Any

from .script import Script

FAULTS: dict[str, str] = {
    "429 retry_after=2": "rate limited",
    "401": "wrong key",
    "500": "server error",
    "503": "unavailable",
    "529": "overloaded",
    "529 after=3": "overloaded in mid-stream",
    "html status=502": "a proxy's HTML page",
    "disconnect": "connection reset before any answer",
    "hang": "no answer at all",
    "hang after=3": "silence after three tokens",
    "slow first_token_s=3 cadence_s=0.5": "slow first token, then two a second",
    "cut after=3": "ends after three tokens without the end marker",
    "cut after=3 reset=true": "connection reset after three tokens",
    "garble after=2": "broken JSON",
    "split how=bytes": "one byte at a time",
    "ping times=3": "keep-alives between tokens",
    "refuse": "the model refuses",
    "truncate text='And so it'": "stopped by max_tokens",
    "reply text='Hello there'": "a fixed answer",
}
"""Words to try, with what they do."""

_METHODS = (
    "cut",
    "disconnect",
    "fail",
    "garble",
    "hang",
    "html",
    "ping",
    "refuse",
    "reply",
    "slow",
    "split",
    "truncate",
)


def script_from_words(words: str, script: Script) -> Script:
    """Make `script` do what `words` say: the name of a method of `Script` or a status, then `option=value`.

    Raises:
        ValueError: it names no fault, or an option that the fault does not have; the message lists what there is.
    """
    name, *rest = shlex.split(words) or [""]
    options: dict[str, Any] = {}
    for part in rest:
        option, equals, value = part.partition("=")
        if not equals:
            raise ValueError(f"{part!r} is not option=value; for example: slow first_token_s=2")
        options[option] = _value(value)
    times = options.pop("times", None) if name != "ping" else None
    if name.isdecimal() and 400 <= int(name) <= 599:
        name, options = "fail", {"status": int(name), **options}
    if name not in _METHODS:
        raise ValueError(f"no fault is called {name!r}; there are a status from 400 to 599, {', '.join(_METHODS)}")
    method: Callable[..., Script] = getattr(script, name)
    try:
        method(**options)
    except TypeError as error:
        raise ValueError(f"{name}: {error}") from None
    return script if times is None else script.times(times)


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for number in (int, float):
        try:
            return number(text)
        except ValueError:
            continue
    return text
