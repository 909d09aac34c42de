"""Whose turn it is: of all processes that share a data folder, one does the work that only one may do."""

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path


@asynccontextmanager
async def take_turn(file: Path, *, every_s: float = 1.0) -> AsyncIterator[int]:
    """Wait until no other process has the turn, then hold it. Yields its number: each turn has a higher one.

    The turn is a lock on a file. It ends with its process, however that ends: the system gives it back after `kill -9`
    too. So whatever an earlier turn left half done is nobody's now, and can be taken up at once.
    """
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while not _locked(handle):  # noqa: ASYNC110 - another process tells nobody when it is done
            await asyncio.sleep(every_s)
        number = int(os.pread(handle, 32, 0) or b"0") + 1
        os.pwrite(handle, b"%d" % number, 0)
        os.fsync(handle)
        yield number
    finally:
        os.close(handle)  # and with it the lock


def _locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
