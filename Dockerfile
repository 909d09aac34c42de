# The capstone as a container runs it, with the parts of yours that are finished: docker build --tag capstone:1.0.0 .
# What each file of a deployment is for: docs/capstone/deploy.md.
#
# 3.11 is the Python that CI proves the course with. A tag can be moved by whoever owns it, a digest cannot: where an
# image must be the same one next year, add `@sha256:...` (docker buildx imagetools inspect python:3.11.14-slim-trixie)
# and let a bot raise tag and digest together, or fixes of Debian never arrive.
FROM python:3.11.14-slim-trixie AS packages

# What changes seldom first: these layers are made again when the lock changes, not at every commit. Wheels alone, each
# with the hash that is locked: nothing is compiled, and no package runs code of its own before it is asked to.
RUN python -m venv --without-pip /opt/venv
COPY requirements-service.lock /opt/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
  -r /opt/requirements-service.lock

FROM python:3.11.14-slim-trixie

ENV PATH=/opt/venv/bin:$PATH PYTHONPATH=/srv/src PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Others reach a container, so the service refuses to start without a secret of its own. /data is all that it writes to.
ENV CAPSTONE_HOST=0.0.0.0 CAPSTONE_DATA=/data
WORKDIR /srv
COPY --from=packages /opt/venv /opt/venv

# What may come along is listed in .dockerignore; secrets are mounted when the container starts, and in no layer.
COPY src/ src/
COPY solutions/ solutions/
COPY lessons/ lessons/
COPY capstone/ capstone/
# Compiled here, since nobody may write beside the code later; readable for all, whatever umask it was checked out with.
RUN python -m compileall -q src solutions capstone && chmod -R a+rX /srv && install -d -o 10001 -g 10001 /data

# Numbers, since a cluster that refuses root cannot look names up. The code stays root's: nobody rewrites it later.
USER 10001:10001
EXPOSE 8000
STOPSIGNAL SIGTERM

# With what is in the image. Liveness, because it is asked every ten seconds by something that may restart us.
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=2)"]

# A list: uvicorn is process 1 and hears SIGTERM. Its patience is longer than what CAPSTONE_DRAIN_DEADLINE_S leaves of
# it. One process: a second one is a second container. The service logs each request itself, as JSON and without query.
CMD ["uvicorn", "capstone.main:app", "--host", "0.0.0.0", "--port", "8000", "--no-access-log", \
  "--timeout-graceful-shutdown", "30"]
