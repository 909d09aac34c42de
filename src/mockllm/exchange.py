"""One call, from its arrival to its end. All doors play exchanges, with an event loop or without."""

import asyncio
from typing import TYPE_CHECKING

from .frames import Frame
from .plan import Hang, Pause, Plan, Reset, Settle, Step, Turn
from .requests import Request, State

if TYPE_CHECKING:
    from .mock import MockLLM


class LoopBlocked(RuntimeError):
    """A blocking client stands still on the event loop, so the test that should release it can never run."""


class Exchange:
    """A request, the plan for its answer, and how far it has got.

    A door calls `start` for status and headers, then `next_chunk` until None, and `leave` when the client has gone.
    """

    def __init__(self, fake: "MockLLM", request: Request, plan: Plan) -> None:
        self.request = request
        self.status = plan.status
        self.headers = plan.headers
        self._fake = fake
        self._before = plan.before
        self._body = plan.body
        self._waited_s = 0.0

    async def start(self, limit_s: float | None = None) -> None:
        """Wait for the status line.

        Raises:
            TimeoutError: it took longer than `limit_s` seconds.
            ConnectionResetError: the script broke the connection.
        """
        try:
            async with asyncio.timeout(limit_s):
                for step in self._before:
                    await self._wait(step)
        except BaseException as error:
            self._break(error)
            raise
        self.request.status = self.status

    async def next_chunk(self, limit_s: float | None = None) -> bytes | None:
        """The next bytes of the body, None at its end. Raises as `start` does."""
        try:
            async with asyncio.timeout(limit_s):
                for step in self._body:
                    if isinstance(step, Frame):
                        return self._hand_over(step)
                    await self._wait(step)
        except BaseException as error:
            self._break(error)
            raise
        self._end("broken")  # unless it was complete: the body ended without its end marker
        return None

    def start_blocking(self, limit_s: float | None = None) -> None:
        """Do as `start` for a caller without an event loop."""
        self._waited_s = 0.0
        try:
            for step in self._before:
                self._wait_blocking(step, limit_s)
        except BaseException as error:
            self._break(error)
            raise
        self.request.status = self.status

    def next_chunk_blocking(self, limit_s: float | None = None) -> bytes | None:
        """Do as `next_chunk` for a caller without an event loop."""
        self._waited_s = 0.0
        try:
            for step in self._body:
                if isinstance(step, Frame):
                    return self._hand_over(step)
                self._wait_blocking(step, limit_s)
        except BaseException as error:
            self._break(error)
            raise
        self._end("broken")
        return None

    def leave(self) -> None:
        """The client has gone. Nothing happens if its answer was complete."""
        self._end("abandoned")

    async def _wait(self, step: Step) -> None:
        bell = self._fake.bell
        match step:
            case Pause(seconds):
                await asyncio.sleep(seconds)
            case Turn(gate):
                await gate.pass_through()
            case Settle():
                await self._fake.settle()
            case Hang():
                await bell.until(lambda: bell.closed)
            case Reset():
                raise ConnectionResetError("connection reset by peer")
        if bell.closed:
            raise ConnectionResetError("the fake was closed")

    def _wait_blocking(self, step: Step, limit_s: float | None) -> None:
        bell = self._fake.bell
        match step:
            case Pause(seconds):
                self._waited_s += seconds
                if limit_s is not None and self._waited_s > limit_s:
                    raise TimeoutError
                self._fake.sleep_blocking(seconds)
            case Turn(gate):
                if not gate.pass_through_blocking(0 if self.request.blocked_loop else limit_s):
                    raise LoopBlocked(_LOOP_BLOCKED) if self.request.blocked_loop else TimeoutError
            case Hang():
                if limit_s is not None:
                    raise TimeoutError  # it would hang that long: waiting would teach nothing
                bell.until_blocking(lambda: bell.closed)
            case Reset():
                raise ConnectionResetError("connection reset by peer")
        if bell.closed:
            raise ConnectionResetError("the fake was closed")

    def _hand_over(self, frame: Frame) -> bytes:
        self.request.tokens_sent += frame.tokens
        if frame.ends:
            self._end(frame.ends)
        self._fake.bell.ring()
        return frame.data

    def _break(self, error: BaseException) -> None:
        self._end("broken" if isinstance(error, ConnectionResetError) else "abandoned")

    def _end(self, state: State) -> None:
        self._fake.end(self.request, state)


_LOOP_BLOCKED = (
    "A blocking client was called on the thread of a running event loop. Nothing else can run there until it "
    "returns, so nobody can release its answer. Await an async client, or move the call to a thread."
)
