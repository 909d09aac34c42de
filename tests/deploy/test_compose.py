"""compose.yaml, read by the real Compose, and the secrets that it mounts."""

import re
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from dotenv import dotenv_values
from sqlalchemy.engine import make_url

from capstone.services.broker import check_broker
from capstone.services.pdf import MOST_MEMORY
from capstone.settings import Settings
from capstone.startup import check
from capstone.store.database import Database
from tests.conftest import ROOT
from tests.deploy.files import BIN, command, composed

SECRET_NAME = re.compile(r"(KEY|TOKEN|PASSWORD|SECRET|URL)$")
SERVICES = composed()["services"]
each_service = pytest.mark.parametrize("name", SERVICES)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A checkout that has just been made."""
    (tmp_path / "deploy").mkdir()
    shutil.copy(ROOT / "compose.yaml", tmp_path)
    shutil.copy(ROOT / "deploy/make_secrets.py", tmp_path / "deploy")
    return tmp_path


def make_secrets(project: Path) -> str:
    script = [sys.executable, "-I", "-S", project / "deploy/make_secrets.py"]
    return subprocess.run(script, capture_output=True, text=True, check=True).stdout


def config(project: Path) -> subprocess.CompletedProcess[str]:
    words = [BIN / "docker-compose", "--file", project / "compose.yaml", "config", "--quiet"]
    return subprocess.run(words, capture_output=True, text=True, check=False, env={})


def test_compose_takes_the_file_with_and_without_its_secrets(project: Path) -> None:
    without = config(project)
    make_secrets(project)
    with_them = config(project)
    for done in (without, with_them):
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@each_service
def test_every_service_is_held_within_bounds(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["logging"] == {"driver": "local"}, "json-file grows for ever"
    assert {"mem_limit", "cpus", "pids_limit"} <= set(service)
    assert not set(service) & {"privileged", "network_mode", "pid", "cap_add"}
    assert "user" in service or "capstone" in service["image"], "not root"


@each_service
def test_every_service_is_looked_after(name: str) -> None:
    assert SERVICES[name]["restart"] == ("no" if name == "migrate" else "unless-stopped")
    asked = not SERVICES[name].get("healthcheck", {}).get("disable", False)
    assert asked is (name not in ("migrate", "worker")), "those two open no port"


@each_service
def test_every_image_has_an_exact_version(name: str) -> None:
    assert re.search(r":\d+\.\d+\.\d+(-|$)", SERVICES[name]["image"])


@each_service
def test_secrets_are_files(name: str) -> None:
    environment = SERVICES[name].get("environment", {})
    assert not [name for name in environment if SECRET_NAME.search(name)]
    files = [value for name, value in environment.items() if name.endswith("_FILE")]
    mounted = {secret["target"] for secret in SERVICES[name]["secrets"]}
    assert set(files) <= mounted


def test_only_the_service_has_a_door_and_only_this_machine_finds_it() -> None:
    doors = {name: service["ports"] for name, service in SERVICES.items() if "ports" in service}
    assert set(doors) == {"api"}
    assert [(port["host_ip"], port["target"]) for port in doors["api"]] == [("127.0.0.1", 8000)]
    assert composed()["networks"]["back"]["internal"] is True
    inside = {name for name, service in SERVICES.items() if set(service["networks"]) == {"back"}}
    assert inside == set(SERVICES) - {"api", "worker"}, "who asks no provider"


def test_the_service_and_its_worker_wait_for_whom_they_need() -> None:
    for name in ("api", "worker"):
        waits = {name: neighbor["condition"] for name, neighbor in SERVICES[name]["depends_on"].items()}
        assert waits == {"migrate": "service_completed_successfully", "redis": "service_healthy"}
        assert SERVICES[name]["secrets"] == SERVICES["migrate"]["secrets"], "one file of settings for all"
    assert SERVICES["migrate"]["depends_on"]["postgres"]["condition"] == "service_healthy"
    assert SERVICES["migrate"]["image"] == SERVICES["api"]["image"]


def test_compose_waits_longer_than_the_server_and_the_server_longer_than_the_drain() -> None:
    words = command("CMD")
    patience = int(words[words.index("--timeout-graceful-shutdown") + 1])
    assert Settings.model_fields["drain_deadline_s"].default < patience
    assert Settings.model_fields["drain_notice_s"].default == 0, "nobody stands between who would have to notice"
    assert int(SERVICES["api"]["stop_grace_period"].removesuffix("s")) >= patience + 10


def test_there_is_room_for_a_large_pdf_beside_the_service() -> None:
    assert int(SERVICES["api"]["mem_limit"]) >= MOST_MEMORY + 512 * 1024 * 1024


def test_redis_is_smaller_than_its_container() -> None:
    script = SERVICES["redis"]["command"][-1]
    (allowed_mb,) = re.findall(r"--maxmemory (\d+)mb", script)
    assert int(allowed_mb) * 1024 * 1024 < int(SERVICES["redis"]["mem_limit"])
    assert "--maxmemory-policy noeviction --appendonly yes" in script


def test_secrets_are_made_once_and_for_nobody_else_on_this_machine(project: Path) -> None:
    assert make_secrets(project).count("made") == 3
    folder = project / "secrets"
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    assert set(kept) == {"capstone.env", "postgres_password", "redis_password"}
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    # Other users read them in the containers.
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o644}
    assert make_secrets(project).count("stays as it is") == 3
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == kept
    mounted = {Path(secret["file"]).name for secret in composed()["secrets"].values()}
    assert mounted == set(kept)


async def test_the_service_takes_these_settings_and_finds_its_neighbors(project: Path) -> None:
    make_secrets(project)
    settings = Settings(_env_file=project / "secrets/capstone.env", host="0.0.0.0")  # pyright: ignore[reportCallIssue] # noqa: S104
    check(settings)
    check_broker(settings)
    assert settings.secret and settings.admin_password
    assert settings.database_url and settings.redis_url and settings.broker_url
    database, redis, broker = (
        make_url(url.get_secret_value()) for url in (settings.database_url, settings.redis_url, settings.broker_url)
    )
    wanted = SERVICES["postgres"]["environment"]
    assert (database.username, database.database) == (wanted["POSTGRES_USER"], wanted["POSTGRES_DB"])
    assert {database.host, redis.host} <= set(SERVICES)
    assert (broker.host, broker.password) == (redis.host, redis.password)
    assert broker.database != redis.database, "who empties one of them leaves the other"
    assert database.password == (project / "secrets/postgres_password").read_text()
    assert redis.password == (project / "secrets/redis_password").read_text()
    assert not Database(settings.database_url.get_secret_value()).embedded, "its driver is installed"


def test_no_two_checkouts_have_the_same_secrets(project: Path) -> None:
    make_secrets(project)
    first = dotenv_values(project / "secrets/capstone.env")
    shutil.rmtree(project / "secrets")
    make_secrets(project)
    second = dotenv_values(project / "secrets/capstone.env")
    assert first.keys() == second.keys()
    assert not set(first.values()) & set(second.values())
    assert len(set(first.values())) == len(first)
