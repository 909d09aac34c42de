"""How the capstone's cost grows: with instances over one PostgreSQL and one Redis, and with documents.

    python benchmarks/scale.py [--only instances documents] [--quick] [--out FOLDER]

Instances: one by itself, then 1, 2 and 4 that share PostgreSQL and Redis, all on this machine, with the fake provider
and the load beside them. On so few cores they cannot answer more together than one does; what each part uses of the
processor for a request is the figure, because that does add up on other machines.
Documents: up to 100,000 chunks, in pgvector and in lesson 05's FAISS index (`scale_documents.py`).

Writes benchmarks/results/scale.json and, drawn from it by scale_chart.py, docs/img/scale.svg.
With `--only` or `--quick` it prints the figures and writes nothing, unless `--out` names a folder.
"""

import argparse
import contextlib
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness import (
    ROOT,
    free_port,
    load_average,
    machine,
    say,
    started,
    stop,
    stop_cleanly,
    uvicorn,
    versions,
    write,
)
from scale_chart import draw
from scale_documents import documents

sys.path.insert(0, str(ROOT))

COMMAND = "python benchmarks/scale.py"
PACKAGES = ["aiohttp", "asyncpg", "faiss-cpu", "fastapi", "pgvector", "redis", "sqlalchemy", "uvicorn"]
INSTANCES = (1, 2, 4)
CONNECTIONS = 32
RATE = 50.0  # requests a second for each instance, where answers are not to wait for each other
SETTINGS = {
    "CAPSTONE_PARTS": "reference",
    "CAPSTONE_MODELS": "mock-large",
    "CAPSTONE_CORPUS": "nowhere",
    "CAPSTONE_REQUESTS_PER_MINUTE": "1000000000",
    "CAPSTONE_TOKENS_PER_DAY": "1000000000000",
    "CAPSTONE_SECRET": "a-secret-of-all-instances-8f3k1q9z7w2x5v4n6m0b",
    "CAPSTONE_DEMO": "true",
}


def main() -> None:
    """Measure what was named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=["instances", "documents"])
    parser.add_argument(
        "--quick", action="store_true", help="short windows and few chunks, to try the benchmark itself"
    )
    parser.add_argument("--out", type=Path, help="a folder for the JSON and the chart, in place of the repository's")
    options = parser.parse_args()
    stop_cleanly()
    try:
        found = run(options)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
    text = json.dumps(found, indent=2) + "\n"
    if options.out:
        write(options.out / "scale.json", text)
        write(options.out / "scale.svg", draw(found))
    elif options.only or options.quick:
        print(text, end="")
    else:
        write(ROOT / "benchmarks" / "results" / "scale.json", text)
        write(ROOT / "docs" / "img" / "scale.svg", draw(found))


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures, with the machine and the day that they were taken on."""
    wanted = options.only or ["instances", "documents"]
    load_before, began = load_average(), time.monotonic()
    found: dict[str, Any] = {
        "command": COMMAND,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {**machine(), "load_average_before": load_before},
        "packages": versions(PACKAGES),
    }
    if "instances" in wanted:
        found["instances"] = instances(2.0 if options.quick else 8.0)
    if "documents" in wanted:
        found["documents"] = documents(quick=options.quick)
    found["machine"]["load_average_after"] = load_average()
    found["took_s"] = round(time.monotonic() - began)
    return found


def instances(seconds: float) -> dict[str, Any]:
    """Measure one instance by itself, then several that share."""
    from tests.scale.neighbors import Redis, postgres

    upstream = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "sk-benchmark",
        **SETTINGS,
    }
    cases: list[dict[str, Any]] = []
    record_bytes = 0.0
    provider = started([sys.executable, "openai_upstream.py", str(upstream)], upstream, environment, None)
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider_pid = stack.enter_context(provider)
        database = stack.enter_context(postgres())
        redis = Redis(folder)
        stack.callback(redis.close)
        parts = {"provider": [provider_pid], "redis": [redis.process.popen.pid], "postgres": [database.pid]}
        for count, shares in ((1, False), *((count, True) for count in INSTANCES)):
            settings = dict(environment)
            name = database.create()
            if shares:
                settings["CAPSTONE_DATABASE_URL"] = database.url(name)
                settings["CAPSTONE_REDIS_URL"] = f"redis://127.0.0.1:{redis.port}/0"
            with serving(count, settings) as (urls, pids):
                groups = {"capstone": pids, **parts}
                case: dict[str, Any] = {"instances": count, "shares": shares, "seconds": seconds}
                case["busy"] = load(urls, groups, connections=CONNECTIONS, seconds=seconds)
                case["calm"] = load(urls, {}, rate=RATE * count, seconds=seconds)
            if shares:
                size = "SELECT pg_total_relation_size('usage_records')::float / count(*) FROM usage_records"
                record_bytes = float(database.ask(size, name)[0][0])
            cases.append(case)
            busy = case["busy"]
            say(
                f"{count} {'sharing' if shares else 'alone  '} {busy['requests_per_s']:>7} requests/s, us a request: "
                f"{busy['cpu_us']}; calm p50 {case['calm']['p50_ms']} ms"
            )
    return {"connections": CONNECTIONS, "rate": RATE, "record_bytes": round(record_bytes), "cases": cases}


@contextlib.contextmanager
def serving(count: int, settings: dict[str, str]) -> Iterator[tuple[list[str], list[int]]]:
    """Start instances; yield where they answer, and their processes."""
    urls: list[str] = []
    pids: list[int] = []
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            port, data = free_port(), stack.enter_context(tempfile.TemporaryDirectory())
            command = uvicorn("capstone.main:app", port)
            pids.append(stack.enter_context(started(command, port, {**settings, "CAPSTONE_DATA": data}, None, ROOT)))
            urls.append(f"http://127.0.0.1:{port}/v1/chat/completions")
        yield urls, pids


def load(urls: list[str], parts: dict[str, list[int]], **given: Any) -> dict[str, Any]:
    """Run one load in a process of its own and return what it printed."""
    command = [sys.executable, str(ROOT / "benchmarks" / "scale_load.py"), *urls]
    command += [word for key, value in given.items() for word in (f"--{key}", str(value))]
    command += [word for name, pids in parts.items() for word in ("--part", f"{name}={','.join(map(str, pids))}")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        printed, _ = process.communicate(timeout=120)
    finally:
        stop(process)
    if process.returncode:
        sys.exit(f"The load failed with status {process.returncode}: {' '.join(command)}")
    return json.loads(printed)


if __name__ == "__main__":
    main()
