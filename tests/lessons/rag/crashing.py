"""Kill a process that fills a library, again and again, and look at what the next start would find.

Every second kill comes at a random moment; the others come right where a new file would take the old one's place, a
moment that chance alone finds seldom on a fast disk.

A program of its own, run by `test_crash.py`: it forks, which only a process without threads should do.

    python -m tests.lessons.rag.crashing FOLDER KILLS SEED
"""

import asyncio
import importlib
import json
import os
import random
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

NAMES = ["a.md", "b.md", "c.md"]
store: Any = importlib.import_module("solutions.05_rag.store")


def vector_of(text: str) -> list[float]:
    """A vector that belongs to one text alone."""
    return np.random.default_rng(list(text.encode())).normal(size=32).tolist()


async def embed(texts: Sequence[str]) -> Any:
    """Embed texts without anybody's help."""
    await asyncio.sleep(0)
    return np.array([vector_of(text) for text in texts], dtype=np.float32)


def lines(text: str) -> list[tuple[int, int]]:
    """Where the lines of a text stand."""
    starts = [0, *(n + 1 for n, letter in enumerate(text) if letter == "\n")]
    return [(start, text.find("\n", start) % (len(text) + 1)) for start in starts]


def library(folder: Path) -> Any:
    """The library as it is found in the folder."""
    found = store.Library(folder, embed, lines)
    found.open()
    return found


def version_of(snapshot: Any) -> int:
    """The version that a snapshot shows, 0 for nothing.

    Raises:
        ValueError: it shows two versions, a part of one, or the vector of another text.
    """
    if not snapshot.chunks:
        return 0
    versions = {int(one.text.split()[1]) for one in snapshot.chunks}
    if len(versions) != 1:
        raise ValueError(f"versions {versions} at once")
    (version,) = versions
    # Even versions leave c.md out.
    expected = {(name, row) for name in NAMES[: 3 - (version % 2 == 0)] for row in range(20)}
    if {(one.doc, int(one.text.split()[3])) for one in snapshot.chunks} != expected:
        raise ValueError(f"version {version} has {len(snapshot.chunks)} chunks")
    for row, one in enumerate(snapshot.chunks):
        unit = np.array(vector_of(one.text))
        if not np.allclose(snapshot.index.reconstruct(row), unit / np.linalg.norm(unit), atol=1e-4):
            raise ValueError(f"the vector of {one.text!r} is another's")
    return version


def die_before_rename(nth: int) -> None:
    """Have this process killed when it is about to rename a file for the nth time, counted from 1."""
    seen = 0

    def count(event: str, _: tuple[Any, ...]) -> None:
        nonlocal seen
        if event == "os.rename":
            seen += 1
            if seen == nth:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)


async def fill(folder: Path, promised: int, tell: int) -> None:
    """Put one version after the other and tell each that was promised, until somebody kills this."""
    shelves = library(folder)
    for version in range(promised + 1, promised + 1000):
        text = "\n".join(f"version {version} row {row} {'x' * 500}" for row in range(20))
        if version % 2 == 0:
            await shelves.delete("public", "c.md")
        names = NAMES[: 3 - (version % 2 == 0)]
        await shelves.put(*(store.Document(name, text) for name in names))
        os.write(tell, f"{version}\n".encode())


def main() -> None:
    """Fork, kill, look; write what was seen as JSON."""
    folder, kills = Path(sys.argv[1]), int(sys.argv[2])
    chance = random.Random(int(sys.argv[3]))
    torn: list[str] = []
    promised = left_behind = 0
    for kill in range(kills):
        listen, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(listen)
            if kill % 2:
                die_before_rename(chance.randint(1, 6))
            asyncio.run(fill(folder, promised, tell))
            os._exit(0)
        os.close(tell)
        if kill % 2 == 0:
            time.sleep(chance.uniform(0.0, 0.08))
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with os.fdopen(listen) as told:
            promised = max([promised, *map(int, told.read().split())])
        left_behind += len(list(folder.glob("*.new")))
        try:
            seen = after_delete(store.load(folder))
            # A version that was under way may be there; one that was promised must.
            if not promised <= seen <= promised + 1:
                torn.append(f"kill {kill}: version {promised} was promised, {seen} is there")
            promised = seen
        except Exception as error:
            torn.append(f"kill {kill}: {type(error).__name__}: {error}")
            break
    sys.stdout.write(json.dumps({"kills": kills, "torn": torn, "versions": promised, "left_behind": left_behind}))


def after_delete(snapshot: Any) -> int:
    """The version of a snapshot, where c.md may be gone already and the next version not yet there."""
    names = {one.doc for one in snapshot.chunks}
    version = {int(one.text.split()[1]) for one in snapshot.chunks}
    if names == set(NAMES[:2]) and len(version) == 1 and next(iter(version)) % 2 == 1:
        return next(iter(version))
    return version_of(snapshot)


if __name__ == "__main__":
    main()
