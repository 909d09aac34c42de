"""Libraries where there are some: limits counts, structlog writes, Starlette's own types carry the headers."""

# >>> 06.1
model_config = SettingsConfigDict(
    env_file=".env", env_file_encoding="utf-8", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True
)

requests_per_minute: Annotated[int, Field(gt=0)] = 60
openai_api_key: SecretStr = Field()
openai_base_url: str = Field("https://api.openai.com/v1")
fallback_api_key: Optional[SecretStr] = None
fallback_base_url: Optional[str] = None
redis_url: Optional[SecretStr] = None
# <<< 06.1

# >>> imports
from typing import Annotated, Optional
# <<< imports

# >>> 06.2
from limits import RateLimitItemPerSecond
from limits.aio.storage import MemoryStorage, RedisStorage
from limits.aio.strategies import MovingWindowRateLimiter

if not hasattr(self, "here"):
    self.here = MovingWindowRateLimiter(MemoryStorage())
    self.there = None
    if self.redis:
        options = {"implementation": "redispy", "connection_pool": self.redis.connection_pool}
        self.there = MovingWindowRateLimiter(RedisStorage("async+redis://", **options))
    self.asleep_until, self.gone = -1.0, False
rule = RateLimitItemPerSecond(self.limit, int(self.window_s))

async def count(limiter):
    allowed = await limiter.hit(rule, caller)
    window = await limiter.get_window_stats(rule, caller)
    return Verdict(allowed, window.remaining, window.reset_time - time.time())

if self.there and time.monotonic() >= self.asleep_until:
    try:
        verdict = await asyncio.wait_for(count(self.there), self.patience_s)
        self.gone = False
        return verdict
    except (RedisError, OSError, asyncio.TimeoutError):
        self.asleep_until = time.monotonic() + self.rest_s
        if not self.gone:
            self.gone = True
            log.warning("no Redis", exc_info=True)
return await count(self.here)
# <<< 06.2

# >>> 06.2 (2)
if scope["type"] != "http" or not (caller := self.caller_of(scope)):
    return await self.app(scope, receive, send)
verdict = await self.limiter.hit(caller)
seconds = max(1, -int(-verdict.reset_s // 1))
headers = [
    (b"X-RateLimit-Limit".lower(), b"%d" % self.limiter.limit),
    (b"x-ratelimit-remaining", b"%d" % verdict.remaining),
    (b"x-ratelimit-reset", b"%d" % seconds),
]

async def with_headers(message):
    if message["type"] == "http.response.start":
        message = {**message, "headers": [*message.get("headers", ()), *headers]}
    await send(message)

if verdict.allowed:
    return await self.app(scope, receive, with_headers)
answer = error_response(429, "rate_limited", "Slow down.", {"Retry-After": str(seconds)})
await answer(scope, receive, with_headers)
# <<< 06.2

# >>> 06.3
def add_error_handlers(app: FastAPI) -> None:
    """Handlers inside, a middleware for the rest."""

    @app.exception_handler(LLMError)
    async def no_answer(request: Request, error: LLMError) -> Response:
        log.error("provider: %s", error, exc_info=error)
        if error.status is None:
            status = 504
        elif error.status in (503, 529):
            status = 503
        else:
            status = 429 if error.status == 429 else 502
        response = error_response(status, "llm_error", "No answer.")
        if error.retry_after_s is not None:
            response.headers["Retry-After"] = str(-int(-error.retry_after_s // 1))
        return response

    class Catch:
        def __init__(self, app: ASGIApp) -> None:
            self.app = app

        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            sent = []

            async def note(message: Message) -> None:
                sent.append(message["type"])
                await send(message)

            try:
                await self.app(scope, receive, note)
            except Exception as error:
                log.critical("bug", exc_info=error)
                if sent or scope["type"] != "http":
                    raise
                body = {"error": "internal_error", "message": "Sorry.", "request_id": REQUEST_ID.get()}
                await JSONResponse(body, 500)(scope, receive, send)

    app.add_middleware(Catch)


# <<< 06.3

# >>> 06.5
def redact(value: Any, key: str = "") -> Any:
    """A copy."""
    if key.lower() in PRIVATE:
        return "[redacted]"
    if isinstance(value, dict):
        return {SECRET.sub("***", f"{name}"): redact(one, f"{name}") for name, one in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [redact(one) for one in value]
    if isinstance(value, (int, type(None))) or isinstance(value, float) and value - value == 0:
        return value
    return SECRET.sub("***", value if isinstance(value, str) else repr(value))


class JSONLines(structlog.stdlib.ProcessorFormatter):
    """Data first, text after."""

    def format(self, record: logging.LogRecord) -> str:
        """On a copy of the record."""
        record = logging.makeLogRecord(vars(record))
        if isinstance(record.args, dict):
            record.args = redact(record.args)
        elif record.args:
            record.args = tuple(redact(one) if isinstance(one, (dict, list, tuple)) else one for one in record.args)
        return super().format(record)


def configure_logging(stream: TextIO) -> None:
    """structlog for both."""

    def with_id(logger: Any, method: str, event: Any) -> Any:
        event["request_id"] = REQUEST_ID.get()
        return event

    before = [
        structlog.stdlib.add_logger_name,
        structlog.stdlib.add_log_level,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        with_id,
    ]
    after = [
        structlog.stdlib.ProcessorFormatter.remove_processors_meta,
        structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False)),
        lambda logger, method, event: {key: redact(value, key) for key, value in event.items()},
        structlog.processors.JSONRenderer(),
    ]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONLines(foreign_pre_chain=before, processors=after))
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel("INFO")
    for name in list(logging.Logger.manager.loggerDict):
        if name.startswith("uvicorn"):
            logging.getLogger(name).handlers = []
            logging.getLogger(name).propagate = True
    logging.getLogger("uvicorn.access").setLevel(logging.CRITICAL)


# <<< 06.5

# >>> 06.6
named = {"registry": self.registry}
self.h = Histogram(
    name="http_request_duration_seconds",
    documentation="h",
    labelnames=("method", "route", "status"),
    buckets=[2**n for n in range(-6, 10)],
    **named,
)
self.t = Counter("llm_tokens", "t", ("model", "kind"), **named)
self.c = Counter("llm_cost_dollars", "c", ("model",), **named)
self.e = Counter("llm_errors", "e", ("provider", "status"), **named)
# <<< 06.6

# >>> 06.6 (2)
import http

known = {one.value for one in http.HTTPMethod}
self.h.labels(
    method=served.method if served.method in known else "other",
    route="other" if served.route is None else served.route,
    status=f"{served.status}",
).observe(served.duration_s)
# <<< 06.6

# >>> 06.6 (3)
if model not in PRICES:
    model = "other"
asked, answered = PRICES.get(model, (0, 0))
for kind, n in (("prompt", prompt_tokens), ("completion", completion_tokens)):
    self.t.labels(model=model, kind=kind).inc(n)
self.c.labels(model=model).inc(asked * prompt_tokens / 1e6 + answered * completion_tokens / 1e6)
# <<< 06.6

# >>> 06.6 (4)
self.e.labels(provider=provider, status=str(error.status or "none")).inc()
# <<< 06.6
