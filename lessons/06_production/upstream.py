"""Lesson 06, towards the provider: whom to ask, whom to leave alone, what need not be asked again."""

import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

import httpx2 as httpx
from pydantic import SecretStr

T = TypeVar("T")


class LLMError(Exception):
    """Given: a provider gave no answer. `status` is its own, None if none came; the text is for us, not for callers."""

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s

    @property
    def passes(self) -> bool:
        """Whether the provider has a bad day; otherwise the request was refused, and will be again."""
        return self.status is None or self.status in (408, 409, 429) or self.status >= 500


class Breaker:
    """Leave alone who fails: after `failures` in a row for `cooldown_s` seconds, then one call tries.

    Args:
        name: of what is called.
        failures: how many calls, one after another, must end with an LLMError that passes.
        cooldown_s: seconds, or what the provider asked for, if that is longer.
    """

    def __init__(self, name: str, *, failures: int = 5, cooldown_s: float = 30.0) -> None:
        self.name, self.failures, self.cooldown_s = name, failures, cooldown_s
        self.failed = 0  # in a row
        self.open_until: float | None = None  # on the clock of time.monotonic(); None: closed, everybody gets through
        self.trying = False  # whether the one call that tries is under way

    async def call(self, work: Callable[[], Awaitable[T]]) -> T:
        """Return what `await work()` returns.

        Raises:
            LLMError: that of `work`; or one of status 503 with the seconds to wait, and `work` was not called.
        """
        # TODO 06.7: let everybody through, nobody, or exactly one; that one may fail, have a bug, or be cancelled.
        raise NotImplementedError("TODO 06.7")


async def first_answer(providers: Sequence[tuple[Breaker, Callable[[], Awaitable[T]]]]) -> T:
    """Return the first answer of one or more providers, in order, each called at most once and through its breaker.

    Raises:
        LLMError: that of the last one; or at once, if another provider would refuse the same request.
    """
    # TODO 06.7: ask the next one, but only after what has to do with the provider and not with the request.
    raise NotImplementedError("TODO 06.7")


class ResponseCache:
    """Keep answers for a caller who asks the same thing again, in this process.

    Args:
        size: how many answers; beyond that, the one that was stored first goes.
        ttl_s: for how many seconds.
    """

    def __init__(self, *, size: int = 1_000, ttl_s: float = 600.0) -> None:
        self.size, self.ttl_s = size, ttl_s
        self.kept: OrderedDict[str, tuple[float, str]] = OrderedDict()  # key -> until when, the answer as JSON

    async def answer(
        self, caller: str, body: Mapping[str, Any], ask: Callable[[], Awaitable[Any]], *, anyway: bool = False
    ) -> tuple[Any, bool]:
        """Return the answer to `body`, and whether it is one from before.

        Args:
            caller: who asks.
            body: the request as JSON, as the provider gets it.
            ask: gets the answer, as JSON; or, for a stream, whatever it is.
            anyway: keep it although the model may answer otherwise the next time.
        """
        # TODO 06.8: an old answer for the same request of the same caller, where the model would say the same again.
        raise NotImplementedError("TODO 06.8")


async def ask_provider(http: httpx.AsyncClient, url: str, key: SecretStr, body: dict[str, Any]) -> Any:
    """Given: ask a provider that speaks OpenAI's chat completions, once."""
    try:
        headers = {"authorization": f"Bearer {key.get_secret_value()}"}
        reply = await http.post(f"{url}/chat/completions", json={**body, "stream": False}, headers=headers)
    except httpx.RequestError as error:
        raise LLMError(repr(error)) from error
    if reply.status_code != 200:
        wait = reply.headers.get("retry-after", "")
        raise LLMError(reply.text[:200], reply.status_code, float(wait) if wait.isdecimal() else None)
    return reply.json()
