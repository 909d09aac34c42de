"""Log lines for people: what is JSON for a program is a short line in a terminal."""

import json
import os
from typing import Any, TextIO, cast

from structlog.dev import ConsoleRenderer, plain_traceback

from capstone.settings import Settings

LEFT_OUT = ("logger", "color_message", "method", "route", "status", "seconds", "complete")


def for_whoever_reads(stream: TextIO, settings: Settings) -> TextIO:
    """Return where lines of JSON are written to: the stream, or what makes them readable if somebody reads it."""
    wanted = settings.log_format == "console" or (settings.log_format == "auto" and stream.isatty())
    return cast(TextIO, Console(stream)) if wanted else stream


class Console:
    """A stream in front of another: lines of JSON that come in leave as people read them, all else as it is.

    The lines are lesson 06's, whoever wrote that: what it keeps out of them stays out.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream, self._half = stream, ""
        colors = stream.isatty() and "NO_COLOR" not in os.environ
        self._render = ConsoleRenderer(
            colors=colors, pad_event_to=0, pad_level=False, sort_keys=False, exception_formatter=plain_traceback
        )

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        """Write the lines that are whole."""
        *lines, self._half = (self._half + text).split("\n")
        for line in lines:
            self.stream.write(self.readable(line) + "\n")
        return len(text)

    def readable(self, line: str) -> str:
        """Return a line as people read it."""
        try:
            told = json.loads(line)
        except ValueError:
            return line
        if not isinstance(told, dict) or "event" not in told:
            return line
        kept = {name: value for name, value in told.items() if name not in LEFT_OUT and value not in (None, "-")}
        kept["timestamp"] = str(told.get("timestamp", ""))[11:19]  # a terminal knows the day
        if told["event"] == "request":
            took = f"{1000 * told['seconds']:.0f} ms" + ("" if told["complete"] else ", cut off")
            kept["event"] = f"{told['status']} {told['method']} {told['route'] or 'no such path'} in {took}"
        return self._render(None, "", kept)
