"""A timeout that is moved, events with CRLF, Alpine with its wget, Redis' own entrypoint, one loop of guarded updates."""

# >>> 07.2
self.draining = True
begun = asyncio.get_running_loop().time()


async def at(second: float, do: Callable[[], None]) -> None:
    await asyncio.sleep(begun + second - asyncio.get_running_loop().time())
    do()


def cut() -> None:
    for deadline in list(self.requests):
        deadline.reschedule(begun)


async with asyncio.TaskGroup() as group:
    group.create_task(at(self.notice_s, leave))
    group.create_task(at(self.deadline_s, cut))
while self.requests:
    await asyncio.sleep(0.05)
# <<< 07.2

# >>> 07.2 (2)
if scope["type"] != "http":
    return await self.app(scope, receive, send)
seen: list[Message] = []


async def note(message: Message) -> None:
    if message["type"] == "http.response.start" or not message.get("more_body"):
        seen.append(message)
    await send(message)


deadline = asyncio.timeout(None)
self.drain.requests.add(deadline)
try:
    async with deadline:
        await self.app(scope, receive, note)
except TimeoutError:
    if not deadline.expired():
        raise
finally:
    self.drain.requests.discard(deadline)
match seen if deadline.expired() else None:
    case []:
        await JSONResponse(SHUTTING_DOWN, 503, {"Retry-After": "30", "Connection": "close"})(scope, receive, send)
    case [start] if any(k.lower() == b"content-type" and v.startswith(b"text/event-stream") for k, v in start["headers"]):
        data = "".join(f"data:{line}\r\n" for line in json.dumps(SHUTTING_DOWN, indent=1).splitlines())
        await send({"type": "http.response.body", "body": f"event:error\r\n{data}\r\n".encode(), "more_body": True})
        await send({"type": "http.response.body"})
# <<< 07.2

# >>> 07.4
ARG PYTHON=3.13.9-alpine3.22

FROM python:${PYTHON} AS build
COPY requirements.txt /build/
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --requirement /build/requirements.txt
COPY . /srv/service/

FROM python:${PYTHON}
ARG UID=10001
ENV PATH=/venv/bin:$PATH \
    OPENAI_API_KEY_FILE=/run/secrets/openai_api_key \
    APP=service.main:app
COPY --from=build /venv /venv
COPY --from=build /srv /srv
WORKDIR /srv
USER ${UID}
HEALTHCHECK CMD wget -q -O /dev/null \
http://127.0.0.1:8000/health/live || exit 1
CMD ["sh", "-c", "exec uvicorn $APP --host :: --port 8000"]
# <<< 07.4

# >>> 07.5
services:
  api: &service
    build: .
    image: lesson07
    ports: ["8000:8000"]
    environment:
      OPENAI_API_KEY_FILE: /run/secrets/openai
      REDIS_PASSWORD_FILE: /run/secrets/redis.txt
      JOBS_DB: /data/jobs.db
      REDIS_HOST: redis
    env_file: [{ path: .env.service, required: false }]
    secrets: [openai, { source: redis, target: redis.txt }]
    volumes: ["jobs:/data"]
    depends_on: { redis: { condition: service_healthy, restart: true } }
    stop_grace_period: 1m30s
  worker:
    <<: *service
    ports: !reset []
    command: celery --app service.main:celery worker --concurrency 2
    healthcheck: { test: 'celery --app service.main:celery inspect ping -d "celery@$$HOSTNAME"', timeout: 20s }
  redis:
    image: valkey/valkey:9.0.0-alpine
    command: >-
      sh -c 'exec docker-entrypoint.sh redis-server --requirepass "$$(cat /run/secrets/redis)"
      --maxmemory 268435456 --appendonly yes'
    secrets: [redis]
    volumes: ["./redis:/data"]
    mem_limit: 400m
    healthcheck:
      test: redis-cli -e -u "redis://:$$(cat /run/secrets/redis)@127.0.0.1:6379/0" ping
volumes: { jobs: }
secrets:
  openai: { file: ./secrets/openai }
  redis: { file: ./secrets/redis }
# <<< 07.5

# >>> 07.8
due = "(state = 'queued' OR state = 'running' AND lease_until <= ?)"
while rows := self.run(f"SELECT * FROM jobs WHERE {due} ORDER BY rowid LIMIT 1", now):
    taken = self.run(
        "UPDATE jobs SET state = CASE WHEN tries >= ? THEN 'failed' ELSE 'running' END, tries = tries + 1,"
        f" lease_until = ? WHERE id = ? AND {due} RETURNING *",
        self.most_tries, now + lease_s, rows[0].id, now,
    )
    if taken and taken[0].state == "running":
        return taken[0]
return None
# <<< 07.8
