"""The image, built and started where a Docker engine answers, as compose.yaml starts it."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.deploy.files import engine_answers
from tests.lessons.deployment.processes import until

pytestmark = pytest.mark.timeout(1_200)
SECRET = "Zf3-8kQw_0vRtY6mNb2xLp9sHd4jGc7aEu1iOo5T"


def docker(*words: str | Path, seconds: float = 60) -> str:
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False, timeout=seconds)
    assert done.returncode == 0, f"docker {words[0]}: {done.stderr[-2_000:]}"
    return done.stdout.strip()


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    if not engine_answers():
        pytest.skip("no Docker engine answers: https://docs.docker.com/engine/install/")
    name = f"capstone-test-{uuid.uuid4().hex[:8]}:1.0.0"
    docker("build", "--tag", name, ROOT, seconds=1_000)
    try:
        yield name
    finally:
        docker("rmi", "--force", name)


@pytest.fixture
def container(image: str, tmp_path: Path) -> Iterator[str]:
    settings = tmp_path / "capstone.env"
    settings.write_text(f"CAPSTONE_SECRET={SECRET}\n")
    bounds = ["--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]  # noqa: S108
    files = ["--volume", "/data", "--volume", f"{settings}:/srv/.env:ro"]
    name = docker("run", "--detach", *bounds, *files, "--memory", "2g", "--publish", "127.0.0.1::8000", image)
    try:
        yield name
    finally:
        docker("rm", "--force", "--volumes", name)


def test_it_is_healthy_as_nobody_in_particular_and_ends_with_zero(container: str) -> None:
    health = ("inspect", "--format", "{{.State.Health.Status}}", container)
    until(lambda: docker(*health) == "healthy", "the container to be healthy")
    assert docker("exec", container, "id", "-u") == "10001"
    ports = json.loads(docker("inspect", "--format", "{{json .NetworkSettings.Ports}}", container))
    address = f"http://127.0.0.1:{ports['8000/tcp'][0]['HostPort']}/health/ready"
    assert httpx.get(address, trust_env=False, timeout=20).json()["parts"] == {"database": "ok"}
    assert SECRET not in docker("logs", container)
    docker("stop", "--time", "40", container)
    assert docker("inspect", "--format", "{{.State.ExitCode}}", container) == "0", "SIGTERM did not reach the server"


def test_it_refuses_to_start_without_a_secret(image: str) -> None:
    done = subprocess.run(["docker", "run", "--rm", image], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "CAPSTONE_SECRET has to be set" in done.stderr


def test_it_holds_no_more_than_it_needs(image: str) -> None:
    assert int(docker("image", "inspect", "--format", "{{.Size}}", image)) < 800_000_000
    told = docker("history", "--no-trunc", "--format", "{{.CreatedBy}}", image)
    assert "SECRET" not in told and "PASSWORD" not in told
