"""The queue of scripted answers. Its methods are those of `Script`: each puts one more answer into the queue."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

from .bell import Bell
from .gate import Gate
from .requests import Request
from .script import Script, Split


class Scripting:
    """Who answers what: `when` scripts first, then the queue in order, then `default`."""

    def __init__(self) -> None:
        self.bell = Bell()
        self.default = Script(self.bell, uses=None)
        """What answers when nothing is queued: `llm.default.slow(first_token_s=1)` makes every unscripted call slow."""
        self._queue: list[Script] = []
        self._conditional: list[Script] = []
        self._picking = threading.Lock()

    def script(self) -> Script:
        """Queue an answer with the default content, to be changed by the methods of what is returned."""
        script = Script(self.bell)
        self._queue.append(script)
        return script

    def when(self, wanted: str | Callable[[Request], bool]) -> Script:
        """Answer every call whose text contains `wanted`, or for which it is true, in this way.

        It goes before the queue, the newest first, for every such call unless `times(n)` says how many.
        """
        matches = wanted if callable(wanted) else lambda request: wanted in request.text
        script = Script(self.bell, uses=None, matches=matches)
        self._conditional.insert(0, script)
        return script

    def forget_scripts(self) -> None:
        """Drop every answer that was scripted, the default too."""
        self._queue.clear()
        self._conditional.clear()
        self.default = Script(self.bell, uses=None)

    @property
    def queued(self) -> int:
        """Answers that are scripted but were not asked for; each counts as often as it is to be used."""
        return sum(script.uses or 0 for script in self._queue)

    def pick(self, request: Request) -> Script:
        """The script for a call, used up if it was its last use."""
        with self._picking:
            for scripts in (self._conditional, self._queue):
                for script in scripts:
                    if not script.fits(request):
                        continue
                    if script.uses is not None:
                        script.uses -= 1
                    if script.uses == 0:
                        scripts.remove(script)
                    return script
        return self.default if self.default.fits(request) else Script(self.bell)

    def reply(self, text: str) -> Script:
        """Queue an answer that says `text`."""
        return self.script().reply(text)

    def tokens(self, pieces: Sequence[str]) -> Script:
        """Queue an answer of exactly these tokens."""
        return self.script().tokens(pieces)

    def tool_call(self, name: str, args: dict[str, Any] | None = None) -> Script:
        """Queue an answer that asks for a tool."""
        return self.script().tool_call(name, args)

    def refuse(self, text: str = "I can't help with that.") -> Script:
        """Queue a refusal."""
        return self.script().refuse(text)

    def truncate(self, text: str) -> Script:
        """Queue an answer that `max_tokens` cut off after `text`."""
        return self.script().truncate(text)

    def fail(
        self,
        status: int,
        *,
        retry_after: float | None = None,
        times: int | None = None,
        after: int | None = None,
        message: str | None = None,
        type: str | None = None,
        code: str | None = None,
    ) -> Script:
        """Queue an error; see `Script.fail`."""
        return self.script().fail(
            status, retry_after=retry_after, times=times, after=after, message=message, type=type, code=code
        )

    def html(self, status: int = 502) -> Script:
        """Queue the HTML page of a proxy."""
        return self.script().html(status)

    def slow(self, *, first_token_s: float = 0.0, cadence_s: float = 0.0) -> Script:
        """Queue a slow answer, in seconds of loop time."""
        return self.script().slow(first_token_s=first_token_s, cadence_s=cadence_s)

    def hang(self, after: int = 0) -> Script:
        """Queue an answer that never comes, or that falls silent `after` tokens."""
        return self.script().hang(after)

    def cut(self, after: int = 0, *, reset: bool = False, inside: bool = False) -> Script:
        """Queue an answer that breaks off `after` tokens; see `Script.cut`."""
        return self.script().cut(after, reset=reset, inside=inside)

    def disconnect(self) -> Script:
        """Queue a connection that is reset before any answer."""
        return self.script().disconnect()

    def garble(self, after: int = 0) -> Script:
        """Queue an answer with broken JSON `after` tokens."""
        return self.script().garble(after)

    def split(self, how: Split) -> Script:
        """Queue an answer cut into chunks; see `Script.split`."""
        return self.script().split(how)

    def ping(self, times: int = 1) -> Script:
        """Queue an answer with keep-alives between its tokens."""
        return self.script().ping(times)

    def step(self) -> Gate:
        """Queue an answer whose tokens the test releases one by one."""
        return self.script().step()
