"""What the service uses of each lesson: Protocols, nothing else. A lesson's module satisfies its port as a whole."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping, Sequence
from contextlib import AbstractAsyncContextManager
from contextvars import ContextVar
from typing import Any, Protocol, TextIO, TypeVar

from fastapi import APIRouter, FastAPI, Request
from pydantic import BaseModel
from starlette.types import ASGIApp, Lifespan

T = TypeVar("T")
Embed = Callable[[Sequence[str]], Awaitable[Any]]  # texts to a row of numbers each: an array (n, d)


class Basics(Protocol):
    """Lesson 01: the application and what it holds open."""

    def create_app(
        self,
        *,
        title: str = ...,
        description: str = ...,
        version: str = ...,
        routers: Sequence[APIRouter] | None = None,
        lifespan: Lifespan[FastAPI] | None = None,
    ) -> FastAPI:
        """Build an application with `/`, `/health` and these routers."""
        ...

    def open_all(self, **factories: Callable[[], AbstractAsyncContextManager[Any]]) -> Lifespan[FastAPI]:
        """Make a lifespan that holds resources open; each is `request.state.<name>`."""
        ...


class Models(Protocol):
    """Lesson 02: what comes in, what goes out, and how errors leave."""

    ChatRequest: type[BaseModel]
    """`model`, `messages`, `temperature`, `max_tokens`, `stream`."""
    ErrorResponse: type[BaseModel]
    """`error`, `fields`."""
    ModelCard: Callable[..., Any]
    """What a model can do: `ModelCard(max_tokens=..., takes_temperature=...)`."""
    CATALOG: MutableMapping[str, Any]
    """The models that a request may name; validation looks here each time."""

    def add_error_handlers(self, app: FastAPI) -> None:
        """Send every error of `app` as an ErrorResponse."""
        ...


class Calls(Protocol):
    """Lesson 03: one call to a model, and what makes many of them bearable."""

    LLMError: type[Exception]
    """`LLMError(message, status, retry_after_s)`."""
    Message: type[BaseModel]
    """`role`, `content`."""
    Settings: Callable[..., Any]
    """`anthropic_url`, `anthropic_key`, `model` are looked at here."""
    AnthropicLLM: Callable[..., Any]
    """`AnthropicLLM(http, settings)` has `generate(messages, max_tokens=...)`, which returns a reply."""

    def read_retry_after(self, headers: Mapping[str, str]) -> float | None:
        """Return the seconds that a Retry-After header asks for."""
        ...

    async def retry(
        self,
        call: Callable[[], Awaitable[T]],
        *,
        retries: int = ...,
        base_s: float = ...,
        cap_s: float = ...,
        budget_s: float = ...,
    ) -> T:
        """Return what `call()` returns, calling it again after an LLMError that may pass."""
        ...

    async def generate_batch(self, llm: Any, prompts: Sequence[str], *, limit: int = ...) -> list[Any]:
        """Ask the model every prompt, with at most `limit` calls in flight."""
        ...

    async def map_in_threads(self, work: Callable[[str], T], items: Sequence[str], *, threads: int = ...) -> list[T]:
        """Return `work(item)` of every item, in order, computed in threads."""
        ...


class Streams(Protocol):
    """Lesson 04: events from bytes, events to bytes, and readers who leave."""

    Event: Callable[..., Any]
    """`Event(data, name)`."""
    UpstreamError: type[Exception]
    """`UpstreamError(message, status=...)`."""
    Finish: type[Any]
    """The last part of an answer: `stop`, `input_tokens`, `output_tokens`."""
    WhileConnected: Callable[..., ASGIApp]
    """ASGI middleware that cancels the work for a reader who leaves."""

    def parse_events(self, chunks: AsyncIterator[bytes]) -> AsyncIterator[Any]:
        """Yield the events of a stream whose bytes are cut anywhere."""
        ...

    def anthropic_parts(self, events: AsyncIterator[Any]) -> AsyncIterator[Any]:
        """Yield the texts of an answer in Anthropic's events, and last a `Finish`."""
        ...

    def encode(self, event: Any) -> bytes:
        """Write one event as it goes over the wire; None is a comment."""
        ...

    def with_deadlines(self, parts: AsyncIterator[T], *, first_s: float, next_s: float) -> AsyncIterator[T]:
        """Yield the parts; raise UpstreamError with status 504 when the model is silent for too long."""
        ...

    def with_heartbeats(self, events: AsyncIterator[T], *, every_s: float) -> AsyncIterator[T | None]:
        """Yield the events, and None whenever `every_s` seconds went by without one."""
        ...


class Rag(Protocol):
    """Lesson 05: documents that can be found, and answers that say where they come from."""

    store: Any
    """`Document(name, text, tenant, meta)`; `Embedder(http, url, key, model)`, which is an `Embed`; and
    `Library(folder, embed)` with `open()`, `put(*documents)`, `delete(tenant, name)` and `snapshot.chunks`. For vectors
    in PostgreSQL: `split(text)`, `Chunk(tenant, doc, start, end, text, meta)` and `Snapshot(chunks)`."""
    retrieval: Any
    """`Query(text, tenant, k=..., floor=..., where=...)`; `Retriever(library, embed, rank)` with `search(query)`, which
    returns hits, each a `Hit(chunk, score)`; and `hybrid(nearest, matching)`, a way to rank."""

    def make_chain(self, http: Any, settings: Any) -> Any:
        """Build prompt | model | parser, over `http`; `openai_url`, `openai_key` and `model` are of the settings."""
        ...

    async def answer_question(self, query: Any, search: Any, chain: Any) -> Any:
        """Answer from sources: `answer`, and `citations` with `n`, `doc`, `start`, `end`, `text`, `score`."""
        ...


class Production(Protocol):
    """Lesson 06: limits, errors, request ids, logs, metrics, breakers, a cache."""

    LLMError: type[Exception]
    """`LLMError(message, status, retry_after_s)`, with `passes`."""
    REQUEST_ID: ContextVar[str]
    """Whose request this code works for."""
    RateLimiter: Callable[..., Any]
    """`RateLimiter(redis_url, limit=...)` has `close()`."""
    RateLimit: Callable[..., ASGIApp]
    """ASGI middleware `(app, limiter, caller_of)`."""
    RequestContext: Callable[..., ASGIApp]
    """ASGI middleware `(app, done)`: `done` is called with `method, path, route, status, duration_s, complete`."""
    Metrics: Callable[[], Any]
    """`registry`, `observe(served)`, `count_usage(model, prompt, completion)`, `count_error(provider, error)`."""
    Breaker: Callable[..., Any]
    """`Breaker(name)` has `call(work)`."""
    ResponseCache: Callable[..., Any]
    """`ResponseCache(ttl_s=...)` has `answer(caller, body, ask)`."""

    def add_error_handlers(self, app: FastAPI) -> None:
        """Make every error of `app` an answer."""
        ...

    def configure_logging(self, stream: TextIO) -> None:
        """Send every log line of this process to `stream`."""
        ...

    async def first_answer(self, providers: Sequence[tuple[Any, Callable[[], Awaitable[T]]]]) -> T:
        """Return the first answer of several providers, each asked through its breaker."""
        ...


class JobQueue(Protocol):
    """What `SQLiteJobs` makes. A job has `id`, `payload`, `state` and `result`. Every method blocks."""

    def submit(self, key: str, payload: str) -> Any:
        """Accept a job, or return the one that this key was accepted for."""
        ...

    def status(self, id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        ...

    def claim(self, now: float, *, lease_s: float = ...) -> Any:
        """Take the next job that waits or whose lease is over, None if there is none."""
        ...

    def finish(self, id: str, result: str, *, state: str = ...) -> bool:
        """Keep the result of a job; False if it was finished before."""
        ...

    def run(self, sql: str, *values: object) -> list[Any]:
        """Run a statement on the table `jobs`, as a whole or not at all; given there."""
        ...


class Deployment(Protocol):
    """Lesson 07: probes, the end of a process, and jobs that are too long for a request."""

    Part: Callable[..., Any]
    """`Part(name, ping, kind)`: something that the service talks to."""
    Readiness: Callable[..., Any]
    """`Readiness(parts)`: what they say."""
    Drain: Callable[..., Any]
    """`Drain(notice_s=..., deadline_s=...)` has `stop(leave)`, which is awaited when the process is to end."""
    CutAtDeadline: Callable[..., ASGIApp]
    """ASGI middleware `(app, drain)`."""
    probes: Callable[..., APIRouter]
    """`probes(readiness, drain)`: `GET /health/live` and `GET /health/ready`."""
    SQLiteJobs: Callable[..., JobQueue]
    """`SQLiteJobs(path)`: jobs in a table."""
    KeyReused: type[Exception]
    """An idempotency key came again, with another payload."""
    create_celery: Callable[..., Any]
    """`create_celery(broker_url, jobs, work, longest_job_s=...)`: its task `run_job` takes the id of a job."""

    def must_stream_for_real(self, request: Request) -> None:
        """Refuse a stream where the platform would hold it back: 501."""
        ...

    def lambda_handler(self, app: FastAPI) -> Callable[[Any, Any], Any]:
        """Make the function that AWS Lambda calls with each event."""
        ...


class Auth(Protocol):
    """Lesson 08: who is asking, what they may do, and how much."""

    SCOPES: Mapping[str, str]
    Principal: Callable[..., Any]
    """`id`, `tenant`, `scopes`, `token_limit`."""
    KeyRecord: Callable[..., Any]
    """`id`, `digest`, `principal`, `ends_at`."""
    KeyService: Callable[..., Any]
    """`KeyService(store, pepper)` has `create`, `verify`, `rotate`, `revoke`."""
    TokenKey: Callable[..., Any]
    TokenService: Callable[..., Any]
    Passwords: Callable[..., Any]

    def spending(self, quota: Any, principal: Any, estimate: int) -> AbstractAsyncContextManager[Any]:
        """Reserve tokens, then charge what the yielded bill says."""
        ...

    def owned(self, thing: Any, principal: Any) -> Any:
        """Return the thing if it belongs to the principal's tenant; 404 if not."""
        ...

    async def authorized(self, *args: Any, **kwargs: Any) -> Any:
        """Dependency: who is asking, if they have the scopes that the route names."""
        ...


class Composition(Protocol):
    """Lesson 09: the other eight, put together."""

    def create_app(self, settings: Any, log_to: TextIO, *, parts: Sequence[Any]) -> FastAPI:
        """Build the service; `parts` are what it says of whose code runs."""
        ...
