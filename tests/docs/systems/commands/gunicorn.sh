exec gunicorn tests.docs.systems.service:app --bind "127.0.0.1:$PORT" \
  --worker-class uvicorn_worker.UvicornWorker --workers 2 \
  --timeout 30 --graceful-timeout 30
