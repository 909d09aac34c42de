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
from capstone.startup import UnsafeSettings, check, read_settings
from capstone.store.database import DatabaseAway
from capstone.store.outage import UnusableDatabase

log = logging.getLogger("capstone.jobs")


class Bench:
    """An event loop in a thread, and the worker on it. Opened in the process that uses it: a fork has none."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.loop = settings, asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        self._jobs: set[concurrent.futures.Future[None]] = set()
        self._closing = False
        self._thread = threading.Thread(target=self.loop.run_forever, name="jobs", daemon=True)
        self._thread.start()
        self.worker: Worker = self._wait(self._open())

    async def _open(self) -> Worker:
        service, enter = Service(self.settings, sys.stderr), self._stack.enter_async_context
        for thing in (service.open_logs, service.open_store, service.open_usage, service.open_providers):
            await enter(thing())
        chat = await enter(service.open_chat())
        _, worker = await open_queue(self.settings, service.store, chat)
        return worker

    def do(self, job_id: str) -> None:
        """Do a job; return when it is over, or somebody else's."""
        if self._closing:
            return
        job = asyncio.run_coroutine_threadsafe(self.worker.take(job_id), self.loop)
        self._jobs.add(job)
        try:
            job.result()
        except concurrent.futures.CancelledError:
            log.info("job %s is given back", job_id)
        except DatabaseAway as error:  # whoever accepts jobs tells a worker again
            log.warning("job %s is not begun: %s", job_id, error)
        finally:
            self._jobs.discard(job)

    def find(self, job_id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        try:
            return self._wait(self.worker.queue.status(job_id))
        except DatabaseAway as error:
            log.warning("job %s is not looked at: %s", job_id, error)
            return None

    def give_back(self) -> None:
        """Begin no more, and give back what is under way: another worker goes on where it stands."""
        self._closing = True
        for job in tuple(self._jobs):
            job.cancel()

    def close(self) -> None:
        """Write what has to be written, and end."""
        self.give_back()
        self._wait(self._stack.aclose())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)

    def _wait(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()


class Desk:
    """What lesson 07's task knows as its table and its work. What becomes of a job is written by whoever holds it."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.bench: Bench | None = None

    def open(self) -> None:
        """Open what jobs need, in this process; end it if that does not work."""
        if self.bench is None:
            try:
                self.bench = Bench(self.settings)
            except Exception as error:
                meant = isinstance(error, UnusableDatabase | DatabaseAway)  # their words say it all
                log.critical("the worker does not start: %s", error, exc_info=None if meant else error)
                raise SystemExit(1) from error

    def status(self, job_id: str) -> Any:
        """Return a job as it stands, None if there is none."""
        return self.bench and self.bench.find(job_id)

    def finish(self, _job_id: str, _result: str, *, state: str = "done") -> bool:
        """Keep nothing: it is kept already, if the job was still this worker's."""
        return False

    def work(self, job: Any) -> str:
        """Do a job."""
        if self.bench:
            self.bench.do(job.id)
        return ""


def make_worker(settings: Settings) -> Any:
    """Make the application that `celery -A capstone.worker worker` runs.

    Raises:
        UnsafeSettings: there is no broker, or what is set cannot work.
    """
    if settings.broker_url is None:
        raise UnsafeSettings("CAPSTONE_BROKER_URL is not set, so the service does jobs itself and needs no worker.")
    check(settings)
    check_broker(settings)
    desk = Desk(settings)
    celery = make_celery(settings, desk, desk.work)

    def after_setup(instance: Any, **_: Any) -> None:
        if "prefork" not in str(instance.pool_cls):  # there each child opens its own: a loop survives no fork
            desk.open()

    def shutting_down(**_: Any) -> None:
        if desk.bench:
            desk.bench.give_back()

    def shutdown(**_: Any) -> None:
        if desk.bench:
            desk.bench.close()
            desk.bench = None

    for signal, receiver in (
        (signals.setup_logging, lambda **_: configure_logs(settings, sys.stderr)),
        (signals.celeryd_after_setup, after_setup),
        (signals.worker_process_init, lambda **_: desk.open()),
        (signals.worker_shutting_down, shutting_down),
        (signals.worker_shutdown, shutdown),
        (signals.worker_process_shutdown, shutdown),
    ):
        signal.connect(receiver, weak=False)
    return celery


try:
    celery = make_worker(read_settings())
except UnsafeSettings as error:
    sys.exit(f"capstone: {error}")
