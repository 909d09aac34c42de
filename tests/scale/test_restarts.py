"""Instances that come, leave and die, and a database that changes, under load: nobody notices but whom it hits."""

import asyncio
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.capstone.service import Service
from tests.conftest import ROOT
from tests.scale.balancer import GRACE_S, Balancer, balanced
from tests.scale.cluster import CHAT, Cluster

pytestmark = pytest.mark.timeout(150)
WORDS = [f"word{n} " for n in range(20)]
ACTIVE = ("queued", "running")


async def started(cluster: Cluster, count: int = 1, **env: Any) -> list[Service]:
    return await asyncio.to_thread(cluster.start, count, **env)


async def test_a_rolling_restart_under_load_fails_no_request(cluster: Cluster) -> None:
    env: dict[str, Any] = {"CAPSTONE_DRAIN_NOTICE_S": GRACE_S}
    old = await started(cluster, 2, **env)
    headers = cluster.key("rolling")
    async with balanced(headers, *(one.url for one in old)) as balancer:
        for leaving in old:
            (new,) = await started(cluster, **env)
            balancer.add(new.url)
            await balancer.until(new.url, True)
            leaving.process.terminate()
            await balancer.until(leaving.url, False)
            await asyncio.to_thread(leaving.process.wait, 20)
            balancer.remove(leaving.url)
        await balancer.more(50)
    assert balancer.failures == []
    assert set(balancer.statuses) == {200}
    assert len(balancer.served) == 4, "not every instance had a part in it"
    await recorded(cluster, "rolling", len(balancer.statuses), slack=6)  # users who were stopped in mid-request


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_three_instances_and_a_worker_are_replaced_while_all_of_it_is_under_way(cluster: Cluster) -> None:
    """Streams of two seconds, jobs, uploads and searches go on; nothing is refused, lost or done twice."""
    env: dict[str, Any] = {"CAPSTONE_DRAIN_NOTICE_S": GRACE_S}
    old = await started(cluster, 3, **env)
    worker = await asyncio.to_thread(cluster.worker, "--without-mingle", "--without-gossip")
    headers = cluster.key("demo")  # the tenant of every instance's own client
    cluster.llm.when("Hello").tokens(WORDS).slow(cadence_s=0.1)
    jobs: list[str] = []
    names: list[str] = []

    async def more(balancer: Balancer) -> None:
        """Order a job and bring a document, again and again, wherever it is our turn."""
        for n in itertools.count():
            order, file = {"prompts": [f"order {n} a", f"order {n} b"]}, {"file": (f"{n}.txt", f"Page {n}.".encode())}
            said = await balancer.client.post(f"{balancer.pick()}/jobs", json=order, headers=headers)
            assert said.status_code == 202, said.text
            jobs.append(said.json()["id"])
            said = await balancer.client.post(f"{balancer.pick()}/rag/documents", files=file, headers=headers)
            assert said.status_code == 202, said.text
            names.append(f"{n}.txt")
            await asyncio.sleep(0.5)

    def in_state(state: str) -> set[str]:
        return {name for (name,) in cluster.ask(f"SELECT name FROM documents WHERE state = '{state}'")}  # noqa: S608

    async with balanced(headers, *(one.url for one in old), users=20) as balancer:
        busy = asyncio.create_task(more(balancer))
        for leaving in old:
            (new,) = await started(cluster, **env)
            balancer.add(new.url)
            await balancer.until(new.url, True)
            leaving.process.terminate()
            await asyncio.to_thread(leaving.process.wait, 20)
            balancer.remove(leaving.url)
        await asyncio.to_thread(cluster.worker, "--without-mingle", "--without-gossip")
        worker.terminate()
        assert await asyncio.to_thread(worker.status) == 0, worker.said
        await balancer.more(20)
        assert not busy.done(), busy.exception()
        busy.cancel()
    assert balancer.failures == []
    assert set(balancer.statuses) == {200}
    last = cluster.instances[-1]
    for job in jobs:
        done = await asyncio.to_thread(last.until, f"/jobs/{job}", lambda said: said["state"] not in ACTIVE)
        assert (done["state"], done["answered"]) == ("done", 2), done
    await asyncio.to_thread(last.until, "/rag/documents?limit=1", lambda _: in_state("queued") == set())
    assert in_state("ready") == set(names)
    asked = [one.json["messages"][-1]["content"] for one in cluster.llm.requests if one.path.endswith("/completions")]
    orders = Counter(one for one in asked if one.startswith("order"))
    assert len(orders) == 2 * len(jobs)
    assert max(orders.values()) <= 2, "a prompt that was under way when its worker ended is asked again, and no other"
    assert sum(orders.values()) - len(orders) <= 4


async def recorded(cluster: Cluster, tenant: str, calls: int, *, slack: int = 0) -> None:
    """Wait until so many calls of a tenant are in the database, each once; never more."""
    deadline = time.monotonic() + 10
    while True:
        asked = f"SELECT count(*), count(DISTINCT id) FROM usage_records WHERE tenant = '{tenant}'"  # noqa: S608
        ((rows, ids),) = cluster.ask(asked)
        assert rows == ids
        assert int(rows) <= calls + slack, "a call was recorded twice"
        if int(rows) >= calls:
            return
        assert time.monotonic() < deadline, f"{calls} calls were answered, and {rows} are in the database"
        await asyncio.sleep(0.05)


@contextlib.asynccontextmanager
async def streaming(client: httpx.AsyncClient, url: str, headers: dict[str, str]) -> AsyncIterator[AsyncIterator[str]]:
    body = {**CHAT, "stream": True}
    async with client.stream("POST", f"{url}/v1/chat/completions", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        yield answer.aiter_lines()


async def test_an_instance_that_is_killed_under_streams_ends_its_own_and_no_others(cluster: Cluster) -> None:
    await started(cluster, 3)
    headers = cluster.key("streams")
    for one in cluster.instances:
        assert one.client.post("/v1/chat/completions", json=CHAT, headers=headers).status_code == 200
    await recorded(cluster, "streams", 3)
    gate = cluster.llm.when("Hello").tokens(WORDS).step()
    async with httpx.AsyncClient(timeout=20, trust_env=False) as client, contextlib.AsyncExitStack() as stack:
        streams = [
            (one, await stack.enter_async_context(streaming(client, one.url, headers)))
            for one in cluster.instances
            for _ in range(3)
        ]
        gate.release(9 * 5)
        for _, lines in streams:
            async for line in lines:
                if '"content":"word' in line:
                    break
        killed = cluster.instances[0]
        await asyncio.to_thread(killed.kill)
        gate.open()
        for one, lines in streams:
            if one is killed:
                with pytest.raises(httpx.TransportError):
                    [line async for line in lines]
            else:
                rest = [line async for line in lines if line]
                assert rest[-1] == "data: [DONE]"
                assert json.loads(rest[-2].removeprefix("data: ")).get("error") is None
    await recorded(cluster, "streams", 3 + 6)
    paid = cluster.ask(
        "SELECT completion_tokens, outcome, count(*) FROM usage_records WHERE tenant = 'streams' GROUP BY 1, 2 "
        "ORDER BY 3"
    )
    assert paid[-1] == [str(len(WORDS)), "done", "6"], paid


NEXT = '''"""What the next version adds: all of it may be there while this one serves."""

import sqlalchemy as sa
from alembic import op

revision, down_revision, branch_labels, depends_on = "next", "{head}", None, None


def upgrade() -> None:
    op.add_column("usage_records", sa.Column("region", sa.String(20), nullable=False, server_default=""))
    op.add_column("keys", sa.Column("note", sa.Text(), nullable=True))
    op.create_index("ix_usage_records_region", "usage_records", ["region", "at"])
    op.create_table("regions", sa.Column("name", sa.String(20), primary_key=True))
'''


async def test_a_migration_that_adds_runs_while_instances_serve_and_they_can_be_restarted(
    cluster: Cluster, tmp_path: Path
) -> None:
    await started(cluster, 2)
    headers = cluster.key("migrated")
    async with balanced(headers, *(one.url for one in cluster.instances)) as balancer:
        await asyncio.to_thread(upgrade, cluster, tmp_path / "next")
        await balancer.more(50)
        (again,) = await started(cluster)  # of this version, which may crash at any time, also now
        balancer.add(again.url)
        await balancer.until(again.url, True)
    assert balancer.failures == []
    assert set(balancer.statuses) == {200}
    assert cluster.ask("SELECT version_num FROM alembic_version") == [["next"]]
    await recorded(cluster, "migrated", len(balancer.statuses), slack=6)
    assert again.client.post("/auth/keys", json={"tenant": "migrated"}).status_code == 201


def upgrade(cluster: Cluster, folder: Path) -> None:
    """Run the migration of the next version: all of this one's, and one more."""
    here = ROOT / "capstone/store"
    shutil.copytree(here / "migrations", folder / "migrations")
    shutil.copy(here / "alembic.ini", folder)
    ((head,),) = cluster.ask("SELECT version_num FROM alembic_version")
    (folder / "migrations/versions/next.py").write_text(NEXT.format(head=head))
    words = [Path(sys.executable).parent / "alembic", "-c", folder / "alembic.ini", "upgrade", "head"]
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), **cluster.env(CAPSTONE_DATA=folder / "data")}
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
