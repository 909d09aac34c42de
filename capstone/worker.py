"""The process that works on jobs: `celery -A capstone.worker worker`, as many of them as there is work for.

Celery's task is lesson 07's. What it takes for the work here is an event loop in a thread of its own, on which all jobs
of the process share what the service holds open: pools, limits, quotas.
"""

import asyncio
import concurrent.futures
import logging
import sys
import threading
from contextlib import AsyncExitStack
from typing import Any

from celery import signals

from capstone.lifespan import Service
from capstone.logs import configure_logs
from capstone.services.broker import check_broker, make_celery
from capstone.services.jobwork import Worker
from capstone.services.work import open_queue
from capstone.settings import Settings
from capstone.startup import BadSettings, CannotStart, UnsafeSettings, check, read_settings
from capstone.store.database import DatabaseAway

log = logging.getLogger("capstone.jobs")


class Bench:
    """What lesson 07's task knows as its table and its work: an event loop in a thread, and the worker on it."""

    worker: Worker

    def __init__(self, settings: Settings) -> None:
        self.settings, self.loop = settings, asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._jobs: set[asyncio.Task[None]] = set()
        self._closing = False
        self._thread = threading.Thread(target=self.loop.run_forever, name="jobs", daemon=True)

    def open(self) -> None:
        """Open what jobs need; end the process if that does not work."""
        self._thread.start()
        try:
            self.worker = self._wait(self._open())
        except Exception as error:
            meant = isinstance(error, CannotStart | DatabaseAway)  # their words say it all
            log.critical("the worker cannot start: %s", error, exc_info=None if meant else error)
            raise SystemExit(1) from error

    async def _open(self) -> Worker:
        service, enter = Service(self.settings, sys.stderr), self._stack.enter_async_context
        for thing in (service.open_logs, service.open_store, service.open_usage, service.open_providers):
            await enter(thing())
        chat = await enter(service.open_chat())
        _, worker = await open_queue(self.settings, service.store, chat)
        return worker

    def status(self, job_id: str) -> Any:
        """Return a job as it stands; None if there is none, or if this worker begins no more."""
        try:
            return None if self._closing else self._wait(self.worker.queue.status(job_id))
        except DatabaseAway as error:  # whoever accepts jobs tells a worker again
            log.warning("job %s is not looked at: %s", job_id, error)
            return None

    def work(self, job: Any) -> str:
        """Do a job; return when it is over, or somebody else's."""
        try:
            self._wait(self._do(job.id))
        except concurrent.futures.CancelledError:
            log.info("job %s is given back", job.id)
        except DatabaseAway as error:
            log.warning("job %s is not begun: %s", job.id, error)
        return ""

    async def _do(self, job_id: str) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a coroutine runs in one
        self._jobs.add(task)
        try:
            if not self._closing:
                await self.worker.take(job_id)
        finally:
            self._jobs.discard(task)

    def finish(self, _job_id: str, _result: str, *, state: str = "done") -> bool:
        """Keep nothing: what becomes of a job is written by whoever holds it."""
        return False

    def give_back(self) -> None:
        """Begin no more, and give back what is under way: another worker goes on where it stands."""
        self._closing = True
        self.loop.call_soon_threadsafe(lambda: [job.cancel() for job in self._jobs])

    def close(self) -> None:
        """Write what has to be written, and end."""
        if self._thread.is_alive():
            self._wait(self._stack.aclose())
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(5)

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


def make_worker(settings: Settings) -> Any:
    """Make the application that `celery -A capstone.worker worker` runs.

    Raises:
        UnsafeSettings: there is no broker, or what is set cannot work.
    """
    if settings.broker_url is None:
        raise UnsafeSettings("CAPSTONE_BROKER_URL is not set, so the service does jobs itself and needs no worker.")
    check(settings)
    check_broker(settings)
    bench = Bench(settings)
    celery = make_celery(settings, bench, bench.work)
    for signal, receiver in (
        (signals.setup_logging, lambda **_: configure_logs(settings, sys.stderr)),
        (signals.celeryd_after_setup, lambda **_: bench.open()),
        (signals.worker_shutting_down, lambda **_: bench.give_back()),
        (signals.worker_shutdown, lambda **_: bench.close()),
    ):
        signal.connect(receiver, weak=False)
    return celery


try:
    celery = make_worker(read_settings())
except (BadSettings, UnsafeSettings) as error:
    sys.exit(f"capstone: {error}")
