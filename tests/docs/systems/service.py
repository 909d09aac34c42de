"""A service for the pages on servers: it says which process answers, and it can be held up."""

import os
import time
from pathlib import Path

from fastapi import FastAPI

app = FastAPI()


@app.get("/pid")
async def read_pid() -> int:
    return os.getpid()


# --8<-- [start:broken]
@app.get("/report")
async def read_report() -> str:
    return make_report()  # computes, or waits in a client that knows no `await`


# --8<-- [end:broken]
# --8<-- [start:repaired]
@app.get("/report/in-a-thread")
def read_report_in_a_thread() -> str:  # `def`: FastAPI calls it in a thread
    return make_report()


# --8<-- [end:repaired]


def make_report() -> str:
    """Take as long as the test wants, and a minute at most."""
    end = time.monotonic() + 60
    while not Path(os.environ["GO"]).exists() and time.monotonic() < end:
        time.sleep(0.02)
    return "a report"
