"""A queue as a one-liner. The three sections are shown on the page of lesson 07."""

from typing import Any

from celery import Celery


def broken(sent: list[str]) -> Any:
    # --8<-- [start:broken]
    celery = Celery("jobs", broker="redis://localhost")

    @celery.task
    def send_report(user: str) -> None:
        sent.append(f"report for {user}")

    # --8<-- [end:broken]
    return celery, send_report


def repaired(sent: list[str], done: set[str]) -> Any:
    # --8<-- [start:repaired]
    celery = Celery("jobs", broker="redis://localhost")
    celery.conf.broker_transport_options = {"visibility_timeout": 1_200}  # longer than the longest job

    @celery.task(acks_late=True, reject_on_worker_lost=True)
    def send_report(job_id: str, user: str) -> None:
        if job_id in done:  # in a table, in the same transaction as what was done
            return
        sent.append(f"report for {user}")
        done.add(job_id)

    # --8<-- [end:repaired]
    return celery, send_report


def test_a_message_is_gone_before_its_work_begins_and_may_come_twice() -> None:
    sent: list[str] = []
    celery, send_report = broken(sent)
    # --8<-- [start:seen]
    assert not send_report.acks_late  # taken off the queue first, done then: SIGKILL in between loses it
    assert "visibility_timeout" not in celery.conf.broker_transport_options  # an hour on Redis, half of one on SQS

    send_report("ada")
    send_report("ada")  # the same message, delivered again: every queue does that one day
    assert sent == ["report for ada", "report for ada"]
    # --8<-- [end:seen]


def test_late_and_once() -> None:
    sent: list[str] = []
    _, send_report = repaired(sent, set())
    assert send_report.acks_late
    assert send_report.reject_on_worker_lost
    send_report("j1", "ada")
    send_report("j1", "ada")
    assert sent == ["report for ada"]


def test_the_defaults_of_the_brokers() -> None:
    from kombu.transport.redis import Channel as Redis
    from kombu.transport.SQS import Channel as SQS

    assert Redis.visibility_timeout == 3_600
    assert SQS.default_visibility_timeout == 1_800
    assert Redis.unacked_restore_interval * Redis.unacked_restore_throttle == 100, "seconds until somebody looks"
