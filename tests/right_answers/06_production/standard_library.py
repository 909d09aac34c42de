"""The standard library wherever it does: a JSON formatter, a transaction in Redis, one call shared by those who wait."""

# >>> imports
from time import monotonic
# <<< imports

# >>> 06.2
from contextlib import nullcontext

state = vars(self)
key, member = "calls:" + caller, str(uuid.uuid4())
while self.redis is not None and state.get("asked_after", 0) <= monotonic():
    was_away = state.get("asked_after", 0) > 0
    if was_away:
        self.asked_after = monotonic() + self.rest_s
    try:
        async with asyncio.timeout(self.patience_s), self.redis.pipeline(transaction=True) as together:
            at = time.time()
            together.zremrangebyscore(key, "-inf", at - self.window_s)
            together.zadd(key, {member: at})
            together.zcard(key)
            together.zrange(key, 0, 0, withscores=True)
            together.expire(key, int(self.window_s) + 1)
            _, _, rank, oldest, _ = await together.execute()
            if rank > self.limit:
                await self.redis.zrem(key, member)
    except (OSError, RedisError, TimeoutError):
        if not was_away and state.get("asked_after", 0) == 0:
            logging.getLogger("limits").error("Redis does not answer")
        self.asked_after = monotonic() + self.rest_s
        break
    self.asked_after = 0
    return Verdict(rank <= self.limit, max(0, self.limit - rank), oldest[0][1] + self.window_s - at)
with nullcontext():
    loop_now = asyncio.get_running_loop().time()
    young = [one for one in self.hits[caller] if one > loop_now - self.window_s]
    allowed = len(young) < self.limit
    if allowed:
        young.append(loop_now)
    self.hits[caller] = deque(young)
    return Verdict(allowed, self.limit - len(young), young[0] + self.window_s - loop_now)
# <<< 06.2

# >>> 06.4
if scope["type"] != "http":
    return await self.app(scope, receive, send)
from string import ascii_letters, digits

values = [value.decode("latin-1") for name, value in scope["headers"] if name == b"x-request-id"]
id = values[0] if values else ""
if not 8 <= len(id) <= 64 or set(id) - set(ascii_letters + digits + "._-"):
    id = uuid.uuid4().hex[:16]
begun = time.monotonic_ns()
status = None
told = []

def finish(complete: bool) -> None:
    if told:
        return
    told.append(complete)
    seconds = (time.monotonic_ns() - begun) / 1e9
    self.done(Served(scope["method"], scope["path"], route_of(scope), status or 500, seconds, complete))

async def forward(message: Message) -> None:
    nonlocal status
    if message["type"] == "http.response.start":
        status = message["status"]
        kept = [pair for pair in message.get("headers", []) if pair[0].lower() != b"x-request-id"]
        message = {**message, "headers": [*kept, (b"x-request-id", id.encode())]}
    await send(message)
    if message["type"] == "http.response.body" and not message.get("more_body", False):
        finish(True)

before = REQUEST_ID.get()
REQUEST_ID.set(id)
try:
    return await self.app(scope, receive, forward)
finally:
    REQUEST_ID.set(before)
    finish(False)
# <<< 06.4

# >>> 06.5
import json
import math
import traceback
from datetime import datetime, timezone

STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def redact(value: Any) -> Any:
    """A copy that JSON takes."""
    match value:
        case None | bool() | int():
            return value
        case float() if math.isfinite(value):
            return value
        case Mapping():
            pairs = ((str(key), one) for key, one in value.items())
            return {redact(key): "[private]" if key.lower() in PRIVATE else redact(one) for key, one in pairs}
        case list() | tuple() | set():
            return [*map(redact, value)]
    return SECRET.sub("[secret]", str(value))


class JSONFormatter(logging.Formatter):
    """One object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """Return it."""
        args = record.args
        if isinstance(args, tuple):
            args = tuple(redact(one) if isinstance(one, (dict, list, tuple)) else one for one in args)
        elif args:
            args = redact(args)
        text = str(record.msg) % args if args else str(record.msg)
        line = {
            "timestamp": datetime.fromtimestamp(record.created, timezone.utc).isoformat(),
            "level": record.levelname.lower(),
            "logger": record.name,
            "request_id": REQUEST_ID.get(),
            "event": SECRET.sub("[secret]", text),
        }
        line |= redact({key: value for key, value in vars(record).items() if key not in STANDARD})
        if record.exc_info:
            line["exception"] = SECRET.sub("[secret]", "".join(traceback.format_exception(*record.exc_info)))
        return json.dumps(line, allow_nan=False)


def configure_logging(stream: TextIO) -> None:
    """Without structlog."""
    import logging.config

    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "formatters": {"json": {"()": JSONFormatter}},
            "handlers": {"out": {"class": "logging.StreamHandler", "stream": stream, "formatter": "json"}},
            "root": {"level": "INFO", "handlers": ["out"]},
            "loggers": {
                "uvicorn": {"handlers": [], "propagate": True},
                "uvicorn.error": {"handlers": [], "propagate": True},
                "uvicorn.access": {"handlers": [], "propagate": False, "level": "CRITICAL"},
            },
        }
    )


# <<< 06.5

# >>> 06.7
import asyncio
from contextlib import nullcontext
from time import monotonic

lock = vars(self).setdefault("lock", asyncio.Lock())
trying = self.open_until is not None
if trying and (lock.locked() or monotonic() < self.open_until):
    raise LLMError("resting", 503, max(self.open_until - monotonic(), 0.1))
async with lock if trying else nullcontext():
    try:
        answer = await work()
    except LLMError as error:
        if not error.passes:
            self.failed, self.open_until = 0, None
            raise
        self.failed += 1
        if trying or self.failed >= self.failures:
            self.open_until = monotonic() + max(error.retry_after_s or 0, self.cooldown_s)
        raise
    self.failed, self.open_until = 0, None
    return answer
# <<< 06.7

# >>> 06.7 (2)
errors: list[LLMError] = []
for breaker, work in providers:
    try:
        return await breaker.call(work)
    except LLMError as error:
        errors.append(error)
        if error.status is not None and error.status < 500 and error.status not in (408, 409, 429):
            break
raise errors[-1]
# <<< 06.7

# >>> 06.8
import asyncio
import copy

wanted = not body.get("stream", False) and (anyway or body.get("temperature") in (0, 0.0))
if not wanted:
    return await ask(), False
key = repr((caller, json.dumps(body, sort_keys=True, separators=(",", ":"))))
running = vars(self).setdefault("running", {})
now = time.perf_counter()
if key in self.kept and self.kept[key][0] > now:
    return copy.deepcopy(self.kept[key][1]), True
if key not in running:
    running[key] = task = asyncio.ensure_future(ask())
    task.add_done_callback(lambda _: running.pop(key, None))
answer = await asyncio.shield(running[key])  # one call for all who wait; whoever leaves, leaves alone
self.kept[key] = now + self.ttl_s, copy.deepcopy(answer)
self.kept.move_to_end(key)
for old in list(self.kept)[: max(len(self.kept) - self.size, 0)]:
    del self.kept[old]
return answer, False
# <<< 06.8
