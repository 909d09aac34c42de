"""Where the processor time of a request through the capstone goes.

    python benchmarks/service_profile.py [--py-spy PROGRAM] [--quick] [--out FOLDER]

py-spy (`pip install py-spy`) looks from outside which line runs, some hundred times a second, while the capstone is
kept busy as in service.py. Each look counts for whoever's line it is: the innermost frame of one of the parts below, or
of the event loop if no part is at work. How much a request costs altogether comes from a run that nobody looks at.

Writes benchmarks/results/service_profile.json and, drawn from it by service_profile_chart.py,
docs/img/service_profile.svg. With `--quick` it prints the figures, unless `--out` names a folder.
"""

import argparse
import datetime
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from harness import ROOT, cores, free_port, load_average, machine, pinned, say, started, stop, stop_cleanly, versions
from harness import write as write_file
from load import cpu_seconds
from service import CASES, PACKAGES, Bench
from service_profile_chart import draw

COMMAND = "python benchmarks/service_profile.py"
LOOKS_A_SECOND = 200
WARM_UP_S = 2.0  # of the load, and of what starts it
LOOP = "the event loop and the sockets (uvloop, the system)"
RECORDS = "usage records, written in batches (SQLite, a thread)"
# A row, and the frames that are its own: "name (file:line)". The first that fits has it.
PARTS = [
    ("the log line, metrics", r"/capstone/logs\.py|/prometheus_client/|^Metrics\."),
    (
        RECORDS,
        r"/capstone/services/(usage|metering|tracing)\.py|/capstone/store/|/sqlalchemy/|/aiosqlite/|/opentelemetry/",
    ),
    (
        "who asks, and what is left of their tokens (lesson 08)",
        r"/08_auth/|/capstone/services/(access|quota\w*)\.py|^(Authenticate|caller_of)\b|^Paying\.",
    ),
    (
        "layers: id, errors, leaving, limit, drain (04, 06, 07)",
        r"/capstone/middleware\.py|/04_streaming/|/07_deployment/|/06_production/(app|telemetry)\.py|/starlette/middleware/body_limit",
    ),
    ("checking the request (lesson 02, pydantic)", r"/02_models/|/capstone/schemas/|/pydantic"),
    (
        "the route, retry, breaker, provider (03, 06)",
        r"/03_async/|/06_production/upstream\.py|/capstone/(services|routers|dependencies)",
    ),
    ("asking the provider (aiohttp)", r"/(aiohttp|yarl|multidict|propcache|frozenlist)/"),
    ("the framework (Starlette, FastAPI)", r"/(starlette|fastapi)/"),
    ("the server (uvicorn)", r"/uvicorn/(protocols|middleware)/"),
]


def main() -> None:
    """Measure, look, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--py-spy", metavar="PROGRAM", default=shutil.which("py-spy"), help="by default from the PATH")
    parser.add_argument("--quick", action="store_true", help="short windows, to try the script itself")
    parser.add_argument("--out", type=Path, help="a folder for the JSON and the chart, in place of the repository's")
    options = parser.parse_args()
    if not options.py_spy:
        sys.exit("py-spy is not on the PATH: pip install py-spy, or name it with --py-spy")
    stop_cleanly()
    try:
        found = profile(options.py_spy, 2.0 if options.quick else 15.0)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
    text = json.dumps(found, indent=2) + "\n"
    if options.quick and not options.out:
        print(text, end="")
        return
    results = options.out or ROOT / "benchmarks" / "results"
    write_file(results / "service_profile.json", text)
    write_file((options.out or ROOT / "docs" / "img") / "service_profile.svg", draw(found))


def profile(py_spy: str, seconds: float) -> dict[str, Any]:
    """Return what a request costs, and which part has which share of it."""
    server_core, other_core = cores()
    load_before, upstream, port = load_average(), free_port(), free_port()
    case = next(case for case in CASES if case.id == "capstone")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "sk-benchmark",
    }
    with (
        tempfile.TemporaryDirectory() as data,
        started([sys.executable, "openai_upstream.py", str(upstream)], upstream, environment, other_core),
        started(
            case.command(port), port, {**environment, "CAPSTONE_DATA": data, **case.environment}, server_core, case.cwd
        ) as server,
    ):
        bench = Bench(f"http://127.0.0.1:{upstream}", other_core, seconds)
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        with ThreadPoolExecutor(1) as beside:
            watching = beside.submit(watch, server, seconds)
            busy = bench.load("closed", url, group=server, connections=32)
            in_main, waited = watching.result()
        say(f"{busy['cpu_us_per_request']} us of CPU a request; now py-spy looks")
        looks = look(py_spy, server, bench, url)
    return {
        "command": COMMAND,
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {**machine(), "load_average_before": load_before, "load_average_after": load_average()},
        "packages": {**versions(PACKAGES), "py-spy": version_of(py_spy)},
        "seconds": seconds,
        "looks": looks.total(),
        "cpu_us_per_request": busy["cpu_us_per_request"],
        "waited": round(waited, 3),
        "rows": rows(looks, busy["cpu_us_per_request"], in_main, waited),
    }


def watch(process: int, seconds: float) -> tuple[float, float]:
    """Return the main thread's share of the processor time, and the share of the time in which it had nothing to do."""
    time.sleep(WARM_UP_S)
    began, all_before, main_before = time.monotonic(), cpu_seconds(process), main_thread_s(process)
    time.sleep(seconds - 1)
    lasted, used = time.monotonic() - began, cpu_seconds(process) - all_before
    ran, wanted_to = (now - before for now, before in zip(main_thread_s(process), main_before, strict=True))
    return min(ran / used, 1.0), max(0.0, 1 - (ran + wanted_to) / lasted)


def main_thread_s(process: int) -> tuple[float, float]:
    """Return for how many seconds the main thread of a process has run, and has waited for a core."""
    ran, wanted_to, _ = Path(f"/proc/{process}/task/{process}/schedstat").read_text().split()
    return int(ran) / 1e9, int(wanted_to) / 1e9


def look(py_spy: str, process: int, bench: Bench, url: str) -> Counter[str]:
    """Count which part of the main thread is at work, while it is kept busy."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "stacks"
        command = [py_spy, "record", "--pid", str(process), "--format", "raw", "--output", str(file), "--idle"]
        command += ["--full-filenames", "--rate", str(LOOKS_A_SECOND), "--duration", str(round(bench.seconds))]
        with pinned(bench.core):
            looking = subprocess.Popen(
                ["sh", "-c", f'sleep {WARM_UP_S}; exec "$@"', "sh", *command],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        try:
            bench.load("closed", url, group=process, connections=32, seconds=bench.seconds + WARM_UP_S + 1)
            _, said = looking.communicate(timeout=60)
        finally:
            stop(looking)
        if not file.exists():
            sys.exit(f"py-spy saw nothing: {said.strip()[-500:]}")
        return counted(file.read_text())


def counted(stacks: str) -> Counter[str]:
    """Count the looks of py-spy's raw form, `outermost;...;innermost number`, by part; other threads are left out."""
    looks: Counter[str] = Counter()
    for line in stacks.splitlines():
        stack, _, number = line.rpartition(" ")
        if "/uvicorn/server.py" in stack:
            looks[part_of(stack.split(";"))] += int(number)
    return looks


def part_of(frames: list[str]) -> str:
    """Return whose line runs: that of the innermost frame that is anybody's."""
    for frame in reversed(frames):
        for name, pattern in PARTS:
            if re.search(pattern, frame):
                return name
    return LOOP


def rows(looks: Counter[str], cost_us: float, in_main: float, waited: float) -> list[dict[str, Any]]:
    """Return what each part costs, the dearest first.

    Args:
        looks: at the main thread, by part.
        cost_us: of a request, when nobody looks.
        in_main: the main thread's share of that.
        waited: the share of the time in which the loop had nothing to do.
    """
    at_work = Counter(looks)
    at_work[LOOP] = max(0, round(looks[LOOP] - waited * looks.total()))
    spent = {name: cost_us * in_main * number / at_work.total() for name, number in at_work.items()}
    spent[RECORDS] = spent.get(RECORDS, 0.0) + cost_us * (1 - in_main)
    ordered = sorted(spent.items(), key=lambda one: -one[1])
    return [{"part": name, "us": round(us, 1), "share": round(us / cost_us, 3)} for name, us in ordered]


def version_of(py_spy: str) -> str:
    """Return the version of py-spy."""
    return subprocess.run([py_spy, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]


if __name__ == "__main__":
    main()
