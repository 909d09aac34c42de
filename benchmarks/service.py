"""What the capstone costs beside the least that is possible, and beside what many services look like.

    python benchmarks/service.py [--only floor capstone ...] [--quick] [--out FOLDER]

Every server is one worker process on a core of its own; a fake provider that costs next to nothing and the load have
the other one. Processor time per request, read from the operating system, is the figure to trust: times on a shared
machine are noisy, ratios of one run are not. LiteLLM's proxy takes part where it is installed (`pip install
'litellm[proxy]'` into the environment that `--litellm PYTHON` names).

Writes benchmarks/results/service.json and, drawn from it by service_chart.py, docs/img/service.svg.
With `--only` or `--quick` it prints the figures and writes nothing, unless `--out` names a folder.
"""

import argparse
import datetime
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness import (
    ROOT,
    SERVERS,
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
from service_chart import draw

COMMAND = "python benchmarks/service.py"
PACKAGES = ["aiohttp", "fastapi", "httpx2", "pydantic", "starlette", "uvicorn"]


@dataclass(frozen=True)
class Case:
    """One server under test."""

    id: str
    label: str
    app: str
    options: tuple[str, ...] = ()
    cwd: Path = SERVERS
    environment: Mapping[str, str] = field(default_factory=dict)
    deep: bool = False  # whether streams, users, memory and cancellation are measured too

    def command(self, port: int) -> list[str]:
        """Return the command that serves this case on a port."""
        return uvicorn(self.app, port, *self.options)


CAPSTONE = {
    "CAPSTONE_PARTS": "reference",
    "CAPSTONE_MODELS": "mock-large",
    "CAPSTONE_REQUESTS_PER_MINUTE": "1000000000",
    "CAPSTONE_TOKENS_PER_DAY": "1000000000000",
}
CASES = [
    Case("floor", "bare ASGI and aiohttp, nothing else", "pass_through:app", deep=True),
    Case(
        "capstone",
        "the capstone: keys, limits, metrics, logs",
        "capstone.main:app",
        cwd=ROOT,
        environment=CAPSTONE,
        deep=True,
    ),
    Case("shared-client", "plain FastAPI, one shared httpx2 client", "plain_fastapi:shared_client", ("--factory",)),
    Case("new-client", "plain FastAPI, a new client per request", "plain_fastapi:new_client", ("--factory",)),
]


def main() -> None:
    """Measure the cases that were named, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", metavar="CASE", choices=[*(case.id for case in CASES), "litellm"])
    parser.add_argument("--quick", action="store_true", help="short windows, to try the benchmark itself")
    parser.add_argument("--litellm", metavar="PYTHON", help="the Python of an environment with litellm[proxy]")
    parser.add_argument("--out", type=Path, help="a folder for the JSON and the chart, in place of the repository's")
    options = parser.parse_args()
    stop_cleanly()
    cases = [case for case in CASES if not options.only or case.id in options.only]
    try:
        found = run(cases, options)
    except KeyboardInterrupt:
        sys.exit("Stopped; nothing was written.")
    text = json.dumps(found, indent=2) + "\n"
    if options.out:
        write(options.out / "service.json", text)
        write(options.out / "service.svg", draw(found))
    elif options.only or options.quick:
        print(text, end="")
    else:
        write(ROOT / "benchmarks" / "results" / "service.json", text)
        write(ROOT / "docs" / "img" / "service.svg", draw(found))


def run(cases: list[Case], options: argparse.Namespace) -> dict[str, Any]:
    """Return the figures of every case, with the machine and the day that they were taken on."""
    server_core, other_core = cores()
    seconds = 2.0 if options.quick else 6.0
    load_before, began = load_average(), time.monotonic()
    upstream = free_port()
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"},
        "OPENAI_BASE_URL": f"http://127.0.0.1:{upstream}/v1",
        "OPENAI_API_KEY": "sk-benchmark",
    }
    measured: list[dict[str, Any]] = []
    with started([sys.executable, "openai_upstream.py", str(upstream)], upstream, environment, other_core):
        bench = Bench(f"http://127.0.0.1:{upstream}", other_core, seconds)
        for case in cases:
            with tempfile.TemporaryDirectory() as data:
                settings = {**environment, "CAPSTONE_DATA": data, **case.environment}

                @contextmanager
                def server(case: Case = case, settings: Mapping[str, str] = settings) -> Iterator[tuple[str, int]]:
                    port = free_port()
                    with started(case.command(port), port, settings, server_core, case.cwd) as group:
                        yield f"http://127.0.0.1:{port}/v1/chat/completions", group

                measured.append({"id": case.id, "label": case.label, **bench.figures(case, server)})
        if options.litellm and (not options.only or "litellm" in options.only):
            measured.append(litellm(options.litellm, bench, environment, server_core))
    return {
        "command": COMMAND + (" --litellm PYTHON" if options.litellm else ""),
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": {**machine(), "load_average_before": load_before, "load_average_after": load_average()},
        "packages": {**versions(PACKAGES), **(version_of(options.litellm, "litellm") if options.litellm else {})},
        "seconds": seconds,
        "took_s": round(time.monotonic() - began),
        "cases": measured,
    }


@dataclass(frozen=True)
class Bench:
    """Runs the loads."""

    upstream: str
    core: int | None
    seconds: float

    def figures(self, case: Case, server: Any) -> dict[str, Any]:
        """Return all figures of one server; each load meets a fresh process."""
        found: dict[str, Any] = {}
        with server() as (url, group):
            found["busy"] = self.load("closed", url, group=group, connections=32)
            self.tell(case, f"{found['busy']['cpu_us_per_request']} us of CPU a request")
            found["calm"] = self.load("rate", url, rate=50)
            self.tell(case, f"{found['calm']['p50_ms']} ms at 50 requests a second")
        if not case.deep:
            return found
        for users in (100, 400):
            with server() as (url, group):
                one = self.load("closed", url, group=group, connections=users, wish="delay=0.5")
                one["share_of_possible"] = round(one["requests_per_s"] / (users / 0.5), 3)
                found[f"users_{users}"] = one
                self.tell(case, f"{users} users: {100 * one['share_of_possible']:.0f} % of what is possible")
        for streams in (500, 1000):
            with server() as (url, group):
                self.load("closed", url, group=group, connections=8, seconds=1)  # what is loaded at the first request
                one = found[f"streams_{streams}"] = self.load("streams", url, group=group, streams=streams)
                words = f"{one['cpu_us_per_event']} us an event, {one['kb_per_stream']} KB a stream"
                self.tell(case, f"{streams} streams: {100 * one['delivered']:.1f} % delivered, {words}")
        with server() as (url, group):
            # A limiter without a limit keeps a minute of moments: only after that minute memory stands still.
            quick = self.seconds < 5
            count, warm_up = (2_000, 2) if quick else (50_000, 75)
            found["memory"] = self.load("memory", url, group=group, requests=count, **{"warm-up": warm_up})
            self.tell(case, f"{found['memory']['bytes_per_request']} bytes of memory a request")
            found["cancel"] = self.load("cancel", url, stats=f"{self.upstream}/stats")
            self.tell(case, f"left calls that the provider noticed: {found['cancel']}")
        return found

    def load(self, name: str, url: str, **given: Any) -> dict[str, Any]:
        """Run one load in a process on the other core and return what it printed."""
        given = {"seconds": self.seconds, **given}
        command = [sys.executable, str(ROOT / "benchmarks" / "service_load.py"), name, url]
        command += [part for key, value in given.items() for part in (f"--{key}", str(value))]
        with pinned(self.core):
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        try:
            printed, _ = process.communicate(timeout=300)
        finally:
            stop(process)
        if process.returncode:
            sys.exit(f"The load failed with status {process.returncode}: {' '.join(command)}")
        return json.loads(printed)

    def tell(self, case: Case, words: str) -> None:
        """Show progress."""
        say(f"{case.id:<14} {words}")


def version_of(python: str, package: str) -> dict[str, str]:
    """Return the version of a package in another environment."""
    code = f"import importlib.metadata as m; print(m.version({package!r}))"
    return {package: subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()}


def litellm(python: str, bench: Bench, environment: Mapping[str, str], core: int | None) -> dict[str, Any]:
    """Return the figures of LiteLLM's proxy, in an environment of its own, with its keys on and its logs quiet."""
    case = Case("litellm", "LiteLLM's proxy", "")
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "config.yaml"
        model = {"model": "openai/mock-large", "api_base": environment["OPENAI_BASE_URL"], "api_key": "sk-benchmark"}
        content = {
            "model_list": [{"model_name": "mock-large", "litellm_params": model}],
            "general_settings": {"master_key": "demo"},
        }
        config.write_text(json.dumps(content))  # JSON is YAML

        @contextmanager
        def server() -> Iterator[tuple[str, int]]:
            port = free_port()
            program = str(Path(python).with_name("litellm"))
            command = [program, "--config", str(config), "--host", "127.0.0.1", "--port", str(port)]
            with started(command, port, {**environment, "LITELLM_LOG": "ERROR"}, core, Path(folder)) as group:
                yield f"http://127.0.0.1:{port}/v1/chat/completions", group

        return {"id": case.id, "label": case.label, **bench.figures(case, server)}


if __name__ == "__main__":
    main()
