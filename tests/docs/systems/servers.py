"""The commands of the pages, started as they stand there."""

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT
from tests.lessons.deployment.processes import Process, free_port, listens, running, until

HERE = Path(__file__).parent


@contextlib.contextmanager
def command(name: str, folder: Path, *instead: tuple[str, str]) -> Iterator[tuple[Process, str]]:
    """Run commands/`name`.sh, with some of its words exchanged; yields when it listens, with its address."""
    words = (HERE / "commands" / f"{name}.sh").read_text()
    for old, new in instead:
        assert old in words
        words = words.replace(old, new)
    port = free_port()
    environment: dict[str, str] = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PORT": str(port),
        "GO": str(folder / "go"),
    }
    with running("sh", "-c", words, folder=folder, cwd=ROOT, **environment) as process:
        until(lambda: listens(port) or process.popen.poll() is not None, f"{name} to listen")
        assert process.popen.poll() is None, process.said
        yield process, f"http://127.0.0.1:{port}"
