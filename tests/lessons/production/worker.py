"""The reference of lesson 06 as `uvicorn --workers 4` runs it, and two routes for what goes wrong."""

import importlib
import os
from functools import partial
from typing import Any

production: Any = importlib.import_module("solutions.06_production.app")
# On a machine that does other things too a worker may be late to read what Redis has long said.
production.RateLimiter = partial(production.RateLimiter, patience_s=3)
app = production.create_app()


@app.get("/worker")
async def read_worker() -> int:
    return os.getpid()


@app.get("/fails")
async def fail() -> None:
    raise RuntimeError("Incorrect API key provided: sk-provider-5555, password=hunter2")
