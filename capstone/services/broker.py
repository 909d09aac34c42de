"""Jobs on their way to processes of their own. Celery carries their names; the database knows all else about them.

So a message that is lost, comes twice or comes too late costs nothing: a job is claimed in the database before it is
begun, and a worker is told again of one that nobody has begun, or whose worker says no longer that it lives.
"""

import asyncio
import logging
import ssl
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

from capstone.parts import deployment
from capstone.services.jobqueue import ManyMachines
from capstone.settings import Settings
from capstone.startup import UnsafeSettings
from capstone.store.database import DatabaseAway

log = logging.getLogger("capstone.jobs")
TASK = "run_job"  # lesson 07's name for it
QUEUE = "capstone-jobs"
LONGEST_S = 1_800.0  # of the messages of Celery; of jobs nothing depends on it
LOCAL = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Untold:
    """Tells workers of the jobs that are due, whoever accepted them."""

    celery: Any
    queue: ManyMachines
    pause_s: float = 1.0  # between two looks for jobs that others have accepted

    async def tell(self) -> None:
        """Tell them, until cancelled."""
        failing = False
        while True:
            self.queue.news.clear()
            due: list[str] = []
            with suppress(DatabaseAway):
                due = await self.queue.table.due()
            left = await asyncio.to_thread(self._send, due) if due else []
            if left and not failing:
                log.warning("the broker is away: jobs are accepted and wait")
            elif due and not left and failing:
                log.warning("the broker is back")
            failing = bool(left) or (failing and not due)
            if left:
                with suppress(DatabaseAway):
                    await self.queue.table.not_told(left)
            if left or not due:
                with suppress(TimeoutError):
                    async with asyncio.timeout(self.pause_s):
                        await self.queue.news.wait()

    def _send(self, job_ids: list[str]) -> list[str]:
        """Send messages; return the jobs of those that were not taken."""
        left = list(job_ids)
        try:
            with self.celery.connection_for_write() as connection:
                connection.ensure_connection(max_retries=1, timeout=2)
                with self.celery.amqp.Producer(connection, auto_declare=False) as producer:
                    while left:
                        self.celery.send_task(TASK, [left[0]], producer=producer, retry=False, ignore_result=True)
                        del left[0]
        except Exception as error:  # whatever the broker's client makes of it
            log.debug("not sent: %r", error)
        return left


def make_celery(settings: Settings, table: Any = None, work: Callable[[Any], str] = str) -> Any:
    """Make lesson 07's Celery application, for whoever sends jobs; with a table and work, for whoever does them."""
    url = settings.broker_url.get_secret_value() if settings.broker_url else ""
    celery = deployment.create_celery(url, table, work, longest_job_s=LONGEST_S)
    celery.conf.broker_transport_options |= transport_options(url)
    if url.startswith("rediss:") and "ssl_cert_reqs=" not in url:
        celery.conf.broker_use_ssl = {"ssl_cert_reqs": ssl.CERT_REQUIRED}  # by default it believes any certificate
    celery.conf.update(
        task_default_queue=QUEUE,
        task_ignore_result=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        worker_pool="threads",  # a job waits for models nearly all the time
        worker_concurrency=max(settings.jobs_at_once, 1),
        worker_hijack_root_logger=False,
        worker_enable_remote_control=False,  # nobody asks, and each SQS queue costs
        worker_cancel_long_running_tasks_on_connection_loss=False,  # a job needs its broker no more once it is begun
    )
    return celery


def transport_options(url: str) -> dict[str, Any]:
    """Return what a broker is to be asked with, so that no step waits for ever."""
    if url.startswith("sqs"):
        host = urlsplit(url).hostname
        return {"is_secure": host not in LOCAL} if host else {}
    return {"socket_timeout": 5, "socket_connect_timeout": 2, "socket_keepalive": True, "health_check_interval": 10}


def check_broker(settings: Settings) -> None:
    """Refuse what cannot work.

    Raises:
        UnsafeSettings: the text says why, and the way out.
    """
    if settings.broker_url is None:
        return
    scheme = settings.broker_url.get_secret_value().partition(":")[0]
    if scheme not in ("redis", "rediss", "sqs"):
        raise UnsafeSettings(
            f"CAPSTONE_BROKER_URL begins with {scheme}:, which is not served. Write redis:// or sqs://."
        )
    database = settings.database_url.get_secret_value() if settings.database_url else ""
    if not database.startswith("postgres"):
        raise UnsafeSettings(
            "CAPSTONE_BROKER_URL is set, so other processes work on jobs, and have to find them in one database: set "
            "CAPSTONE_DATABASE_URL to postgresql+asyncpg://user:password@host/name, or unset CAPSTONE_BROKER_URL."
        )
    if scheme == "sqs" and not (find_spec("boto3") and find_spec("pycurl")):
        raise UnsafeSettings("CAPSTONE_BROKER_URL names SQS. Run: pip install 'kombu[sqs]'")
