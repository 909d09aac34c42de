"""asyncio's own tasks and events, a multi-stage image, explicit transactions."""

# >>> 07.1
loop = asyncio.get_running_loop()
if loop.time() < self.known_until:
    return self.known
async with self.lock:
    if loop.time() < self.known_until:
        return self.known
    known: dict[str, str] = {}

    async def ask(part: Part) -> None:
        try:
            await asyncio.wait_for(part.ping(), self.timeout_s)
            known[part.name] = "ok"
        except asyncio.TimeoutError:
            known[part.name] = "timeout"
        except Exception as error:
            logger.warning("%s: %r", part.name, error, exc_info=True)
            known[part.name] = "failed"

    async with asyncio.TaskGroup() as group:
        for part in self.parts:
            if part.kind in ("needed", "helpful"):
                group.create_task(ask(part))
    self.known, self.known_until = known, loop.time() + self.fresh_s
    return known
# <<< 07.1

# >>> 07.1 (2)
async def live() -> JSONResponse:
    return JSONResponse({"status": "alive"})


async def ready() -> JSONResponse:
    if drain.draining:
        return JSONResponse({"status": "draining", "parts": {}}, 503)
    states = await readiness.states()
    kinds = {part.name: part.kind for part in readiness.parts}
    ill = {kinds[name] for name, state in states.items() if state != "ok"}
    if "needed" in ill:
        return JSONResponse({"status": "not ready", "parts": states}, 503)
    return JSONResponse({"status": "degraded" if ill else "ready", "parts": states})


router.add_api_route("/live", live)
router.add_api_route("/ready", ready)
# <<< 07.1

# >>> 07.2
self.draining = True
loop = asyncio.get_running_loop()
began = loop.time()
await asyncio.sleep(self.notice_s)
leave()
await asyncio.sleep(max(0, began + self.deadline_s - loop.time()))
for cut in list(self.requests):
    cut.set()
# <<< 07.2

# >>> 07.2 (2)
if scope["type"] != "http":
    return await self.app(scope, receive, send)
head: list[Message] = []
over = False


async def tap(message: Message) -> None:
    nonlocal over
    if message["type"] == "http.response.start":
        head.append(message)
    else:
        over = not message.get("more_body", False)
    await send(message)


cut = asyncio.Event()
self.drain.requests.add(cut)
work = asyncio.ensure_future(self.app(scope, receive, tap))
cutting = asyncio.ensure_future(cut.wait())
try:
    await asyncio.wait({work, cutting}, return_when=asyncio.FIRST_COMPLETED)
    if work.done():
        return work.result()
    work.cancel()
    await asyncio.wait({work})
    data = json.dumps(SHUTTING_DOWN)
    if not head:
        headers = [(b"content-type", b"application/json"), (b"retry-after", b"5")]
        await send({"type": "http.response.start", "status": 503, "headers": headers})
        await send({"type": "http.response.body", "body": data.encode(), "more_body": False})
    elif not over and any(n.lower() == b"content-type" and b"event-stream" in v for n, v in head[0]["headers"]):
        await send({"type": "http.response.body", "body": f"event:error\ndata:{data}\n\n".encode(), "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
finally:
    self.drain.requests.discard(cut)
    work.cancel()
    cutting.cancel()
    await asyncio.gather(work, cutting, return_exceptions=True)
# <<< 07.2

# >>> 07.3
length = load.first_token_s + load.tokens / load.tokens_per_s
average = load.requests_per_s * length
best = (0, 0)  # carried in all, streams of one worker
workers = 0
for count in range(1, machine.cores + 1):
    memory_kb = (machine.memory_mb - count * machine.worker_mb) * 1024 / count
    cpu = machine.busy * 1e6 * length / (load.tokens * machine.event_us)
    each = int(max(0, min(cpu, memory_kb / machine.stream_kb)))
    if count * each > best[0]:
        best, workers = (count * each, each), count
if workers == 0:
    raise ValueError("nothing fits")
peak = math.ceil(average + 3 * average**0.5)
return Plan(average, peak, workers, best[1], -(-peak // best[0]))
# <<< 07.3

# >>> 07.4
FROM python:3.13.9-slim-trixie AS build
WORKDIR /build
COPY requirements.txt .
RUN python -m venv /venv \
    # the wheels stay here
    && /venv/bin/pip install --no-cache-dir -r requirements.txt

FROM python:3.13.9-slim-trixie
ENV PATH=/venv/bin:$PATH
COPY --from=build /venv /venv
WORKDIR /srv
COPY app.py jobs.py main.py ./service/
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=10s CMD python -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/health/ready')" || exit 1
ENTRYPOINT ["sh", "-c", "exec uvicorn service.main:app --host 0.0.0.0 --port ${PORT:-8000}"]
# <<< 07.4

# >>> 07.5
x-patient: &patient
  depends_on:
    redis:
      condition: service_healthy
      restart: true
  environment:
    - JOBS_DB=/data/jobs.db
    - REDIS_HOST=redis
    - REDIS_PASSWORD_FILE=/run/secrets/redis_password
    - OPENAI_API_KEY_FILE=/run/secrets/key
  secrets:
    - redis_password
    - source: openai
      target: key
  volumes: ["jobs:/data"]
  stop_grace_period: 1m30s
services:
  api:
    <<: *patient
    build: .
    ports: ["8000:8000"]
  worker:
    <<: *patient
    build: .
    command: ["celery", "-A", "service.main:celery", "worker"]
    healthcheck:
      test: ["CMD", "celery", "-A", "service.main:celery", "inspect", "ping"]
  redis:
    image: docker.io/library/redis:8.2.2-bookworm
    entrypoint: ["/bin/sh", "-ec"]
    command:
      - |
        password="$$(cat /run/secrets/redis_password)"
        exec redis-server --appendonly yes --maxmemory 300mb --requirepass "$$password"
    secrets: [redis_password]
    volumes: ["queue:/data"]
    ports: ["127.0.0.1:6379:6379"]
    healthcheck:
      test: redis-cli -e --no-auth-warning -a "$$(cat /run/secrets/redis_password)" ping
    deploy: { resources: { limits: { memory: 512M } } }
volumes: { jobs: {}, queue: {} }
secrets:
  redis_password: { file: ./secrets/redis_password }
  openai: { file: ./secrets/openai }
# <<< 07.5

# >>> 07.6
if request.scope.get("aws.event") is not None or "aws.context" in request.scope:
    raise HTTPException(status_code=501, detail="This address does not stream.")
# <<< 07.6

# >>> 07.6 (2)
import mangum

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
lifespan_of_app = app.router.lifespan_context(app)
state: dict[str, Any] = {}
opened = False


async def with_state(scope: Any, receive: Any, send: Any) -> None:
    scope["state"] = state.copy()
    await app(scope, receive, send)


adapter = mangum.Mangum(with_state, lifespan="off")


def handle(event: Any, context: Any) -> Any:
    nonlocal opened
    if not opened:
        state.update(loop.run_until_complete(lifespan_of_app.__aenter__()) or {})
        opened = True
    return adapter(event, context)


return handle
# <<< 07.6

# >>> 07.7
try:
    self.run("INSERT INTO jobs (id, key, payload) VALUES (?, ?, ?)", str(uuid.uuid4()), key, payload)
except sqlite3.IntegrityError:
    pass
job = self.run("SELECT * FROM jobs WHERE key = ?", key)[0]
if job.payload == payload:
    return job
raise KeyReused
# <<< 07.7

# >>> 07.7 (2)
class Shown(BaseModel):
    id: str
    state: str
    result: str | None


@router.post("", status_code=202)
def create_job(
    order: Order, response: Response, idempotency_key: Annotated[str | None, Header()] = None
) -> Shown:
    if not idempotency_key:
        raise HTTPException(400, "An Idempotency-Key is needed.")
    try:
        job = jobs.submit(idempotency_key, order.prompt)
    except KeyReused:
        raise HTTPException(422, "This key is used.") from None
    response.headers["location"] = f"http://service.test/jobs/{job.id}"
    return Shown(id=job.id, state=job.state, result=job.result)


@router.get("/{id}")
async def read_job(id: str) -> Shown:
    job = jobs.status(id)
    if job is None:
        raise HTTPException(404)
    return Shown(id=job.id, state=job.state, result=job.result)
# <<< 07.7

# >>> 07.8
with self.lock:
    self.db.execute("BEGIN IMMEDIATE")
    try:
        self.db.execute(
            "UPDATE jobs SET state = 'failed' WHERE state = 'running' AND lease_until <= ? AND tries >= ?",
            (now, self.most_tries),
        )
        row = self.db.execute(
            "SELECT * FROM jobs WHERE state = 'queued' OR (state = 'running' AND lease_until <= ?) ORDER BY rowid",
            (now,),
        ).fetchone()
        if row:
            self.db.execute(
                "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ? WHERE id = ?",
                (now + lease_s, row["id"]),
            )
        self.db.execute("COMMIT")
    except BaseException:
        self.db.execute("ROLLBACK")
        raise
return Job(row["id"], row["payload"], "running") if row else None
# <<< 07.8

# >>> 07.8 (2)
with self.lock:
    sql = "UPDATE jobs SET result = ?, state = ? WHERE id = ? AND state IN ('queued', 'running')"
    return self.db.execute(sql, (result, state, id)).rowcount == 1
# <<< 07.8

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)
celery.conf.worker_prefetch_multiplier = 1
celery.conf.broker_transport_options = {"visibility_timeout": longest_job_s + 60}


@celery.task(name="run_job", acks_late=True, reject_on_worker_lost=True, ignore_result=True)
def run_job(id):
    job = jobs.status(id)
    if job is not None and job.result is None:
        jobs.finish(id, work(job))


return celery
# <<< 07.8
