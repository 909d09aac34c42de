# fails: 07.8
# says: acknowledged before it is run
"""Celery is made for this."""

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)

@celery.task(name="run_job")
def run_job(id: str) -> None:
    job = jobs.status(id)
    if job and job.state not in ("done", "failed"):
        jobs.finish(id, work(job))

return celery
# <<< 07.8
