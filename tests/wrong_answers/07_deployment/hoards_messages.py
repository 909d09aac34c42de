# fails: 07.8
# says: unseen by idle ones
"""Four at a time saves round trips."""

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)
celery.conf.update(
    task_acks_late=True,  # as it comes, Celery takes a message off the queue before the work is begun
    task_reject_on_worker_lost=True,
    broker_transport_options={"visibility_timeout": 2 * longest_job_s},
)

@celery.task(name="run_job")
def run_job(id: str) -> None:
    job = jobs.status(id)
    if job and job.state not in ("done", "failed"):
        jobs.finish(id, work(job))

return celery
# <<< 07.8
