"""What goes on beside the requests: the index is kept, jobs are done, the first documents arrive."""

import asyncio
import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from capstone.parts import ROOT, auth, calls, deployment
from capstone.parts import rag as part
from capstone.ports import Embed
from capstone.services.broker import Untold, make_celery
from capstone.services.chat import ChatService
from capstone.services.documents import Shelf
from capstone.services.door import Door
from capstone.services.embedding import embedding_model, folder_of, open_embed
from capstone.services.indexing import Keeper
from capstone.services.jobage import OldJobs
from capstone.services.jobqueue import ManyMachines, OneMachine, Queue
from capstone.services.jobs import JobService
from capstone.services.jobwork import Worker
from capstone.services.rag import Rag
from capstone.services.turns import take_turn
from capstone.services.vectors import SharedShelf
from capstone.settings import Settings
from capstone.store import Store
from capstone.store.queue import QueuedJobs
from capstone.store.vectors import Vectors

log = logging.getLogger("capstone.work")
DEMO = "demo"


@dataclass(frozen=True)
class Work:
    """What `/rag` and `/jobs` ask."""

    settings: Settings
    store: Store
    shelf: Shelf | SharedShelf
    rag: Rag
    jobs: JobService


async def open_shelf(settings: Settings, store: Store, embed: Embed, name: str) -> Shelf | SharedShelf:
    """Open what documents are found in: a folder of this machine, or the PostgreSQL that instances share."""
    if store.database.embedded:
        shelf = Shelf(part, store.documents, settings.data / "index" / name, embed)
        await shelf.open()
        return shelf
    return SharedShelf(part, store.documents, Vectors(store.database, name), embed)


@asynccontextmanager
async def open_work(settings: Settings, store: Store, chat: ChatService) -> AsyncIterator[Work]:
    """Hold open what documents and jobs need, and let it work. Nothing here is waited for by the start."""
    embeds, model = embedding_model(settings, chat)
    default = chat.providers.default_model
    async with open_embed(part, embeds, model) as embed, httpx.AsyncClient(transport=Door(chat)) as http:
        shelf = await open_shelf(settings, store, embed, folder_of(embeds, model))
        queue, worker = await open_queue(settings, store, chat)
        old = OldJobs(queue, store.jobs, settings.jobs_kept_days)
        todo = {"turns": lambda: _turn(settings, shelf, queue, worker, old)}
        if isinstance(shelf, SharedShelf):
            todo["index"] = Keeper(shelf, indexer).keep
        if isinstance(queue, ManyMachines):
            todo["jobs"] = Untold(make_celery(settings), queue).tell if settings.broker_url else worker.work
            todo["old jobs"] = old.keep_deleting
        tasks = [asyncio.create_task(_again(work), name=name) for name, work in todo.items()]
        try:
            jobs = JobService(queue, store.jobs, worker, default)
            yield Work(settings, store, shelf, Rag(part, shelf, http, default, settings.rag_floor), jobs)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)


async def open_queue(settings: Settings, store: Store, chat: ChatService) -> tuple[Queue, Worker]:
    """Return where jobs wait, and who works on them: in a file, or in the PostgreSQL that instances share."""
    if store.database.embedded:
        table = await asyncio.to_thread(deployment.SQLiteJobs, settings.data / "jobs.db")
        queue: Queue = OneMachine(table, deployment.KeyReused)
    else:
        queue = ManyMachines(QueuedJobs(store.database, settings.job_lease_s))
    jobs, each = settings.jobs_at_once, settings.job_calls
    return queue, Worker(queue, calls, store.jobs, chat, auth.Principal, at_once=jobs, calls_at_once=each)


async def _turn(settings: Settings, shelf: Shelf | SharedShelf, queue: Queue, worker: Worker, old: OldJobs) -> None:
    """Do what one process of this machine may do, when it is this one's turn."""
    async with take_turn(settings.data / "turn") as number, asyncio.TaskGroup() as group:
        if isinstance(shelf, Shelf):
            group.create_task(Keeper(shelf, indexer).keep())
        if isinstance(queue, OneMachine):
            queue.turn = number
            group.create_task(worker.work())
            group.create_task(old.keep_deleting())
        if settings.is_demo and settings.corpus:
            group.create_task(bring(shelf, ROOT / settings.corpus, settings.data / "corpus.there"))
        group.create_task(asyncio.Event().wait())  # the turn is kept as long as the process lives


async def _again(work: Callable[[], Awaitable[None]]) -> None:
    """Do what never ends; whatever goes wrong, begin anew."""
    wait_s = 1.0
    while True:
        try:
            await work()
        except Exception:
            log.exception("background work failed and begins anew in %.0f s", wait_s)
        await asyncio.sleep(wait_s)
        wait_s = min(2 * wait_s, 60)


async def bring(shelf: Shelf | SharedShelf, corpus: Path, done: Path) -> None:
    """Give the tenant `demo` the bundled texts, once: one that is deleted does not come back."""
    if await asyncio.to_thread(done.exists):
        return
    for page in sorted(await asyncio.to_thread(lambda: list(corpus.glob("*.md")))):
        await shelf.accept(DEMO, page.name, await asyncio.to_thread(page.read_bytes), {})
    await asyncio.to_thread(done.touch)


def indexer(tenant: str) -> Any:
    """Return who embeds a tenant's documents: its usage records name it, and no quota stops it half way."""
    return auth.Principal(id="documents", tenant=tenant, scopes=frozenset(), token_limit=sys.maxsize)


def work_of(request: Any) -> Work:
    """Find what the lifespan opened."""
    return request.state.work
