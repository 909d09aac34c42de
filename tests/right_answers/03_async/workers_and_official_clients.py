"""The official clients for both providers, workers on a queue, a task group that is unwrapped, a class for the waits."""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeVar

import httpx2 as httpx
from fastapi import APIRouter, BackgroundTasks, Body, Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

logger = logging.getLogger(__name__)
api = APIRouter()
T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """Given: where the providers are, and how patient we are with them. `coach run 03` sets the environment."""

    anthropic_url: str = field(
        default_factory=lambda: os.environ.get("ANTHROPIC_BASE_URL", "https://api.anthropic.com")
    )
    anthropic_key: str = field(default_factory=lambda: os.environ.get("ANTHROPIC_API_KEY", "no-key"), repr=False)
    openai_url: str = field(default_factory=lambda: os.environ.get("OPENAI_BASE_URL", "https://api.openai.com/v1"))
    openai_key: str = field(default_factory=lambda: os.environ.get("OPENAI_API_KEY", "no-key"), repr=False)
    model: str = "mock-large"
    connect_s: float = 3.0  # to reach the provider
    write_s: float = 10.0  # to send the next piece of the request
    read_s: float = 60.0  # for the next piece of the answer: a model may think that long
    pool_s: float = 5.0  # for a connection to become free
    max_connections: int = 100


class Message(BaseModel):
    """Given: one turn of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


class Usage(BaseModel):
    """Given: tokens that somebody pays for."""

    prompt_tokens: int
    completion_tokens: int


class Reply(BaseModel):
    """Given: what a model said, whoever runs it."""

    text: str
    model: str
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter"]
    usage: Usage


class LLMError(Exception):
    """Given: a provider gave no usable answer. `status` is its status, None if no answer came or none can be read."""

    def __init__(self, message: str, status: int | None = None, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.status, self.retry_after_s = status, retry_after_s  # the latter None if the provider did not say


class LLM(Protocol):
    """Given: the port. Whatever has this method is a model, and nobody who asks it knows whose."""

    async def generate(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        """Answer a conversation; LLMError if the provider does not."""
        ...


# Given: Anthropic's words for our finish reasons; any other means "stop".
FINISH_REASONS: dict[str, Any] = {"max_tokens": "length", "tool_use": "tool_calls", "refusal": "content_filter"}


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Given: return the seconds that a Retry-After header asks for, None if it is missing or says something else."""
    return float(value) if (value := headers.get("retry-after", "")).replace(".", "", 1).isdecimal() else None


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Hold the process's one HTTP client open while the service runs."""
    given: Settings = app.state.settings
    timeout = httpx.Timeout(connect=given.connect_s, write=given.write_s, read=given.read_s, pool=given.pool_s)
    async with httpx.AsyncClient(timeout=timeout, limits=httpx.Limits(max_connections=given.max_connections)) as http:
        yield {"http": http}


async def get_http(request: Request) -> httpx.AsyncClient:
    """Find the client that the lifespan opened."""
    return request.state.http


Http = Annotated[httpx.AsyncClient, Depends(get_http)]


@dataclass(frozen=True)
class AnthropicLLM:
    """Anthropic's Messages API, over a client that is opened and closed elsewhere.

    Source: https://docs.claude.com/en/api/messages
    """

    http: httpx.AsyncClient
    settings: Settings

    async def generate(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        """Answer a conversation; LLMError if the provider does not."""
        import anthropic

        client = anthropic.AsyncAnthropic(
            auth_token=self.settings.anthropic_key,
            base_url=self.settings.anthropic_url,
            http_client=self.http,
            max_retries=0,
        )
        system = "\n\n".join(one.content for one in messages if one.role == "system")
        turns: list[Any] = [one.model_dump() for one in messages if one.role != "system"]
        try:
            answer = await client.messages.create(
                model=self.settings.model,
                messages=turns,
                max_tokens=max_tokens,
                system=system or anthropic.omit,
                timeout=self.http.timeout,
            )
            return Reply(
                text="".join(block.text for block in answer.content if block.type == "text"),
                model=answer.model,
                finish_reason=FINISH_REASONS.get(str(answer.stop_reason), "stop"),
                usage=Usage(prompt_tokens=answer.usage.input_tokens, completion_tokens=answer.usage.output_tokens),
            )
        except anthropic.APIStatusError as error:
            raise LLMError(error.message, error.status_code, read_retry_after(error.response.headers)) from error
        except (anthropic.APIError, ValueError, TypeError, AttributeError) as error:
            raise LLMError(str(error)) from error


@dataclass(frozen=True)
class OpenAILLM:
    """OpenAI's chat completions, through the official client."""

    client: Any  # an openai.AsyncOpenAI. Import it where it is used: at the top every start would wait most of a second
    model: str

    async def generate(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        """Answer a conversation; LLMError if the provider does not."""
        from openai import APIConnectionError, APIStatusError

        asked = [one.model_dump() for one in messages]
        create = self.client.chat.completions.create
        try:
            answer = await create(model=self.model, messages=asked, max_completion_tokens=max_tokens)
            message = answer.choices[0].message
            reason = "content_filter" if message.refusal else answer.choices[0].finish_reason
            said = {"text": message.content or message.refusal or "", "model": answer.model, "finish_reason": reason}
            return Reply.model_validate({**said, "usage": answer.usage}, from_attributes=True)
        except APIStatusError as error:
            raise LLMError(error.message, error.status_code, read_retry_after(error.response.headers)) from error
        except (APIConnectionError, ValueError, LookupError, TypeError, AttributeError) as error:  # none, or no sense
            raise LLMError(f"no answer from the provider: {error!r}") from error


class Prompt(BaseModel):
    """Given: what may be asked."""

    messages: list[Message] = Field(min_length=1, max_length=100)
    max_tokens: int = Field(default=1024, ge=1, le=64_000)


def get_openai(request: Request, http: Http) -> LLM:
    from openai import AsyncOpenAI

    state = request.app.state
    if getattr(state, "openai", None) is None:
        state.openai = AsyncOpenAI(
            api_key=state.settings.openai_key, base_url=state.settings.openai_url, http_client=http, max_retries=0
        )
    return OpenAILLM(state.openai, state.settings.model)


OpenAIModel = Annotated[LLM, Depends(get_openai)]


@api.post("/openai/generate")
async def create_openai_reply(prompt: Prompt, llm: OpenAIModel) -> dict[str, Any]:
    reply = await llm.generate(prompt.messages, max_tokens=prompt.max_tokens)
    return reply.model_dump()


async def generate_batch(llm: LLM, prompts: Sequence[str], *, limit: int = 4) -> list[Reply | LLMError]:
    """Ask the model every prompt, each as one message of the user, with at most `limit` calls in flight.

    Returns:
        N answers in the order of the prompts, whatever order the calls end in; an LLMError where a call failed.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError("limit must be at least 1")
    todo = asyncio.Queue[tuple[int, str]]()
    for item in enumerate(prompts):
        todo.put_nowait(item)
    answers: dict[int, Reply | LLMError] = {}

    async def worker() -> None:
        while not todo.empty():
            n, prompt = todo.get_nowait()
            try:
                answers[n] = await llm.generate([Message(role="user", content=prompt)])
            except LLMError as error:
                answers[n] = error

    async with asyncio.TaskGroup() as group:
        for _ in range(min(limit, len(prompts))):
            group.create_task(worker())
    return [answers[n] for n in range(len(prompts))]


async def retry(
    call: Callable[[], Awaitable[T]], *, retries: int = 3, base_s: float = 0.5, cap_s: float = 8, budget_s: float = 20
) -> T:
    """Return what `call()` returns, calling it again after an LLMError that may pass.

    Args:
        call: starts one call, each time anew.
        retries: the most calls after the first one.
        base_s: bound of the first wait, in seconds; it doubles with each wait.
        cap_s: no wait's bound grows above this.
        budget_s: the most that all waits together may take.

    Raises:
        LLMError: the last one, once nothing is left or nothing can help.

    Source: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    backoff = Backoff(retries, base_s, cap_s, budget_s)
    while True:
        try:
            return await call()
        except LLMError as error:
            wait_s = backoff.next(error)
            if wait_s is None:
                raise
        async with asyncio.timeout(None):
            await asyncio.sleep(wait_s)


class Backoff:
    def __init__(self, retries: int, base_s: float, cap_s: float, budget_s: float) -> None:
        self.left, self.bound_s, self.cap_s, self.left_s = retries, base_s, cap_s, budget_s
        self.dice = random.SystemRandom()

    def next(self, error: LLMError) -> float | None:
        match error.status:
            case None | 408 | 409 | 429:
                pass
            case status if status >= 500:
                pass
            case _:
                return None
        wait_s = self.dice.uniform(0.0, min(self.bound_s, self.cap_s))
        wait_s += error.retry_after_s or 0.0
        self.left, self.bound_s, self.left_s = self.left - 1, self.bound_s * 2, self.left_s - wait_s
        return None if self.left < 0 or self.left_s < 0 else wait_s


async def map_in_threads(work: Callable[[str], T], items: Sequence[str], *, threads: int = 4) -> list[T]:
    """Return `work(item)` of every item, in order. `work` blocks, so at most `threads` threads do it."""
    slots = asyncio.Semaphore(threads)

    async def one(item: str) -> T:
        async with slots:
            return await asyncio.to_thread(work, item)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(item)) for item in items]
    return [task.result() for task in tasks]


class CallerLeft(Exception):
    """Given: whoever asked has closed the connection, and nobody reads an answer."""


async def while_connected(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work()` returns, but do not work for a caller who has left.

    Raises:
        CallerLeft: the caller of `request` left first; `work` was cancelled and has ended.
    """

    gone = False

    async def ask() -> T:
        return await work()

    async def watch(task: asyncio.Task[T]) -> None:
        nonlocal gone
        while not gone:
            gone = (await request.receive())["type"] == "http.disconnect"
        task.cancel()

    task = asyncio.create_task(ask())
    watcher = asyncio.create_task(watch(task))
    try:
        return await task
    except asyncio.CancelledError:
        if gone and task.cancelled():
            raise CallerLeft from None
        raise
    finally:
        task.cancel()
        watcher.cancel()
        await asyncio.wait({task, watcher})


@dataclass(frozen=True)
class LLMService:
    """Given: the parts of this lesson put together. With a `request`, work ends when its caller leaves."""

    llm: LLM
    request: Request | None = None

    async def generate(self, messages: Sequence[Message], *, max_tokens: int = 1024) -> Reply:
        """Answer a conversation, with patience."""
        return await self._run(lambda: retry(lambda: self.llm.generate(messages, max_tokens=max_tokens)))

    async def batch(self, prompts: Sequence[str], *, limit: int = 4) -> list[Reply | LLMError]:
        """Answer every prompt, with patience for each."""
        return await self._run(lambda: generate_batch(LLMService(self.llm), prompts, limit=limit))

    async def _run(self, work: Callable[[], Awaitable[T]]) -> T:
        return await (while_connected(self.request, work) if self.request else work())


async def get_service(request: Request, http: Http) -> LLMService:
    """Given: the service that routes use, on Anthropic's API."""
    return LLMService(AnthropicLLM(http, request.app.state.settings), request)


def get_usage_log() -> Callable[[Reply], None]:
    """Given: find what keeps usage. Stands for a database: it blocks, and some days it raises."""
    return lambda reply: logger.info("%s used %s", reply.model, reply.usage)


Service = Annotated[LLMService, Depends(get_service)]
UsageLog = Annotated[Callable[[Reply], None], Depends(get_usage_log)]


class SafeLog:
    def __init__(self, log: UsageLog, background: BackgroundTasks) -> None:
        self.log, self.background = log, background

    def __call__(self, reply: Reply) -> None:
        self.background.add_task(self._write, reply)

    def _write(self, reply: Reply) -> None:
        try:
            self.log(reply)
        except Exception as error:
            logger.critical("could not log %s", reply.usage, exc_info=error)


@api.post("/generate")
async def create_reply(prompt: Prompt, service: Service, log: Annotated[SafeLog, Depends()]) -> Reply:
    reply = await service.generate(prompt.messages, max_tokens=prompt.max_tokens)
    log(reply)
    return reply


@api.post("/batch")
async def create_batch(prompts: Annotated[list[str], Body(embed=True, max_length=100)], service: Service) -> Any:
    """Given: answer every prompt, and count the words of all, which stands for a tokenizer: it computes and blocks."""
    answers = [one if isinstance(one, Reply) else {"error": str(one)} for one in await service.batch(prompts)]
    return {"words": sum(await map_in_threads(lambda text: len(text.split()), prompts)), "answers": answers}


async def answer_llm_error(_: Request, error: Any) -> Response:
    """Given: pass on that the provider failed, and how long to wait."""
    status = {None: 504, 429: 429, 503: 503, 529: 503}.get(error.status, 502)
    headers = {} if error.retry_after_s is None else {"Retry-After": str(int(error.retry_after_s + 0.999))}
    return JSONResponse({"error": str(error)}, status, headers)


def create_app(settings: Settings | None = None) -> FastAPI:
    """Given: build the service."""
    # 499 is what proxies log for a caller who has left; nobody receives it.
    handlers: dict[Any, Any] = {LLMError: answer_llm_error, CallerLeft: lambda *_: Response(status_code=499)}
    app = FastAPI(lifespan=lifespan, exception_handlers=handlers)
    app.state.settings = settings or Settings()
    app.include_router(api)
    return app


app = create_app()
