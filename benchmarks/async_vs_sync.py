"""One slow model call behind FastAPI, Flask and Django, for 1, 10 and 100 users.

    python benchmarks/async_vs_sync.py [--seconds 6] [--users 1 10 100] [--only CASE ...]

It needs the extra `bench`: `pip install -r requirements-bench.lock`, best into a virtual environment of its own.
Every server is one worker process on 127.0.0.1 with keep-alive, without an access log, in its settings for production.
Every server does the same: it reads a JSON prompt, asks the same model (a fake that answers after 500 ms) and returns
the answer as JSON. Every server has the same load and the same warm-up (load.py). Those that wait in threads share one
blocking client, those that await share one async client, but for the case whose subject is that they do not.
Where the operating system allows it, the server has one core to itself and the fake and the load have another.

Writes benchmarks/results/async_vs_sync.json and, drawn from it by chart.py, docs/img/async_vs_sync.svg.
With `--only` or other users it prints the figures and writes nothing, unless `--out` names a folder.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chart import draw
from harness import (
    ROOT,
    cores,
    free_port,
    load_average,
    machine,
    pinned,
    say,
    started,
    stop,
    stop_cleanly,
    uvicorn,
    versions,
    write,
)

COMMAND = "python benchmarks/async_vs_sync.py"
UPSTREAM_DELAY_S = 0.5
USERS = [1, 10, 100]
PACKAGES = ["aiohttp", "django", "fastapi", "flask", "gunicorn", "httpx", "httpx2", "openai", "urllib3", "uvicorn"]


@dataclass(frozen=True)
class Case:
    """One server under test."""

    id: str
    label: str
    framework: str
    app: str
    client: str = ""  # a name in servers/async_client.py
    threads: int = 0  # of gunicorn; 0 is uvicorn

    def command(self, port: int) -> list[str]:
        """Return the command that serves this case on a port."""
        if not self.threads:
            return uvicorn(self.app, port, "--factory")
        return [
            *(sys.executable, "-m", "gunicorn", self.app, "--bind", f"127.0.0.1:{port}"),
            *("--worker-class", "gthread", "--workers", "1", "--threads", str(self.threads), "--keep-alive", "75"),
            *("--log-level", "warning", "--no-control-socket"),
        ]


FASTAPI_SHARED = "fastapi_app:shared_client"
SHARED = "async def, one shared client:"
CASES = [
    Case("fastapi-blocking", "blocking call inside async def", "FastAPI", "fastapi_app:blocking"),
    Case("fastapi-def", "def, the pool of 40 threads", "FastAPI", "fastapi_app:threads"),
    Case("fastapi-new-client", "async def, a new client per request", "FastAPI", "fastapi_app:new_client", "httpx2"),
    Case("fastapi-httpx", f"{SHARED} httpx 0.28, limits raised to 2,000", "FastAPI", FASTAPI_SHARED, "httpx"),
    Case("fastapi-httpx-as-is", f"{SHARED} httpx 0.28, default limits", "FastAPI", FASTAPI_SHARED, "httpx-as-is"),
    Case("fastapi-httpx2", f"{SHARED} httpx2", "FastAPI", FASTAPI_SHARED, "httpx2"),
    Case("fastapi-aiohttp", f"{SHARED} httpx2 over aiohttp", "FastAPI", FASTAPI_SHARED, "aiohttp"),
    Case("flask-2", "gunicorn, 2 threads", "Flask", "flask_app:app", threads=2),
    Case("flask-100", "gunicorn, 100 threads", "Flask", "flask_app:app", threads=100),
    Case("django-2", "gunicorn, 2 threads", "Django", "django_app:wsgi()", threads=2),
    Case("django-100", "gunicorn, 100 threads", "Django", "django_app:wsgi()", threads=100),
    Case("django-async", f"{SHARED} httpx2 over aiohttp", "Django", "django_app:asgi", "aiohttp"),
]


def main() -> None:
    """Measure the cases that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement, after 2 of warm-up (6)")
    parser.add_argument("--users", type=int, nargs="+", default=USERS, help="how many ask at once (1 10 100)")
    parser.add_argument(
        "--patience", type=float, default=70.0, help="seconds a measurement may grow to, until every user was answered"
    )
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=[case.id for case in CASES], help="%(choices)s")
    parser.add_argument("--out", type=Path, help="a folder for the JSON and the chart, in place of the repository's")
    options = parser.parse_args()
    stop_cleanly()
    cases = [case for case in CASES if not options.only or case.id in options.only]
    whole = cases == CASES and options.users == USERS
    try:
        found = run(cases, options)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
    text = json.dumps(found, indent=2) + "\n"
    if options.out:
        write(options.out / "async_vs_sync.json", text)
        write(options.out / "async_vs_sync.svg", draw(found))
    elif whole:
        write(ROOT / "benchmarks" / "results" / "async_vs_sync.json", text)
        write(ROOT / "docs" / "img" / "async_vs_sync.svg", draw(found))
    else:
        print(text, end="")


def run(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of every case, with the machine and the day that they were taken on."""
    server_core, other_core = cores()
    packages = versions(PACKAGES)
    measured: list[dict[str, Any]] = []
    load_before = load_average()
    began = time.monotonic()
    upstream_port = free_port()
    environment = {**os.environ, "UPSTREAM_DELAY_S": str(UPSTREAM_DELAY_S)}
    upstream_url = f"http://127.0.0.1:{upstream_port}/v1/chat/completions"
    with started(uvicorn("upstream:app", upstream_port), upstream_port, environment, other_core):
        for at, case in enumerate(cases, start=1):
            runs: list[dict[str, Any]] = []
            for users in options.users:
                port = free_port()
                settings = {**environment, "UPSTREAM_URL": upstream_url, "CLIENT": case.client}
                with started(case.command(port), port, settings, server_core) as group:
                    figures = load(port, users, group, options, other_core)
                runs.append({"users": users, **figures, "load_average": load_average()})
                say(f"{at:>2}/{len(cases)} {case.id:<20} {users:>4} users  {in_words(figures)}")
            measured.append({"id": case.id, "framework": case.framework, "label": case.label, "runs": runs})
    return {
        "command": COMMAND,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {
            **machine(),
            "load_average_before": load_before,
            "load_average_after": load_average(),
        },
        "packages": packages,
        "upstream_ms": round(1000 * UPSTREAM_DELAY_S),
        "seconds": options.seconds,
        "took_s": round(time.monotonic() - began),
        "cases": measured,
    }


def in_words(figures: dict[str, Any]) -> str:
    """Return the figures of one measurement as a line of progress."""
    if not figures["answers"]:
        return f"no answer; errors: {figures['errors']}"
    least = "at least " if figures["p99_is_at_least"] else ""
    return (
        f"{figures['requests_per_s']:>7.2f} requests/s, p99 {least}{figures['p99_ms']:.0f} ms, "
        f"{figures['cpu_ms_per_request']:.2f} ms CPU each, {sum(figures['errors'].values())} errors"
    )


def load(port: int, users: int, group: int, options: argparse.Namespace, core: int | None) -> dict[str, Any]:
    """Run load.py against a server and return its figures."""
    command = [
        *(sys.executable, str(ROOT / "benchmarks" / "load.py"), f"http://127.0.0.1:{port}/chat", "--users", str(users)),
        *("--seconds", str(options.seconds), "--patience", str(max(options.patience, options.seconds))),
        *("--group", str(group)),
    ]
    with pinned(core):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        printed, _ = process.communicate(timeout=60 + max(options.patience, options.seconds))
    finally:
        stop(process)
    if process.returncode:
        sys.exit(f"The load generator failed with status {process.returncode}: {' '.join(command)}")
    return json.loads(printed)


if __name__ == "__main__":
    main()
