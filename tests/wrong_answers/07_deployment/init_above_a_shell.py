# fails: 07.4
# says: process 1 is a shell, or starts one
"""tini hands SIGTERM on, to the shell that the other form of CMD starts."""

# >>> 07.4
FROM python:3.13.9-slim-trixie

ENV PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /srv

# What changes seldom first: this layer is built again when the list changes, not at every commit.
COPY requirements.txt ./
RUN apt-get update && apt-get install --yes --no-install-recommends tini && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir -r requirements.txt && install -d -o 10001 -g 10001 /data

COPY *.py service/

# Numbers, since a cluster that refuses root cannot look names up. The code stays root's: nobody rewrites it from inside.
USER 10001:10001
EXPOSE 8000

# With what is in the image. Liveness, because it is asked every ten seconds by something that may restart us.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]

# A list: uvicorn is process 1 and hears SIGTERM. Its own patience is longer than the drain's deadline.
ENTRYPOINT ["tini", "--"]
CMD uvicorn service.main:app --host 0.0.0.0 --port 8000 --timeout-graceful-shutdown 30
# <<< 07.4
