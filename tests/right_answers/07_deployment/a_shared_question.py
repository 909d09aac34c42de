"""One task that everybody waits for, plain functions, upserts; hosts, not bodies, in the health check."""

# >>> 07.1
loop = asyncio.get_running_loop()


async def one(part: Part) -> tuple[str, str]:
    asked = asyncio.ensure_future(part.ping())
    done, _ = await asyncio.wait({asked}, timeout=self.timeout_s)
    if not done:
        asked.cancel()
        return part.name, "timeout"
    if error := asked.exception():
        logger.error("part %s", part.name, exc_info=error)
        return part.name, "failed"
    return part.name, "ok"


async def all_of_them() -> dict[str, str]:
    answers = await asyncio.gather(*[one(part) for part in self.parts if part.kind != "remote"])
    self.known_until = loop.time() + self.fresh_s
    return dict(answers)


question = getattr(self, "question", None)
if question is None or (question.done() and loop.time() >= self.known_until):
    question = self.question = asyncio.ensure_future(all_of_them())
return await asyncio.shield(question)
# <<< 07.1

# >>> 07.1 (2)
@router.get("/live")
async def live() -> dict[str, str]:
    return {"status": "alive"}


@router.get("/ready")
async def ready() -> Any:
    word, states = "draining", {}
    if not drain.draining:
        states = await readiness.states()
        word = "ready"
        for part in readiness.parts:
            if states.get(part.name, "ok") == "ok":
                continue
            if part.kind == "needed":
                word = "not ready"
                break
            word = "degraded"
    return JSONResponse({"status": word, "parts": states}, 200 if word in ("ready", "degraded") else 503)
# <<< 07.1

# >>> 07.2
self.draining = True
try:
    async with asyncio.timeout(self.notice_s):
        await asyncio.Event().wait()
except TimeoutError:
    leave()
with anyio.move_on_after(self.deadline_s - self.notice_s):
    await anyio.sleep_forever()
while self.requests:
    self.requests.pop().cancel()
# <<< 07.2

# >>> 07.2 (2)
if scope["type"] != "http":
    await self.app(scope, receive, send)
else:
    kind: bytes | None = None
    finished = False

    async def watched(message: Message) -> None:
        nonlocal kind, finished
        if message["type"] == "http.response.start":
            kind = b""
            for name, value in message.get("headers", []):
                if name.lower() == b"content-type":
                    kind = value
        elif message["type"] == "http.response.body" and not message.get("more_body", False):
            finished = True
        await send(message)

    cut = anyio.CancelScope()
    self.drain.requests.add(cut)
    try:
        with cut:
            await self.app(scope, receive, watched)
    finally:
        self.drain.requests.discard(cut)
    if cut.cancelled_caught and not finished:
        if kind is None:
            response = Response(json.dumps(SHUTTING_DOWN), 503, {"retry-after": "10"}, "application/json")
            await response(scope, receive, send)
        elif kind.startswith(b"text/event-stream"):
            body = b"event: error\n" + b"data: " + json.dumps(SHUTTING_DOWN, indent=None).encode() + b"\n\n"
            await send({"type": "http.response.body", "body": body, "more_body": False})
# <<< 07.2

# >>> 07.4
# syntax=docker/dockerfile:1
FROM python@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
RUN apt-get update \
    && apt-get install --no-install-recommends -y curl tini \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /srv
RUN --mount=type=bind,source=requirements.txt,target=/build/requirements.txt \
    pip install --no-cache-dir -r /build/requirements.txt
COPY --chown=root:root ["app.py", "jobs.py", "main.py", "/srv/service/"]
USER 65532:65532
HEALTHCHECK --interval=5s --timeout=2s CMD curl --fail --silent http://127.0.0.1:8000/health/live
ENTRYPOINT ["tini", "--"]
CMD ["python", "-m", "uvicorn", "--host=0.0.0.0", "service.main:app"]
# <<< 07.4

# >>> 07.6 (2)
from contextlib import AsyncExitStack

from mangum import Mangum


class Handler:
    def __init__(self) -> None:
        self.stack = AsyncExitStack()
        self.state: dict[str, Any] = {}
        self.mangum = Mangum(self.asgi, lifespan="off")
        asyncio.get_event_loop_policy().get_event_loop().run_until_complete(self.open())

    async def open(self) -> None:
        self.state = await self.stack.enter_async_context(app.router.lifespan_context(app)) or {}

    async def asgi(self, scope: Any, receive: Any, send: Any) -> None:
        scope["state"] = dict(self.state)
        await app(scope, receive, send)

    def __call__(self, event: Any, context: Any) -> Any:
        return self.mangum(event, context)


return Handler()
# <<< 07.6

# >>> 07.7
(job,) = self.run(
    "INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?) ON CONFLICT (key) DO UPDATE SET key = key RETURNING *",
    f"job-{uuid.uuid4()}", key, payload,
)
if job.payload != payload:
    raise KeyReused(f"{key} was used for something else")
return job
# <<< 07.7

# >>> 07.8
while True:
    waiting = self.run(
        "SELECT * FROM jobs WHERE state = 'queued' OR (state = 'running' AND lease_until <= ?) ORDER BY rowid", now
    )
    if not waiting:
        return None
    for job in waiting:
        given_up = self.run(
            "UPDATE jobs SET state = 'failed' WHERE id = ? AND state = 'running' AND lease_until <= ? AND tries >= ?"
            " RETURNING *", job.id, now, self.most_tries,
        )
        taken = [] if given_up else self.run(
            "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = ?"
            " AND (state = 'queued' OR (state = 'running' AND lease_until <= ?)) RETURNING *",
            now + lease_s, job.id, now,
        )
        if taken:
            return taken[0]
# <<< 07.8

# >>> 07.8 (3)
celery = Celery(broker=broker_url, task_acks_late=True, task_reject_on_worker_lost=True)
celery.conf.update(
    {"worker_prefetch_multiplier": 1, "broker_transport_options": {"visibility_timeout": 24 * 3600, "retry_policy": {}}}
)


class RunJob(celery.Task):
    name = "run_job"

    def run(self, id: str) -> None:
        job = jobs.status(id)
        if job and job.state in ("queued", "running"):
            jobs.finish(job.id, work(job))


celery.register_task(RunJob())
return celery
# <<< 07.8
