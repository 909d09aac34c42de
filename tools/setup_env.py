"""Set up `.venv` from the lock files. Runs on a bare Python 3.11, so it uses the standard library alone.

    python3 tools/setup_env.py          what a learner needs
    python3 tools/setup_env.py --dev    and the tools of development

Does nothing, and says nothing, when the environment already is what the lock asks for.
"""

import hashlib
import re
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
PYTHON = VENV / ("Scripts" if sys.platform == "win32" else "bin") / "python"


def main() -> int:
    """Set up what is missing; 0 if all is there afterwards."""
    dev = "--dev" in sys.argv[1:]
    lock = ROOT / ("requirements-dev.lock" if dev else "requirements.lock")
    inputs = lock.read_bytes() + (ROOT / "pyproject.toml").read_bytes() + sys.version.encode()
    wanted = hashlib.sha256(inputs).hexdigest()
    stamp = VENV / f"installed-{lock.stem}"
    if stamp.is_file() and stamp.read_text() == wanted and PYTHON.exists():
        return 0
    if not PYTHON.exists():
        print("Making the environment .venv", flush=True)
        venv.create(VENV, with_pip=True)
    packages = sum(1 for line in lock.read_text().splitlines() if "==" in line)
    print(f"Installing {packages} packages of {lock.name}. The first time takes a minute or two.", flush=True)
    failed = _pip(["install", "--no-color", "-r", str(lock)], packages)
    failed = failed or _pip(["install", "--no-color", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], 0)
    if failed:
        print(f"\nSetting up failed. The end of what pip said:\n\n{failed}\n\nMend that, then run the command again.")
        return 1
    stamp.write_text(wanted)
    print("The environment is ready.", flush=True)
    return 0


def _pip(arguments: list[str], packages: int) -> str:
    """Run pip behind one progress line; return the end of its output if it failed, else ""."""
    command = [str(PYTHON), "-m", "pip", "--disable-pip-version-check", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    said: list[str] = []
    met: set[str] = set()
    progress = _Progress(packages)
    assert process.stdout  # noqa: S101 - for the type checker: PIPE was asked for
    for line in process.stdout:
        said.append(line.rstrip())
        if match := re.match(r"(?:Collecting|Requirement already satisfied:) ([A-Za-z0-9._-]+)", line):
            met.add(match[1].lower())
            progress.show(f"fetching {match[1].split('==')[0]}", len(met))
        elif line.startswith("Installing collected packages"):
            progress.show("unpacking", packages)
    progress.end()
    return "\n".join(said[-15:]) if process.wait() else ""


class _Progress:
    """One line that is drawn over in a terminal; elsewhere a plain line now and then."""

    def __init__(self, total: int) -> None:
        self.total = total
        self.terminal = sys.stdout.isatty()
        self.told = -1
        self.started = time.monotonic()

    def show(self, what: str, done: int) -> None:
        if not self.total:
            return
        share = min(done, self.total) / self.total
        if self.terminal:
            bar = "█" * int(share * 24) + "░" * (24 - int(share * 24))
            seconds = time.monotonic() - self.started
            count = f"{min(done, self.total)}/{self.total}"
            print(f"\r  {bar} {count}  {seconds:3.0f} s  {what:<32.32}", end="", flush=True)
        elif int(share * 4) > self.told:
            self.told = int(share * 4)
            print(f"  {min(done, self.total)}/{self.total} {what}", flush=True)

    def end(self) -> None:
        if self.total and self.terminal:
            print()


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is the one that an older Python may run
        version = ".".join(map(str, sys.version_info[:2]))
        sys.exit(f"Python {version} is too old: the course needs 3.11 or newer. Try: make start PYTHON=python3.11")
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\nStopped. Run the same command again to go on.")
