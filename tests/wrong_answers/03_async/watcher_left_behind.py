# fails: 03.8
# says: is not cancelled
"""The task that watches the caller is never ended."""

import asyncio
import logging
import os
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Protocol, TypeVar

import httpx2 as httpx
from anyio import CapacityLimiter, to_thread
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
        said = [one.model_dump() for one in messages if one.role != "system"]
        body: dict[str, Any] = {"model": self.settings.model, "max_tokens": max_tokens, "messages": said}
        if system := "\n\n".join(one.content for one in messages if one.role == "system"):
            body["system"] = system
        headers = {"authorization": f"Bearer {self.settings.anthropic_key}", "anthropic-version": "2026-10-21"}
        try:
            response = await self.http.post(f"{self.settings.anthropic_url}/v1/messages", headers=headers, json=body)
        except httpx.RequestError as error:  # not Exception: a bug of ours is no provider's error
            raise LLMError(f"no answer from the provider: {error!r}") from error
        status, wait_s = response.status_code, read_retry_after(response.headers)
        try:
            answer = response.json()
            if status != 200:
                raise LLMError(answer["error"]["message"], status, wait_s)
            text = "".join(block["text"] for block in answer["content"] if block["type"] == "text")
            reason, used = FINISH_REASONS.get(answer["stop_reason"], "stop"), answer["usage"]
            usage = Usage(prompt_tokens=used["input_tokens"], completion_tokens=used["output_tokens"])
            return Reply(text=text, model=answer["model"], finish_reason=reason, usage=usage)
        except (ValueError, KeyError, TypeError) as error:  # a proxy's page, half a body
            raise LLMError(f"unreadable answer, HTTP {status}", None if status == 200 else status, wait_s) from error


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


async def get_openai(request: Request, http: Http) -> LLM:
    """Return OpenAI's model behind our port."""
    from openai import AsyncOpenAI

    given: Settings = request.app.state.settings
    # Around a client that is open already this costs next to nothing. Retries are 03.5's: only one layer retries.
    client = AsyncOpenAI(api_key=given.openai_key, base_url=given.openai_url, http_client=http, max_retries=0)
    return OpenAILLM(client, given.model)


@api.post("/openai/generate")
async def create_openai_reply(prompt: Prompt, llm: Annotated[LLM, Depends(get_openai)]) -> Reply:
    """Answer a conversation with OpenAI's model."""
    return await llm.generate(prompt.messages, max_tokens=prompt.max_tokens)


async def generate_batch(llm: LLM, prompts: Sequence[str], *, limit: int = 4) -> list[Reply | LLMError]:
    """Ask the model every prompt, each as one message of the user, with at most `limit` calls in flight.

    Returns:
        N answers in the order of the prompts, whatever order the calls end in; an LLMError where a call failed.

    Raises:
        ValueError: `limit` is below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be at least 1, got {limit}")
    slots = asyncio.Semaphore(limit)

    async def one(prompt: str) -> Reply | LLMError:
        async with slots:
            try:
                return await llm.generate([Message(role="user", content=prompt)])
            except LLMError as error:
                return error

    # gather() would raise a bug in one call at once, and let the other calls run on and cost money.
    async with asyncio.TaskGroup() as group:
        calls = [group.create_task(one(prompt)) for prompt in prompts]
    return [call.result() for call in calls]


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
    waits: list[float] = []
    while True:
        try:
            return await call()
        except LLMError as error:
            passes = error.status is None or error.status in (408, 409, 429) or error.status >= 500
            # On top of Retry-After: everybody else was told the same number of seconds.
            wait_s = (error.retry_after_s or 0) + random.uniform(0, min(cap_s, base_s * 2 ** len(waits)))
            if not passes or len(waits) >= retries or sum(waits) + wait_s > budget_s:
                raise
        waits.append(wait_s)
        await asyncio.sleep(wait_s)


async def map_in_threads(work: Callable[[str], T], items: Sequence[str], *, threads: int = 4) -> list[T]:
    """Return `work(item)` of every item, in order. `work` blocks, so at most `threads` threads do it."""
    limiter = CapacityLimiter(threads)  # of its own: the shared one has 40 threads, which every `def` route needs too
    return await asyncio.gather(*(to_thread.run_sync(work, item, limiter=limiter) for item in items))


class CallerLeft(Exception):
    """Given: whoever asked has closed the connection, and nobody reads an answer."""


async def while_connected(request: Request, work: Callable[[], Awaitable[T]]) -> T:
    """Return what `work()` returns, but do not work for a caller who has left.

    Raises:
        CallerLeft: the caller of `request` left first; `work` was cancelled and has ended.
    """

    async def left() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass

    working, leaving = asyncio.ensure_future(work()), asyncio.ensure_future(left())
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        raise CallerLeft
    finally:  # wait() leaves both running, also when it is cancelled itself
        working.cancel()
        await asyncio.gather(working, return_exceptions=True)


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


def log_usage(log: Callable[[Reply], None], reply: Reply) -> None:
    """Log what a call cost; if that fails, say so and nothing more."""
    try:
        log(reply)
    except Exception:
        logger.exception("usage of %s was not logged: %s", reply.model, reply.usage)


@api.post("/generate")
async def create_reply(prompt: Prompt, service: Service, log: UsageLog, background: BackgroundTasks) -> Reply:
    """Answer a conversation."""
    reply = await service.generate(prompt.messages, max_tokens=prompt.max_tokens)
    background.add_task(log_usage, log, reply)  # a plain def, so FastAPI runs it in a thread
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
