"""The fake as a whole: what it is told, what it sees, what it remembers."""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Self

from .answers import echo_answer, offline_answer
from .api import plan_answer
from .bell import NotArrived
from .catalog import CATALOG, Model
from .chat import Chat
from .exchange import Exchange
from .gate import Gate
from .plan import Settle, Turn
from .requests import Headers, Request, State
from .scripting import Scripting

OFFICIAL = ("https://api.openai.com", "https://api.anthropic.com")


class MockLLM(Scripting):
    """Fake OpenAI and Anthropic: script answers, send requests through a door, look at what arrived.

    Args:
        answer: what an unscripted call is told.
        keys: API keys that are known; None takes any key of the right shape.
        catalog: models by name.
        any_model: take a model that is not in the catalog too, real names among them.
        max_body_bytes: a larger request body is 413.
        remember: keep only the latest calls, for a server that runs for days; None keeps all.
        settle_turns: turns of the event loop without a new call before an answer starts. Calls that a program starts
            together then count as in flight together, however few awaits lie between. 0 answers at once.
        sleep_blocking: how a client without an event loop waits; by default not at all: waiting is only compared
            with the client's timeout.
    """

    def __init__(
        self,
        *,
        answer: Callable[[Chat], str] = echo_answer,
        keys: Iterable[str] | None = None,
        catalog: Mapping[str, Model] = CATALOG,
        any_model: bool = False,
        max_body_bytes: int = 32 * 1024 * 1024,
        remember: int | None = None,
        settle_turns: int = 20,
        sleep_blocking: Callable[[float], Any] = lambda seconds: None,
    ) -> None:
        super().__init__()
        self.answer = answer
        self.keys = None if keys is None else frozenset(keys)
        self.catalog = dict(catalog)
        self.any_model = any_model
        self.max_body_bytes = max_body_bytes
        self.remember = remember
        self.settle_turns = settle_turns
        self.sleep_blocking = sleep_blocking
        self.base_urls: list[str] = list(OFFICIAL)
        self.requests: list[Request] = []
        """Every call in order of arrival, the rejected ones too."""
        self.peak = 0
        """The most calls that were ever in flight at once."""
        self.connections = 0
        """What was opened to reach the fake: TCP connections over a socket, client objects through respx (each has its
        own pool of connections). `LLMTransport` sees neither."""
        self._arrivals = 0
        self._in_flight = 0
        self._hold: Gate | None = None
        self._counting = threading.Lock()

    @classmethod
    def offline(cls, **options: Any) -> Self:
        """A fake for people and not for tests: it says that it is offline, answers at once, and forgets old calls."""
        return cls(**{"answer": offline_answer, "settle_turns": 0, "remember": 200, **options})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Break every connection that still waits, so that nothing hangs after a test."""
        self.bell.close()

    def reset(self) -> None:
        """Forget scripts, calls, counts and the gate, as if the fake were new."""
        self.forget_scripts()
        if self._hold:
            self._hold.open()
            self._hold = None
        with self._counting:
            for request in self.requests:
                if request.state == "open":
                    request.state = "abandoned"
            self.requests.clear()
            self._arrivals = self._in_flight = self.peak = self.connections = 0

    def also_at(self, base_url: str) -> str:
        """Answer at this base URL too, and return it: `OpenAI(base_url=llm.also_at("https://gateway.test/v1"))`."""
        self.base_urls.append(base_url.rstrip("/").removesuffix("/v1"))
        return base_url

    def hold(self) -> Gate:
        """From now on let every call wait for its status line until the test releases it at the gate."""
        self._hold = Gate(self.bell)
        return self._hold

    @property
    def in_flight(self) -> int:
        """Calls that have arrived and are not yet answered in full."""
        return self._in_flight

    @property
    def last(self) -> Request:
        """The latest call.

        Raises:
            AssertionError: none came.
        """
        if not self.requests:
            raise AssertionError("the provider was not called")
        return self.requests[-1]

    @property
    def closed_early(self) -> list[Request]:
        """Streams that the client left before their end; `tokens_sent` says after how many tokens."""
        return [one for one in self.requests if one.state == "abandoned" and one.streamed and one.status is not None]

    @property
    def cancelled(self) -> list[Request]:
        """Calls that the client left while it waited for the status line or for a body that does not stream."""
        return [one for one in self.requests if one.state == "abandoned" and one not in self.closed_early]

    async def settle(self, turns: int | None = None) -> None:
        """Wait until `turns` turns of the event loop have passed without a new call."""
        quiet, seen = 0, -1
        while quiet < (self.settle_turns if turns is None else turns):
            now = self._arrivals
            quiet, seen = (quiet + 1, seen) if now == seen else (0, now)
            await asyncio.sleep(0)

    async def ended(self, request: Request, *, patience_s: float = 5.0) -> None:
        """Wait until nothing more happens to `request`: answered, abandoned or broken.

        Raises:
            NotArrived: it is still open after `patience_s` real seconds.
        """
        await self.until(
            lambda: request.state != "open", "the call is still open: the client did not leave it", patience_s
        )

    async def until(self, ready: Callable[[], bool], complaint: str, patience_s: float = 5.0) -> None:
        """Wait until `ready()`, which is looked at whenever a call arrives, sends or ends.

        Raises:
            NotArrived: with `complaint`, after `patience_s` real seconds.
        """
        if not await self.bell.until_or_late(ready, patience_s):
            raise NotArrived(complaint)

    def begin(
        self, method: str, url: str, path: str, headers: list[tuple[str, str]], body: bytes, client: str = ""
    ) -> Exchange:
        """Take a call. For doors; `path` is below the base URL, as in `/v1/messages`."""
        try:
            now = asyncio.get_running_loop().time()
        except RuntimeError:
            now = time.monotonic()
        request = Request(method, url, path, Headers(headers), body, now, client=client)
        with self._counting:
            self.requests.append(request)
            if self.remember is not None and len(self.requests) > self.remember:
                del self.requests[0]
            self._arrivals = number = self._arrivals + 1
            self._in_flight += 1
            self.peak = max(self.peak, self._in_flight)
        plan = plan_answer(self, request, number)
        ahead: list[Any] = [Turn(self._hold)] if self._hold else []
        plan.before[:0] = [*ahead, Settle()]
        self.bell.ring()
        return Exchange(self, request, plan)

    def end(self, request: Request, state: State) -> None:
        """Note how a call ended; only the first time counts. For doors."""
        with self._counting:
            if request.state != "open":
                return
            request.state = state
            self._in_flight -= 1
        try:
            request.ended_at = asyncio.get_running_loop().time()
        except RuntimeError:
            request.ended_at = time.monotonic()
        self.bell.ring()
