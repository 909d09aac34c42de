"""Jobs: accepted once, answered prompt by prompt, cancelled at once, and nobody else's business."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError

from capstone.errors import ApiError, ProviderError
from capstone.parts import auth, calls, deployment
from capstone.schemas.chat import Asked
from capstone.schemas.jobs import JobOrder, JobOut
from capstone.services.jobqueue import OneMachine
from capstone.services.jobs import JobService
from capstone.services.jobwork import Worker
from capstone.store import Store, open_store
from tests.capstone.test_store import Wanted


def principal(tenant: str = "a", name: str = "key:1") -> Any:
    return auth.Principal(id=name, tenant=tenant, scopes=frozenset({"chat"}), token_limit=100)


ADA, EVE = principal(), principal("b", "key:2")


class Models:
    """What answers: says the prompt, or what it was told to do with it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.cancelled: list[str] = []
        self.errors: dict[str, Exception] = {}
        self.held: dict[str, asyncio.Event] = {}
        self.open = self.peak = 0
        self.came = asyncio.Event()

    async def complete(self, principal: Any, asked: Asked, kind: str, /) -> bytes:
        assert kind == "job"
        prompt = asked.body["messages"][0]["content"]
        self.asked.append(prompt)
        self.open += 1
        self.peak = max(self.peak, self.open)
        self.came.set()
        try:
            await asyncio.sleep(0)
            if prompt in self.held:
                await self.held[prompt].wait()
        except asyncio.CancelledError:
            self.cancelled.append(prompt)
            raise
        finally:
            self.open -= 1
        if prompt in self.errors:
            raise self.errors[prompt]
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
        return json.dumps({"choices": [{"message": {"content": f"to {prompt}"}}], "usage": usage}).encode()

    async def stream(self, principal: Any, asked: Asked, kind: str, /) -> Any:
        raise AssertionError("a job streams nothing")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    async with open_store(Wanted(tmp_path, database_patience_s=0.2)) as store:
        yield store


@pytest.fixture
async def models() -> Models:
    return Models()


@pytest.fixture
async def jobs(store: Store, models: Models, tmp_path: Path) -> JobService:
    return make(store, models, tmp_path)


def make(store: Store, models: Models, folder: Path) -> JobService:
    """Make the service that another process would have: over the same files."""
    queue = OneMachine(deployment.SQLiteJobs(folder / "jobs.db"), deployment.KeyReused)
    worker = Worker(queue, calls, store.jobs, models, auth.Principal, pause_s=0.01)
    return JobService(queue, store.jobs, worker, "mock-large")


def work(jobs: JobService, turn: int) -> "asyncio.Task[None]":
    """Let the process work whose turn it is."""
    assert isinstance(jobs.queue, OneMachine)
    jobs.queue.turn = turn
    return asyncio.create_task(jobs.worker.work())


@pytest.fixture
async def worker(jobs: JobService) -> AsyncIterator[asyncio.Task[None]]:
    task = work(jobs, 1)
    yield task
    await end(task)


async def end(worker: "asyncio.Task[None]") -> None:
    worker.cancel()
    await asyncio.wait({worker})
    assert worker.cancelled(), worker.exception()


def order(*prompts: str, **options: Any) -> JobOrder:
    return JobOrder(prompts=list(prompts), **options)


async def over(jobs: JobService, job: JobOut, who: Any = ADA) -> JobOut:
    async with asyncio.timeout(10):
        while (found := await jobs.find(who, job.id)).state in ("queued", "running"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    return found


async def texts(jobs: JobService, job: JobOut) -> list[str | None]:
    return [one.text for one in (await jobs.result(ADA, job.id)).answers]


async def test_every_prompt_is_answered_in_its_place_also_when_two_are_alike(
    jobs: JobService, models: Models, worker: Any
) -> None:
    job = await jobs.submit(ADA, order("x", "y", "x"), None)
    assert (job.prompts, job.model) == (3, "mock-large")
    done = await over(jobs, job)
    assert (done.state, done.answered) == ("done", 3)
    result = await jobs.result(ADA, job.id)
    assert [(one.index, one.text) for one in result.answers] == [(0, "to x"), (1, "to y"), (2, "to x")]
    assert result.answers[0].usage == {"prompt_tokens": 1, "completion_tokens": 2}


async def test_only_so_many_calls_of_a_job_are_open_at_once(jobs: JobService, models: Models, worker: Any) -> None:
    gate = asyncio.Event()
    models.held = {str(n): gate for n in range(20)}
    job = await jobs.submit(ADA, order(*map(str, range(20))), None)
    async with asyncio.timeout(10):
        while models.open < 4:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    gate.set()
    await over(jobs, job)
    assert models.peak == 4


async def test_a_prompt_that_fails_does_not_lose_the_rest_and_its_reason_leaks_nothing(
    jobs: JobService, models: Models, worker: Any
) -> None:
    models.errors = {
        "down": ProviderError("openai answered 500: sk-secret", 500),
        "dear": HTTPException(429, "the quota is used up"),
        "odd": ApiError(404, "There is no such model."),
    }
    job = await jobs.submit(ADA, order("down", "fine", "dear", "odd"), None)
    assert (await over(jobs, job)).state == "done"
    said = [(one.text, one.error) for one in (await jobs.result(ADA, job.id)).answers]
    assert said == [
        (None, "the provider did not answer"),
        ("to fine", ""),
        (None, "the quota is used up"),
        (None, "There is no such model."),
    ]


async def test_a_bug_ends_its_job_and_not_the_worker(jobs: JobService, models: Models, worker: Any) -> None:
    models.errors = {"bug": KeyError("usage")}
    job = await jobs.submit(ADA, order("bug"), None)
    failed = await over(jobs, job)
    assert (failed.state, failed.error) == ("failed", "something went wrong on our side")
    assert (await over(jobs, await jobs.submit(ADA, order("next"), None))).state == "done"


async def test_a_job_waits_for_a_database_that_is_away(
    jobs: JobService, models: Models, tmp_path: Path, worker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    models.held = {"x": asyncio.Event()}
    job = await jobs.submit(ADA, order("x", "y"), None)
    async with asyncio.timeout(10):
        while (await jobs.find(ADA, job.id)).answered < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    with closing(sqlite3.connect(tmp_path / "capstone.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        models.held["x"].set()
        async with asyncio.timeout(10):
            while "waits for the database" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    assert (await over(jobs, job)).state == "done"
    assert await texts(jobs, job) == ["to x", "to y"]


async def test_the_same_key_is_the_same_job_and_another_order_under_it_is_refused(jobs: JobService) -> None:
    first = await jobs.submit(ADA, order("x"), "import-1")
    again = await asyncio.gather(*(jobs.submit(ADA, order("x"), "import-1") for _ in range(5)))
    assert {one.id for one in again} == {first.id}
    with pytest.raises(ApiError) as refused:
        await jobs.submit(ADA, order("y"), "import-1")
    assert refused.value.status == 422
    other = await jobs.submit(EVE, order("y"), "import-1")
    assert other.id != first.id, "a key is known to who used it, and to nobody else"
    assert len({(await jobs.submit(ADA, order("x"), None)).id for _ in range(3)}) == 3


@pytest.mark.parametrize("wrong", [order("x", model="no-such-model"), order("fine", "   ")])
async def test_what_no_model_would_answer_is_refused_when_it_is_submitted(jobs: JobService, wrong: JobOrder) -> None:
    with pytest.raises((ApiError, RequestValidationError)):
        await jobs.submit(ADA, wrong, None)
    assert await jobs.latest(ADA, limit=10) == []


async def test_another_tenants_job_is_not_there(jobs: JobService, worker: Any) -> None:
    job = await over(jobs, await jobs.submit(ADA, order("x"), None))
    for ask in (jobs.find, jobs.result, jobs.cancel):
        with pytest.raises(ApiError) as refused:
            await ask(EVE, job.id)
        assert refused.value.status == 404
    assert await jobs.latest(EVE, limit=10) == []
    assert [one.id for one in await jobs.latest(ADA, limit=10)] == [job.id]


async def test_a_result_is_there_when_the_job_is_over(jobs: JobService) -> None:
    job = await jobs.submit(ADA, order("x"), None)
    with pytest.raises(ApiError) as refused:
        await jobs.result(ADA, job.id)
    assert (refused.value.status, refused.value.headers) == (409, {"Retry-After": "1"})


async def test_a_cancel_reaches_the_calls_that_are_open_and_keeps_what_was_answered(
    jobs: JobService, models: Models, worker: Any
) -> None:
    models.held = {"slow": asyncio.Event()}
    job = await jobs.submit(ADA, order("fast", "slow"), None)
    async with asyncio.timeout(10):
        while (await jobs.find(ADA, job.id)).answered < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert (await jobs.cancel(ADA, job.id)).state == "cancelled"
    await asyncio.sleep(0)
    assert models.cancelled == ["slow"]
    assert await texts(jobs, job) == ["to fast"]
    assert (await jobs.cancel(ADA, job.id)).state == "cancelled", "to cancel it again changes nothing"
    assert (await over(jobs, await jobs.submit(ADA, order("next"), None))).state == "done"


async def test_a_job_that_waits_is_cancelled_before_it_costs_anything(jobs: JobService, models: Models) -> None:
    job = await jobs.submit(ADA, order("x"), None)
    await jobs.cancel(ADA, job.id)
    worker = work(jobs, 1)
    await over(jobs, await jobs.submit(ADA, order("next"), None))
    await end(worker)
    assert models.asked == ["next"]


async def test_a_job_that_is_done_cannot_be_cancelled(jobs: JobService, worker: Any) -> None:
    job = await over(jobs, await jobs.submit(ADA, order("x"), None))
    with pytest.raises(ApiError) as refused:
        await jobs.cancel(ADA, job.id)
    assert refused.value.status == 409
    assert (await jobs.find(ADA, job.id)).state == "done"


async def test_a_cancel_that_another_process_took_is_heeded_before_the_next_call(
    jobs: JobService, models: Models, store: Store, tmp_path: Path, worker: Any
) -> None:
    models.held = {"0": asyncio.Event()}
    jobs.worker.calls_at_once = 1
    job = await jobs.submit(ADA, order("0", "1", "2"), None)
    await models.came.wait()
    await make(store, models, tmp_path).cancel(ADA, job.id)
    models.held["0"].set()
    assert (await over(jobs, job)).state == "cancelled"
    async with asyncio.timeout(10):
        while jobs.worker._running:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert models.asked == ["0"]


async def test_the_next_turn_takes_up_what_an_earlier_one_left_and_asks_no_prompt_twice(
    jobs: JobService, models: Models, store: Store, tmp_path: Path
) -> None:
    """What `kill -9` leaves, without the kill: nobody finishes what was claimed. `test_durability` kills for real."""
    models.held = {"slow": asyncio.Event()}
    worker = work(jobs, 1)
    job = await jobs.submit(ADA, order("fast", "slow"), None)
    async with asyncio.timeout(10):
        while (await jobs.find(ADA, job.id)).answered < 1:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await end(worker)
    assert (await jobs.find(ADA, job.id)).state == "running"
    models.held["slow"].set()
    successor = make(store, models, tmp_path)
    worker = work(successor, 2)
    assert (await over(successor, job)).state == "done"
    await end(worker)
    assert await texts(successor, job) == ["to fast", "to slow"]
    assert models.asked == ["fast", "slow", "slow"]


async def test_a_job_that_kills_its_workers_is_given_up(
    jobs: JobService, models: Models, store: Store, tmp_path: Path
) -> None:
    models.held = {"deadly": asyncio.Event()}
    job = await jobs.submit(ADA, order("deadly"), None)
    for turn in range(1, 20):
        models.came.clear()
        worker = work(make(store, models, tmp_path), turn)
        async with asyncio.timeout(10):
            while not models.came.is_set() and (await jobs.find(ADA, job.id)).state != "failed":  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        await end(worker)
        if (await jobs.find(ADA, job.id)).state == "failed":
            break
    assert (await jobs.find(ADA, job.id)).error == "its worker died again and again"
    assert len(models.asked) < 10
