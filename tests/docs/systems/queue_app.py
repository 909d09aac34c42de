"""The Celery of the page on Celery and SQS."""

from celery import Celery

# --8<-- [start:example]
# the key and the address come from the environment, or from the machine's role
queue = Celery("jobs", broker="sqs://")
queue.conf.update(
    # above the longest job
    broker_transport_options={
        "region": "eu-central-1",
        "visibility_timeout": 1_200,
    },
    task_acks_late=True,  # done first, then taken off the queue
    task_reject_on_worker_lost=True,
    worker_prefetch_multiplier=1,  # nobody takes what they cannot begin
)


@queue.task
def answer_prompt(job_id: str) -> None:
    if JOBS.get(job_id) == "queued":  # delivered twice, and done once
        JOBS[job_id] = "done"
        # what must not happen twice, in the same transaction
        BILL.append(job_id)


# --8<-- [end:example]
JOBS: dict[str, str] = {}  # they stand for tables
BILL: list[str] = []
