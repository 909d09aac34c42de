"""Jobs that are over are kept for a while, with their prompts and answers, and then deleted."""

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

from capstone.services.jobqueue import Queue
from capstone.services.jobwork import is_away
from capstone.store.jobs import Jobs as JobRows

log = logging.getLogger("capstone.jobs")
DAY_S = 86_400
AGAIN_S = 60.0  # after a database that was away


@dataclass
class OldJobs:
    """Deletes them. Any number of instances may do so at once."""

    queue: Queue
    rows: JobRows
    kept_days: float  # 0: for ever
    every_s: float = 3_600.0
    now: Callable[[], float] = time.time

    async def keep_deleting(self) -> None:
        """Look for them once an hour, until cancelled."""
        while True:
            wait_s = self.every_s
            try:
                if self.kept_days:
                    await self.delete()
            except Exception as error:
                if not is_away(error):
                    raise
                log.info("old jobs wait for the database: %s", error)
                wait_s = AGAIN_S
            await asyncio.sleep(wait_s)

    async def delete(self) -> int:
        """Note which jobs are over, and delete those that have been for long enough; return how many."""
        after = ""
        while some := await self.rows.unfinished(after=after):
            after = some[-1]
            known = await self.queue.statuses(some)
            # Of one that is not known the prompts are gone, and what was answered is to follow.
            open_ = {job_id for job_id, job in known.items() if job.state in ("queued", "running")}
            await self.rows.note_over([job_id for job_id in some if job_id not in open_])
        deleted = 0
        while old := await self.rows.over_since(self.now() - self.kept_days * DAY_S):
            await self.queue.forget(old)  # first: what is left of a job whose row is gone is found by nobody
            await self.rows.forget(old)
            deleted += len(old)
        return deleted
