"""Tasks that are cancelled with a word, counters in SQL, an image with uv, dictionaries for answers."""

# >>> 07.1
now = asyncio.get_running_loop().time
async with self.lock:
    if now() < self.known_until:
        return self.known
    found = {part.name: "timeout" for part in self.parts if part.kind != "remote"}

    async def hear(part: Part) -> None:
        with anyio.move_on_after(self.timeout_s):
            try:
                await part.ping()
            except Exception:
                logging.getLogger("probes").exception("%s", part.name)
                found[part.name] = "failed"
            else:
                found[part.name] = "ok"

    async with anyio.create_task_group() as group:
        for part in self.parts:
            if part.name in found:
                group.start_soon(hear, part)
    self.known, self.known_until = found, now() + self.fresh_s
return self.known
# <<< 07.1

# >>> 07.2
self.draining = True
await anyio.sleep(self.notice_s)
leave()
await anyio.sleep(self.deadline_s - self.notice_s)
self.cut = True
for task in list(self.requests):
    task.cancel("deadline")
# <<< 07.2

# >>> 07.2 (2)
if scope["type"] != "http":
    return await self.app(scope, receive, send)
begun: dict[bytes, bytes] | None = None
open_ = True


async def forward(message: Message) -> None:
    nonlocal begun, open_
    if message["type"] == "http.response.start":
        begun = {name.lower(): value for name, value in message["headers"]}
    if message["type"] == "http.response.body":
        open_ = message.get("more_body", False)
    await send(message)


work = asyncio.create_task(self.app(scope, receive, forward))
self.drain.requests.add(work)
work.add_done_callback(self.drain.requests.discard)
try:
    await work
except asyncio.CancelledError:
    if not getattr(self.drain, "cut", False) or asyncio.current_task().cancelling():
        work.cancel()
        await asyncio.gather(work, return_exceptions=True)
        raise
    if begun is None:
        await JSONResponse(SHUTTING_DOWN, status_code=503, headers={"Retry-After": "3"})(scope, receive, send)
    elif open_ and begun.get(b"content-type", b"").startswith(b"text/event-stream"):
        text = "event: error\ndata: " + json.dumps(SHUTTING_DOWN) + "\n\n"
        await send({"type": "http.response.body", "body": text.encode(), "more_body": False})
# <<< 07.2

# >>> 07.4
FROM ghcr.io/astral-sh/uv:0.9.7 AS uv

FROM docker.io/library/python:3.13.9-slim-bookworm
COPY --from=uv /uv /usr/local/bin/uv
ENV UV_SYSTEM_PYTHON=1 \
    PYTHONUNBUFFERED=1
WORKDIR /srv
COPY requirements.txt .
RUN <<EOF
set -e
uv pip install --no-cache -r requirements.txt
install -d -o 1000 -g 1000 /data
EOF

COPY . service/
USER 1000
HEALTHCHECK CMD ["python3", "-c", "import sys, urllib.request; sys.exit(urllib.request.urlopen('http://127.0.0.1:8000/health/live').status != 200)"]
ENTRYPOINT ["uvicorn"]
CMD ["service.main:app", "--host", "::", "--port", "8000"]
# <<< 07.4

# >>> 07.5
name: lesson
services:
  redis:
    image: redis:8.2.2
    command: sh -c 'exec redis-server --maxmemory 100mb --maxmemory-policy noeviction --appendonly yes --requirepass "$$(cat /run/secrets/pw)"'
    secrets: [{ source: pw, target: /run/secrets/pw }]
    volumes:
      - type: volume
        source: redis
        target: /data
    healthcheck:
      test:
        - CMD-SHELL
        - export REDISCLI_AUTH="$$(cat /run/secrets/pw)"; test "$$(redis-cli ping)" = PONG
    mem_limit: 200m
  api: &api
    build: .
    environment: { REDIS_HOST: redis, REDIS_PASSWORD_FILE: /run/secrets/pw, OPENAI_API_KEY_FILE: /run/secrets/key }
    secrets: [pw, key]
    depends_on: { redis: { condition: service_healthy } }
    stop_grace_period: 45s
    ports: ["8000:8000"]
  worker:
    <<: *api
    ports: !reset []
    command: celery --app service.main:celery worker
    healthcheck: { test: ["NONE"] }
volumes: { redis: }
secrets:
  pw: { file: secrets/pw }
  key: { file: secrets/key }
# <<< 07.5

# >>> 07.7
id = uuid.uuid4().hex
created = self.run("INSERT OR IGNORE INTO jobs (id, key, payload) VALUES (?, ?, ?) RETURNING *", id, key, payload)
job = created[0] if created else self.run("SELECT * FROM jobs WHERE key = ?", key)[0]
if job.payload != payload:
    raise KeyReused(key)
return job
# <<< 07.7

# >>> 07.8
(self.run("UPDATE jobs SET state = 'queued' WHERE state = 'running' AND lease_until <= ? AND tries < ?", now, self.most_tries))
self.run("UPDATE jobs SET state = 'failed' WHERE state = 'running' AND lease_until <= ?", now)
found = self.run(
    "UPDATE jobs SET state = 'running', tries = tries + 1, lease_until = ?"
    " WHERE rowid = (SELECT min(rowid) FROM jobs WHERE state = 'queued') RETURNING *",
    now + lease_s,
)
return found[0] if found else None
# <<< 07.8
