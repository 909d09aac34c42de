"""What stands in Dockerfile and compose.yaml of the reference, tried as far as it can be without an engine."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest

from tests.conftest import ROOT
from tests.lessons.deployment.brokers import PASSWORD, redis
from tests.lessons.deployment.processes import free_port, listens, running, until

pytestmark = pytest.mark.timeout(180)
REFERENCE = ROOT / "solutions" / "07_deployment"
DOCKERFILE = (REFERENCE / "Dockerfile").read_text().partition("# --- stub")[0]


def command(program: str) -> list[str]:
    """The list in the Dockerfile that begins with this program."""
    match = re.search(rf'^ *CMD (\["{program}".*\])$', DOCKERFILE, flags=re.M)
    assert match
    return json.loads(match[1])


def test_what_the_image_installs_is_what_the_course_locks() -> None:
    locked = dict(re.findall(r"^([\w-]+)==(\S+)", (ROOT / "requirements.lock").read_text(), flags=re.M))
    wanted = re.findall(r"^([\w-]+)(?:\[\w+\])?==(\S+)$", (REFERENCE / "requirements.txt").read_text(), flags=re.M)
    assert wanted
    assert dict(wanted) == {name: locked[name] for name, _ in wanted}


def test_every_import_of_the_image_is_installed_there() -> None:
    """The names that the three modules import and that are not Python's own."""
    wanted = (REFERENCE / "requirements.txt").read_text()
    brought: dict[str, str] = {"anyio": "starlette", "kombu": "celery"}
    for name in ("app.py", "jobs.py", "main.py"):
        found: list[str] = re.findall(r"^\s*(?:from|import) ([a-z]\w*)", (REFERENCE / name).read_text(), flags=re.M)
        for package in set(found) - set(sys.stdlib_module_names):
            assert brought.get(package, package) in wanted, f"{name} imports {package}"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """The folder /srv of the image, as COPY and .dockerignore make it."""
    service = tmp_path / "srv" / "service"
    service.mkdir(parents=True)
    for file in REFERENCE.glob("*.py"):
        shutil.copy(file, service)
    return service.parent


def test_the_command_of_the_image_serves_is_healthy_and_ends_with_zero(image: Path, tmp_path: Path) -> None:
    port = free_port()
    words = [re.sub(r"\b8000\b", str(port), word) for word in command("uvicorn")]
    settings = {"PYTHONPATH": "", "NOTICE_S": "0", "JOBS_DB": str(tmp_path / "jobs.db")}
    with running("python", "-m", *words, folder=tmp_path, cwd=image, **settings) as server:
        until(lambda: listens(port) or server.popen.poll() is not None, "the service to listen")
        assert server.popen.poll() is None, server.said
        check = [re.sub(r"\b8000\b", str(port), word) for word in command("python")]
        assert subprocess.run([sys.executable, *check[1:]], check=False, timeout=20).returncode == 0
        reply = httpx.post(
            f"http://127.0.0.1:{port}/jobs", json={"prompt": "hi"}, headers={"Idempotency-Key": "1"}, trust_env=False
        )
        assert reply.status_code == 202
        server.terminate()
        assert server.status() == 0, server.said
        assert (
            subprocess.run([sys.executable, *check[1:]], capture_output=True, check=False, timeout=20).returncode == 1
        )


@pytest.fixture(scope="module")
def neighbors() -> dict[str, Any]:
    """compose.yaml as Compose reads it."""
    compose = Path(sys.executable).parent / "docker-compose"
    done = subprocess.run(
        [compose, "--file", REFERENCE / "compose.yaml", "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.replace("$$", "$"))["services"]


@pytest.fixture
def real_redis(neighbors: dict[str, Any], tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """The command of the redis service, run by a real server, with a password in a file; its port and that file."""
    if not shutil.which("redis-server"):
        pytest.skip("apt-get install redis-server")
    secret = tmp_path / "redis_password"
    secret.write_text(f"{PASSWORD}\n")
    port = free_port()
    words = [word.replace("/run/secrets/redis_password", str(secret)) for word in neighbors["redis"]["command"]]
    words[-1] += f" --port {port} --bind 127.0.0.1 --dir {tmp_path}"
    with running(*words, folder=tmp_path) as server:
        until(lambda: listens(port) or server.popen.poll() is not None, "Redis to listen")
        assert server.popen.poll() is None, server.said
        yield port, secret


def test_redis_starts_with_its_password_and_its_health_check_is_true(
    neighbors: dict[str, Any], real_redis: tuple[int, Path]
) -> None:
    port, secret = real_redis
    kind, script = neighbors["redis"]["healthcheck"]["test"]
    assert kind == "CMD-SHELL"
    script = script.replace("redis-cli", f"redis-cli -p {port}")

    def healthy(path: object) -> bool:
        asked = script.replace("/run/secrets/redis_password", str(path))
        return subprocess.run(["/bin/sh", "-c", asked], capture_output=True, check=False, timeout=20).returncode == 0

    assert healthy(secret)
    assert not healthy(os.devnull), "without the password"


def test_a_bare_ping_is_green_though_nobody_may_do_anything(tmp_path: Path) -> None:
    """What the page of the lesson says of redis-cli."""
    if not shutil.which("redis-cli"):
        pytest.skip("apt-get install redis-server")
    with redis(tmp_path) as address:
        port = address.rpartition(":")[2].partition("/")[0]
        bare = subprocess.run(
            ["redis-cli", "-p", port, "ping"], capture_output=True, text=True, check=False, timeout=20
        )
        exact = subprocess.run(["redis-cli", "-e", "-p", port, "ping"], capture_output=True, check=False, timeout=20)
    assert bare.returncode == 0
    assert "NOAUTH" in bare.stdout
    assert exact.returncode == 1


SERVER = """
import pathlib, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (pathlib.Path("heard").touch(), sys.exit(0)))
pathlib.Path("up").touch()
while True:
    time.sleep(0.05)
"""


@pytest.mark.parametrize(
    ("start", "hears"),
    [("python server.py", False), ("true && python server.py", False), ("exec python server.py", True)],
    ids=["alone", "behind-another", "exec"],
)
def test_a_shell_keeps_the_signal_unless_the_server_replaces_it(tmp_path: Path, start: str, hears: bool) -> None:
    """What the page says of a CMD without a list. The shell is Debian's, as in the image."""
    if Path("/bin/sh").resolve().name != "dash":
        pytest.skip("/bin/sh is not Debian's dash: another shell may replace itself")
    (tmp_path / "server.py").write_text(SERVER)
    with running("/bin/sh", "-c", start.replace("python", sys.executable), folder=tmp_path, cwd=tmp_path) as shell:
        until((tmp_path / "up").exists, "the server to start")
        shell.terminate()
        assert shell.status() == (0 if hears else -signal.SIGTERM)
        assert (tmp_path / "heard").exists() is hears
