"""Given: the service as a container runs it, put together from its environment.

uvicorn service.main:app
celery -A service.main:celery worker      (`-A service.main` would find `app` first, which is no Celery)
awslambdaric service.main.handler
"""

import os
import time
from pathlib import Path
from urllib.parse import quote

from .app import Drain, Part, create_app, lambda_handler
from .jobs import CeleryJobs, Job, Jobs, SQLiteJobs, create_celery, work_once


def secret(name: str) -> str:
    """Return a secret: what is in the file that `<NAME>_FILE` names, else what is in `<NAME>`."""
    file = os.environ.get(f"{name}_FILE")
    return Path(file).read_text(encoding="utf-8").strip() if file else os.environ.get(name, "")


def answer(job: Job) -> str:
    """Stand for a model that takes its time."""
    time.sleep(3)
    return f"You asked: {job.payload}. The answer is forty-two."


async def ask_table() -> None:
    """Ask whether jobs can be kept; one read of a local file, too short for a thread."""
    table.status("")


async def ask_provider() -> None:
    """Ask the provider. Nobody should: it is remote."""
    raise NotImplementedError


on_lambda = "AWS_LAMBDA_RUNTIME_API" in os.environ
table = SQLiteJobs(os.environ.get("JOBS_DB", ":memory:"))
jobs: Jobs = table
if host := os.environ.get("REDIS_HOST"):
    celery = create_celery(f"redis://:{quote(secret('REDIS_PASSWORD'), safe='')}@{host}:6379/0", table, answer)
    jobs = CeleryJobs(table, celery)
app = create_app(
    parts=[Part("jobs", ask_table), Part("provider", ask_provider, "remote")],
    drain=Drain(notice_s=float(os.environ.get("NOTICE_S", "5"))),
    jobs=jobs,
    turn=None if host or on_lambda else lambda: work_once(table, answer),  # on Lambda nothing runs between two events
)
if on_lambda:
    handler = lambda_handler(app)
