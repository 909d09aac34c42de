# fails: 07.5
# says: it needs room beside its data
"""256mb and 256m are the same bytes, and the process needs some for itself."""

# >>> 07.5
services:
  api:
    build: .
    image: lesson07
    ports: ["127.0.0.1:8000:8000"]
    environment: &settings
      JOBS_DB: /data/jobs.db
      REDIS_HOST: redis
      REDIS_PASSWORD_FILE: /run/secrets/redis_password
      OPENAI_API_KEY_FILE: /run/secrets/openai_api_key
    secrets: [redis_password, openai_api_key]
    volumes: ["jobs:/data"]
    depends_on: &after_redis
      redis: { condition: service_healthy }
    stop_grace_period: 40s # beyond the drain's 25 s and uvicorn's 30 s after that
    restart: unless-stopped
    mem_limit: 512m

  worker:
    image: lesson07
    command: [celery, --app, "service.main:celery", worker, --concurrency, "2"]
    environment: *settings
    secrets: [redis_password, openai_api_key]
    volumes: ["jobs:/data"]
    depends_on: *after_redis
    healthcheck: { disable: true } # the image's asks a port that no worker opens
    stop_grace_period: 11m # a warm stop waits for the job in hand
    restart: unless-stopped
    mem_limit: 512m

  redis:
    image: redis:8.2.2-alpine3.22
    # Jobs are no cache: none may be evicted, and all are on disk. `$$` is one `$` for the shell in the container.
    command:
      - sh
      - -c
      - >-
        exec redis-server --requirepass "$$(cat /run/secrets/redis_password)"
        --maxmemory 256mb --maxmemory-policy noeviction --appendonly yes
    secrets: [redis_password]
    volumes: ["redis:/data"]
    healthcheck:
      # `redis-cli ping` ends with status 0 also when the answer is NOAUTH or LOADING.
      test: ["CMD-SHELL", 'REDISCLI_AUTH="$$(cat /run/secrets/redis_password)" redis-cli ping | grep -q PONG']
      interval: 5s
      timeout: 3s
    restart: unless-stopped
    mem_limit: 256m

volumes:
  jobs:
  redis:

secrets:
  redis_password: { file: secrets/redis_password }
  openai_api_key: { file: secrets/openai_api_key }
# <<< 07.5
