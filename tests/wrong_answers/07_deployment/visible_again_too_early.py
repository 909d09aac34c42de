# fails: 07.8
# says: a message is handed out a second time
"""The default is an hour, which is long."""

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)
celery.conf.update(
    task_acks_late=True,  # as it comes, Celery takes a message off the queue before the work is begun
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 3_600},
)

@celery.task(name="run_job")
def run_job(id: str) -> None:
    job = jobs.status(id)
    if job and job.state not in ("done", "failed"):
        jobs.finish(id, work(job))

return celery
# <<< 07.8
