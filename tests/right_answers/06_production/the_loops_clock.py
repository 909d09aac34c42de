"""The event loop's clock everywhere, Starlette's own middleware for the 500, and late news that a breaker heeds."""

# >>> 06.1
model_config = SettingsConfigDict(env_file=".env", extra="ignore", env_ignore_empty=True, hide_input_in_errors=True)
openai_api_key: SecretStr = Field(validation_alias="OPENAI_API_KEY")
openai_base_url: str = Field("https://api.openai.com/v1", validation_alias="OPENAI_BASE_URL")
fallback_api_key: SecretStr | None = Field(None, validation_alias="FALLBACK_API_KEY")
fallback_base_url: str | None = Field(None, validation_alias="FALLBACK_BASE_URL")
redis_url: SecretStr | None = Field(None, validation_alias="REDIS_URL")
requests_per_minute: int = Field(60, validation_alias="REQUESTS_PER_MINUTE", gt=0)
# <<< 06.1

# >>> 06.3
def add_error_handlers(app: FastAPI) -> None:
    """Starlette's class for the 500, one layer further in; it answers, and raises the error again."""
    from starlette.middleware.errors import ServerErrorMiddleware

    @app.exception_handler(LLMError)
    async def on_llm_error(request: Request, error: LLMError) -> Response:
        log.error("provider failed: %r (%s)", error, error.status)
        match error.status:
            case None:
                status = 504
            case 503 | 529:
                status = 503
            case 429:
                status = 429
            case _:
                status = 502
        reply = error_response(status, "llm_error", "The model is not available.")
        if error.retry_after_s is not None:
            reply.headers["retry-after"] = f"{math.ceil(error.retry_after_s)}"
        return reply

    async def on_bug(request: Request, error: Exception) -> Response:
        log.critical("bug", exc_info=error)
        return error_response(500, "internal_error", "Sorry.")

    app.add_middleware(ServerErrorMiddleware, handler=on_bug)


# <<< 06.3

# >>> 06.4
import asyncio
import secrets

if scope["type"] != "http":
    return await self.app(scope, receive, send)
clock = asyncio.get_running_loop().time
begun, last = clock(), []
values = [value.decode("latin-1") for key, value in scope["headers"] if key == b"x-request-id"]
good = len(values) == 1 and values[0].isascii() and re.fullmatch(r"[\w.-]{8,64}", values[0])
id = values[0] if good else f"req_{secrets.token_urlsafe(12)}"
seen = {"status": 500}

def over(complete: bool) -> None:
    if not last:
        last.append(clock())
        served = {"method": scope["method"], "path": scope["path"], "route": route_of(scope), **seen}
        self.done(Served(**served, duration_s=last[0] - begun, complete=complete))

async def pass_on(message: Message) -> None:
    if message["type"] == "http.response.start":
        seen["status"] = message["status"]
        kept = [(key, value) for key, value in message.get("headers", ()) if key.lower() != b"x-request-id"]
        message = {**message, "headers": [*kept, (b"x-request-id", id.encode())]}
    await send(message)
    if message["type"] == "http.response.body" and not message.get("more_body"):
        over(complete=True)

token = REQUEST_ID.set(id)
try:
    await self.app(scope, receive, pass_on)
except BaseException:
    over(complete=False)
    raise
else:
    over(complete=False)
finally:
    REQUEST_ID.reset(token)
return None
# <<< 06.4

# >>> 06.7
import asyncio

now = asyncio.get_running_loop().time
tries = self.open_until is not None
if tries:
    if self.trying or now() < self.open_until:
        raise LLMError("open", 503, max(self.open_until - now(), 0.1))
    self.trying = True
try:
    answer = await work()
except LLMError as error:
    if error.passes:
        self.failed += 1
        if self.failed >= self.failures:  # one that comes late makes the wait longer
            self.open_until = now() + max(self.cooldown_s, error.retry_after_s or 0)
    elif tries or self.open_until is None:
        self.failed, self.open_until = 0, None
    raise
else:
    if tries or self.open_until is None:  # a late answer does not close it
        self.failed, self.open_until = 0, None
    return answer
finally:
    self.trying = self.trying and not tries
# <<< 06.7

# >>> 06.7 (2)
(breaker, work), *others = providers
try:
    return await breaker.call(work)
except LLMError as error:
    if not error.passes or not others:
        raise
return await first_answer(others)
# <<< 06.7

# >>> 06.8
import asyncio

fixed = body.get("temperature") in (0, 0.0) and body["temperature"] is not False
if body.get("stream") is True or not (fixed or anyway):
    return await ask(), False
now = asyncio.get_running_loop().time
flights = vars(self).setdefault("flights", {})
key = json.dumps((caller, body), sort_keys=True, separators=(",", ":"))
until, text = self.kept.get(key, (0.0, ""))
if text and now() < until:
    return json.loads(text), True

async def fetch() -> str:
    text = json.dumps(await ask())
    self.kept[key] = (now() + self.ttl_s, text)
    self.kept.move_to_end(key)
    while len(self.kept) > self.size:
        del self.kept[next(iter(self.kept))]
    return text

before = key in flights
if not before:
    flights[key] = asyncio.create_task(fetch())
    flights[key].add_done_callback(lambda _: flights.pop(key, None))
return json.loads(await asyncio.shield(flights[key])), before
# <<< 06.8
