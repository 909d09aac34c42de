"""Instances that come, leave and die, and a database that changes, under load: nobody notices but whom it hits."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.capstone.service import Service
from tests.conftest import ROOT
from tests.scale.balancer import GRACE_S, balanced
from tests.scale.cluster import CHAT, Cluster

pytestmark = pytest.mark.timeout(90)
WORDS = [f"word{n} " for n in range(20)]


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
