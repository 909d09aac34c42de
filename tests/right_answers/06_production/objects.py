"""Small objects: a script of its own for Redis, one object for each request, one for each state of the breaker."""

# >>> 06.2
from bisect import bisect_right

# The list holds times in milliseconds, the newest first. LINDEX tells whether the limit-th newest is too young.
script = """
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local last = redis.call('LINDEX', KEYS[1], limit - 1)
local ok = (not last or tonumber(last) <= now - window) and 1 or 0
if ok == 1 then redis.call('LPUSH', KEYS[1], now) end
redis.call('LTRIM', KEYS[1], 0, limit - 1)
redis.call('PEXPIRE', KEYS[1], window)
local all, young, oldest = redis.call('LRANGE', KEYS[1], 0, -1), 0, now
for _, at in ipairs(all) do
    if tonumber(at) > now - window then young = young + 1; oldest = tonumber(at) end
end
return {ok, young, oldest + window - now}
"""

async def ask_redis() -> Verdict:
    counting = self.redis.register_script(script)
    ok, young, rest_ms = await counting([f"{{{caller}}}:calls"], [self.limit, int(self.window_s * 1000)])
    return Verdict(bool(ok), self.limit - young, rest_ms / 1000)

if self.redis is not None and time.monotonic() >= self.ask_at:
    asking, self.ask_at = asyncio.create_task(ask_redis()), time.monotonic() + self.rest_s if self.away else 0.0
    done, _ = await asyncio.wait({asking}, timeout=self.patience_s)
    asking.cancel()
    if done and not asking.exception():
        self.away, self.ask_at = False, 0.0
        return asking.result()
    if not self.away:
        log.warning("Redis is away: %r", asking.exception() if done else "no word")
    self.away, self.ask_at = True, time.monotonic() + self.rest_s

here: list = vars(self).setdefault("here", {}).setdefault(caller, [])
at = time.monotonic()
del here[: bisect_right(here, at - self.window_s)]
if len(here) >= self.limit:
    return Verdict(False, 0, here[0] + self.window_s - at)
here.append(at)
return Verdict(True, self.limit - len(here), here[0] + self.window_s - at)
# <<< 06.2

# >>> 06.4
class Visit:
    """One request."""

    def __init__(self, done: Any, id: str) -> None:
        self.done, self.id, self.begun = done, id, time.perf_counter_ns()
        self.status, self.told = 500, False

    def over(self, *, complete: bool) -> None:
        """Tell it, the first time."""
        if not self.told:
            self.told = True
            took = (time.perf_counter_ns() - self.begun) / 1e9
            self.done(
                Served(
                    method=scope["method"],
                    path=scope["path"],
                    route=route_of(scope),
                    status=self.status,
                    duration_s=took,
                    complete=complete,
                )
            )

    async def send(self, message: Any) -> None:
        """Pass it on."""
        match message:
            case {"type": "http.response.start", "status": status}:
                self.status = status
                MutableHeaders(scope=message)["X-Request-ID"] = self.id
                await send(message)
            case {"type": "http.response.body", "more_body": True}:
                await send(message)
            case {"type": "http.response.body"}:
                await send(message)
                self.over(complete=True)
            case _:
                await send(message)

if scope["type"] == "http":
    asked = Headers(scope=scope).get("X-Request-ID") or ""
    good = re.compile(r"[\w.-]{8,64}\Z", re.ASCII).match(asked)
    visit = Visit(self.done, asked if good else str(uuid.uuid4()))
    token = REQUEST_ID.set(visit.id)
    try:
        await self.app(scope, receive, visit.send)
    finally:
        REQUEST_ID.reset(token)
        visit.over(complete=False)
else:
    await self.app(scope, receive, send)
# <<< 06.4

# >>> 06.7
class Closed:
    """Everybody."""

    def __init__(self) -> None:
        self.failed = 0

    async def call(me, work: Any) -> Any:
        """Count."""
        try:
            answer = await work()
        except LLMError as error:
            me.failed = me.failed + 1 if error.passes else 0
            if me.failed >= self.failures and self.state is me:
                self.state = Open(max(self.cooldown_s, error.retry_after_s or 0))
            raise
        me.failed = 0
        return answer


class Open:
    """Nobody, then one."""

    def __init__(self, seconds: float) -> None:
        self.until, self.busy = time.monotonic() + seconds, False

    async def call(me, work: Any) -> Any:
        """Refuse, or try."""
        left = me.until - time.monotonic()
        if left > 0 or me.busy:
            raise LLMError(f"{self.name}: not now", 503, max(left, 0.5))
        me.busy = True
        try:
            answer = await work()
        except LLMError as error:
            self.state = Open(max(self.cooldown_s, error.retry_after_s or 0)) if error.passes else Closed()
            raise
        else:
            self.state = Closed()
            return answer
        finally:
            me.busy = False

if not hasattr(self, "state"):
    self.state = Closed()
return await self.state.call(work)
# <<< 06.7

# >>> 06.8
def frozen(value: Any) -> Any:
    """A value that can be a key and has one meaning."""
    if isinstance(value, Mapping):
        return frozenset((key, frozen(one)) for key, one in value.items())
    if isinstance(value, list):
        return tuple(frozen(one) for one in value)
    return (type(value).__name__, value)

fixed = "temperature" in body and body["temperature"] is not None and float(body["temperature"]) == 0.0
if body.get("stream") is True or (not fixed and not anyway):
    return (await ask(), False)
key = (caller, frozen(body))
store: Any = self.kept
entry = store.get(key)
if entry and entry[0] >= time.monotonic():
    return json.loads(entry[1]), True
store.pop(key, None)
answer = await ask()
store[key] = time.monotonic() + self.ttl_s, json.dumps(answer)
for key in list(store):
    if len(store) <= self.size:
        break
    del store[key]
return answer, False
# <<< 06.8
