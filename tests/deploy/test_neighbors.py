"""What `docker compose up` starts, started without an engine: the image's folder, a real PostgreSQL and a real Redis.

Each process runs the command of compose.yaml and reads the secrets that `deploy/make_secrets.py` makes; only addresses
and ports are others.
"""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from inspect import signature
from pathlib import Path

import httpx2 as httpx
import pytest
from dotenv import dotenv_values
from pydantic import SecretStr
from sqlalchemy import text

from capstone.store import Store, open_store
from capstone.store.tables import Base
from tests.capstone import test_store
from tests.capstone.pdfs import make_pdf
from tests.conftest import ROOT
from tests.deploy.files import command, composed, environment, stage
from tests.deploy.servers import postgres, redis
from tests.lessons.deployment.processes import Process, free_port, listens, running, until

pytestmark = pytest.mark.timeout(180)


@dataclass
class Neighborhood:
    """A machine on which the neighbors run."""

    folder: Path
    srv: Path  # of the image, with its mounted .env
    redis_port: int
    redis_password: Path

    @property
    def settings(self) -> dict[str, str]:
        """The environment of the image; what it writes to lies in the folder."""
        moved = {"/data": str(self.folder / "data"), "/srv/src": str(self.srv / "src")}
        given = {name: moved.get(value, value) for name, value in environment().items() if name != "PATH"}
        (self.folder / "data").mkdir(exist_ok=True)
        return {**given, "HOME": str(self.folder), "TMPDIR": str(self.folder)}

    @property
    def secrets(self) -> dict[str, str | None]:
        return dotenv_values(self.srv / ".env")

    def migrate(self) -> subprocess.CompletedProcess[str]:
        """Run the service `migrate`."""
        words = composed()["services"]["migrate"]["command"]
        return subprocess.run(
            [Path(sys.executable).parent / words[0], *words[1:]],
            cwd=self.srv,
            env={"PATH": os.environ["PATH"], **self.settings},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @contextmanager
    def api(self) -> Iterator[tuple[Process, httpx.Client]]:
        """Run the service `api`, and be its administrator."""
        port = free_port()
        words = [re.sub(r"\b8000\b", str(port), word) for word in command("CMD")]
        with running("python", "-m", *words, folder=self.folder, cwd=self.srv, **self.settings) as process:
            until(lambda: listens(port) or process.popen.poll() is not None, "the service to listen")
            assert process.popen.poll() is None, process.said
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
                form = {"username": "admin", "password": self.secrets["CAPSTONE_ADMIN_PASSWORD"]}
                token = client.post("/auth/token", data=form).json()["access_token"]
                client.headers["Authorization"] = f"Bearer {token}"
                yield process, client

    @contextmanager
    def worker(self) -> Iterator[Process]:
        """Run the service `worker`."""
        words = ["python", "-m", *composed()["services"]["worker"]["command"]]
        with running(*words, folder=self.folder, cwd=self.srv, **self.settings) as process:
            yield process


@pytest.fixture(scope="module")
def neighborhood(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Neighborhood]:
    folder = tmp_path_factory.mktemp("machine")
    (folder / "deploy").mkdir()
    shutil.copy(ROOT / "deploy/make_secrets.py", folder / "deploy")
    subprocess.run([sys.executable, folder / "deploy/make_secrets.py"], check=True, capture_output=True)
    secrets = folder / "secrets"
    srv = stage(folder)
    (folder / "redis").mkdir()
    with (
        postgres((secrets / "postgres_password").read_text()) as database,
        redis(folder / "redis", secrets / "redis_password") as (port, _),
    ):
        made = (secrets / "capstone.env").read_text()
        assert "@postgres:5432/capstone" in made and "@redis:6379/" in made
        made = made.replace("@postgres:5432/capstone", database).replace("@redis:6379/", f"@127.0.0.1:{port}/")
        (srv / ".env").write_text(made)
        yield Neighborhood(folder, srv, port, secrets / "redis_password")


@pytest.fixture(scope="module")
def migrated(neighborhood: Neighborhood) -> Neighborhood:
    """With the tables of this version. Every `docker compose up` runs the migration, so once more must not hurt."""
    for _ in range(2):
        done = neighborhood.migrate()
        assert done.returncode == 0, done.stderr
    return neighborhood


def test_a_service_that_comes_before_its_migration_makes_its_tables_and_serves(
    neighborhood: Neighborhood, tmp_path: Path
) -> None:
    empty = (neighborhood.secrets["CAPSTONE_DATABASE_URL"] or "").replace("@/capstone?", "@/postgres?")
    port = free_port()
    words = [re.sub(r"\b8000\b", str(port), word) for word in command("CMD")]
    settings = {**neighborhood.settings, "CAPSTONE_DATABASE_URL": empty}
    with running("python", "-m", *words, folder=tmp_path, cwd=neighborhood.srv, **settings) as process:
        until(lambda: listens(port) or process.popen.poll() is not None, "the service to listen")
        assert process.popen.poll() is None, process.said
        ready = httpx.get(f"http://127.0.0.1:{port}/health/ready", trust_env=False, timeout=20)
        assert ready.json()["parts"]["database"] == "ok"


def test_it_serves_from_postgresql_and_redis_and_a_restart_loses_nothing(migrated: Neighborhood) -> None:
    with migrated.worker() as worker, migrated.api() as (process, client):
        assert client.get("/health/ready").json() == {"status": "ready", "parts": {"database": "ok", "redis": "ok"}}
        key = client.post("/auth/keys", json={"name": "team"}).json()["key"]
        client.headers["Authorization"] = f"Bearer {key}"
        body = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}
        assert client.post("/v1/chat/completions", json=body).status_code == 200
        page = b"# Tides\n\nThe moon pulls the water, twice a day."
        document = client.post("/rag/documents", files={"file": ("tides.md", page)})
        assert document.status_code == 202, document.text
        job = client.post("/jobs", json={"prompts": ["one", "two"], "model": "mock-small"})
        assert job.status_code == 202, job.text
        where, task = document.headers["Location"], f"/jobs/{job.json()['id']}"
        pdf = client.post("/rag/documents", files={"file": ("tides.pdf", make_pdf("The moon pulls the water."))})
        until(lambda: client.get(where).json()["state"] == "ready", "the document to be found")
        until(lambda: client.get(pdf.headers["Location"]).json()["state"] == "ready", "the PDF to be read")
        until(lambda: client.get(task).json()["state"] == "done", "the job to be done")
        for one in (process, worker):
            one.terminate()
            assert one.status() in (0, -signal.SIGTERM), one.said
            assert not [secret for secret in migrated.secrets.values() if not secret or secret in one.said]
    with migrated.api() as (process, client):
        client.headers["Authorization"] = f"Bearer {key}"
        assert client.get(where).json()["state"] == "ready"
        assert len(client.get(f"{task}/result").json()["answers"]) == 2
        models = {day["model"] for day in client.get("/usage").json()["days"]}
        assert "mock-small" in models
        asked = client.post("/rag/query", json={"question": "What pulls the water?"})
        assert asked.status_code == 200, asked.text
        assert "tides.md" in asked.text


def test_the_commands_of_the_page_give_the_first_key(migrated: Neighborhood) -> None:
    if not shutil.which("curl"):
        pytest.skip("apt-get install curl")
    page = (ROOT / "docs/capstone/deploy.md").read_text()
    (commands,) = re.findall(r'^```bash title="the first key"\n(.*?)^```', page, flags=re.M | re.S)
    with migrated.api() as (_, client):
        commands = commands.replace("localhost:8000", str(client.base_url).rstrip("/"))
        done = subprocess.run(
            ["/bin/bash", "-c", commands], cwd=migrated.folder, capture_output=True, text=True, check=True, timeout=60
        )
        key = json.loads(done.stdout)["key"]
        assert client.get("/v1/models", headers={"Authorization": f"Bearer {key}"}).status_code == 200


def test_without_redis_it_serves_on_and_says_that_it_is_degraded(migrated: Neighborhood, tmp_path: Path) -> None:
    kept = (migrated.srv / ".env").read_text()
    gone = kept.replace(f":{migrated.redis_port}/", f":{free_port()}/")
    (migrated.srv / ".env").write_text(gone)
    try:
        with migrated.api() as (_, client):
            ready = client.get("/health/ready")
            assert (ready.status_code, ready.json()["status"]) == (200, "degraded")
            assert client.get("/v1/models").status_code == 200
    finally:
        (migrated.srv / ".env").write_text(kept)


def test_the_health_check_of_redis_is_true(neighborhood: Neighborhood) -> None:
    if not shutil.which("redis-cli"):
        pytest.skip("apt-get install redis-server")
    kind, script = composed()["services"]["redis"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"

    def healthy(password: str, port: int) -> bool:
        asked = script.replace("/run/secrets/redis_password", password).replace("redis-cli", f"redis-cli -p {port}")
        return subprocess.run(["/bin/sh", "-c", asked], capture_output=True, check=False, timeout=20).returncode == 0

    assert healthy(str(neighborhood.redis_password), neighborhood.redis_port)
    assert not healthy(os.devnull, neighborhood.redis_port), "without the password"
    assert not healthy(str(neighborhood.redis_password), free_port()), "nobody is there"


# What the store promises, it promises on PostgreSQL too: its own tests once more, with another `store`.


@pytest.fixture
async def store(migrated: Neighborhood, tmp_path: Path) -> AsyncIterator[Store]:
    url = migrated.secrets["CAPSTONE_DATABASE_URL"]
    assert url
    async with open_store(test_store.Wanted(tmp_path, SecretStr(url))) as store:
        yield store
        async with store.database.writing() as session:
            await session.execute(text(f"TRUNCATE {', '.join(Base.metadata.tables)}"))


globals().update(
    (name, test)
    for name, test in vars(test_store).items()
    if name.startswith("test_") and "sqlite" not in name and list(signature(test).parameters) == ["store"]
)
