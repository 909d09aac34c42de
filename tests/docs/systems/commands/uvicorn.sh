exec uvicorn tests.docs.systems.service:app --host 127.0.0.1 --port "$PORT" \
  --no-access-log --timeout-keep-alive 75 --timeout-graceful-shutdown 30
