# fails: 07.8
# says: acks_late alone is not enough
"""The setting that every page about it names."""

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)
celery.conf.update(
    task_acks_late=True,  # as it comes, Celery takes a message off the queue before the work is begun
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 2 * longest_job_s},
)

@celery.task(name="run_job")
def run_job(id: str) -> None:
    job = jobs.status(id)
    if job and job.state not in ("done", "failed"):
        jobs.finish(id, work(job))

return celery
# <<< 07.8
