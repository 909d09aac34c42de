# fails: 07.8
# says: the second one pays again
"""finish() keeps the first result, so nothing is done twice."""

# >>> 07.8 (3)
celery = Celery("jobs", broker=broker_url)
celery.conf.update(
    task_acks_late=True,  # as it comes, Celery takes a message off the queue before the work is begun
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,
    broker_transport_options={"visibility_timeout": 2 * longest_job_s},
)

@celery.task(name="run_job")
def run_job(id: str) -> None:
    job = jobs.status(id)
    if job:
        jobs.finish(id, work(job))

return celery
# <<< 07.8
