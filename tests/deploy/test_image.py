"""The image, tried as far as it can be without an engine: its folder is made as a builder makes it, and served from."""

import ast
import importlib.metadata
import json
import os
import re
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import httpx2 as httpx
import pytest

from capstone.settings import Settings
from coach.doctor import locked
from tests.conftest import ROOT
from tests.deploy.files import BIN, DOCKERFILES, LOCK, command, context, environment, instructions, last_stage, stage
from tests.lessons.deployment.processes import Process, free_port, listens, running, until

pytestmark = pytest.mark.timeout(120)
SECRET = "Zf3-8kQw_0vRtY6mNb2xLp9sHd4jGc7aEu1iOo5T"
SECRETS = f"CAPSTONE_SECRET={SECRET}\nCAPSTONE_ADMIN_PASSWORD={SECRET[:24]}\n"

# Modules that are never imported when the service runs: mockllm's doors for tests.
NOT_SERVED = {"src/mockllm/fixtures.py", "src/mockllm/router.py"}
# Packages of the group that no file of ours imports, and what does.
IMPORTED_BY_OTHERS = {
    "aiosqlite": "SQLAlchemy, for sqlite+aiosqlite://",
    "kombu": "Celery, for sqs://",
    "limits": "a lesson 06 of yours",
    "python-multipart": "FastAPI, for forms and uploads",
}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def lock() -> dict[str, str]:
    return dict(re.findall(r"^([\w.-]+)==(\S+)", LOCK.read_text(), flags=re.M))


def names(wanted: list[str]) -> set[str]:
    return {normal(re.split(r"[\[>=<~]", one)[0]) for one in wanted}


PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
COURSE, GROUP = names(PROJECT["project"]["dependencies"]), names(PROJECT["dependency-groups"]["service"])


def packages_of(modules: set[str]) -> set[str]:
    """The installed packages that these modules are from; of a module that several share, one that is locked."""
    known = importlib.metadata.packages_distributions()
    have = {normal(name) for name in lock()}
    owners = [[normal(name) for name in known[module]] for module in modules]
    return {next((name for name in names if name in have), names[0]) for names in owners}


def imported() -> set[str]:
    """The modules that the files of the image import, at their top or later, and that are not Python's own."""
    found: set[str] = set()
    for name in context():
        if not name.endswith(".py") or name.startswith("lessons/") or name in NOT_SERVED:
            continue
        for node in ast.walk(ast.parse((ROOT / name).read_text())):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                found.add((node.module or "").split(".")[0])
    return found - set(sys.stdlib_module_names) - {"capstone", "coach", "mockllm"}


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_hadolint_has_nothing_to_say(file: Path) -> None:
    done = subprocess.run([BIN / "hadolint", "--no-color", file], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_base_has_an_exact_version(file: Path) -> None:
    for rest in [rest for word, rest in instructions(file) if word == "FROM"]:
        tag = rest.split()[0].rpartition(":")[2]
        assert re.match(r"\d+\.\d+\.\d+\b", tag), f"{rest}: a tag with all three numbers"
        assert "python:" not in rest or tag.endswith("-slim-trixie"), f"{rest}: Debian's name too"


def test_packages_are_installed_before_any_code_is_copied() -> None:
    kinds = [(word, rest) for word, rest in instructions(ROOT / "Dockerfile") if word in ("COPY", "RUN")]
    install = next(place for place, (word, rest) in enumerate(kinds) if word == "RUN" and " install " in rest)
    assert [rest.split()[0] for word, rest in kinds[:install] if word == "COPY"] == ["requirements-service.lock"]
    assert "--require-hashes" in kinds[install][1]


def test_the_image_runs_as_a_number_and_hears_the_signal() -> None:
    last = dict(last_stage(ROOT / "Dockerfile"))
    assert last["USER"] == "10001:10001"
    assert last["STOPSIGNAL"] == "SIGTERM"
    assert command("CMD")[0] == "uvicorn", "no shell above it"
    assert environment()["PYTHONUNBUFFERED"] == "1"


@pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_nothing_secret_is_in_a_layer(file: Path) -> None:
    assert not [rest for word, rest in instructions(file) if word == "ARG"]
    assert not [name for name in environment(file) if re.search(r"(KEY|TOKEN|PASSWORD|SECRET|URL)$", name)]


def test_the_lock_has_what_is_imported_and_the_group_nothing_else() -> None:
    used = packages_of(imported())
    assert used <= {normal(name) for name in lock()}, "make lock, after naming it in the group `service`"
    assert used & COURSE <= GROUP, "what the course names, the group names too"
    assert used | set(IMPORTED_BY_OTHERS) >= GROUP
    assert set(IMPORTED_BY_OTHERS) <= GROUP - used


def test_the_lock_has_the_versions_that_were_tested_and_hashes() -> None:
    tested = {normal(name): version for name, version in locked(ROOT / "requirements-dev.lock").items()}
    # One that only Pythons before 3.11.3 need.
    assert {name: version for name, version in lock().items() if tested.get(normal(name)) != version} in (
        {},
        {"async-timeout": lock()["async-timeout"]},
    )
    blocks = re.split(r"^(?=[\w.-]+==)", LOCK.read_text(), flags=re.M)[1:]
    assert len(blocks) == len(lock())
    assert all("--hash=sha256:" in block for block in blocks)


def test_no_tool_of_the_course_is_in_the_image() -> None:
    tools = r"jupyter|mkdocs|notebook|ipython|pytest|respx|ruff|pyright|typer|hadolint|docker|kube|moto|valkey|looptime"
    assert [name for name in lock() if re.search(tools, name)] == []


def test_nothing_comes_along_that_was_not_meant_to(tmp_path: Path) -> None:
    for name in (
        *(".env", ".git/config", ".coach/progress.json", "secrets/capstone.env", "data/capstone.db"),
        *("capstone/.env", "capstone/__pycache__/main.pyc", "deploy/make_secrets.py", "tests/test_it.py"),
        *(
            "lessons/07_deployment/secrets/openai_api_key",
            "lessons/07_deployment/.env",
            "lessons/03_async/test_async.py",
        ),
        *("lessons/05_rag/.index/vectors", "lessons/02_models/notes.md", "solutions/07_deployment/Dockerfile"),
        *("src/coach/cli.py", "src/other/x.py", "key.pem", "lessons/key.pem", "solutions/03_async/id_rsa"),
    ):
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    (tmp_path / "lessons/03_async/app.py").touch()
    (tmp_path / "lessons/04_streaming/static").mkdir(parents=True)
    (tmp_path / "lessons/04_streaming/static/reader.js").touch()
    assert context(tmp_path) == ["lessons/03_async/app.py", "lessons/04_streaming/static/reader.js"]


@pytest.fixture(scope="module")
def srv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stage(tmp_path_factory.mktemp("image"))


def settings(srv: Path, folder: Path) -> dict[str, str]:
    """The environment of the image; what it writes to lies in `folder`."""
    moved = {"/data": str(folder / "data"), "/srv/src": str(srv / "src")}
    given = {name: moved.get(value, value) for name, value in environment().items() if name != "PATH"}
    (folder / "data").mkdir(exist_ok=True)
    (folder / "tmp").mkdir(exist_ok=True)
    return {**given, "HOME": str(folder / "tmp"), "TMPDIR": str(folder / "tmp")}


def moved_to(port: int, words: list[str]) -> list[str]:
    return [re.sub(r"\b8000\b", str(port), word) for word in words]


@pytest.fixture
def container(srv: Path, tmp_path: Path) -> Iterator[tuple[Process, int]]:
    """The command of the image, run where its files are."""
    port = free_port()
    (srv / ".env").write_text(SECRETS)
    words = moved_to(port, command("CMD"))
    try:
        with running("python", "-m", *words, folder=tmp_path, cwd=srv, **settings(srv, tmp_path)) as process:
            until(lambda: listens(port) or process.popen.poll() is not None, "the service to listen")
            assert process.popen.poll() is None, process.said
            yield process, port
    finally:
        (srv / ".env").unlink()


def healthy(port: int) -> bool:
    words = moved_to(port, command("HEALTHCHECK"))
    assert words[0] == "python", "curl is not in the image"
    return subprocess.run([sys.executable, *words[1:]], capture_output=True, check=False, timeout=20).returncode == 0


def test_it_serves_with_a_mounted_secret_and_ends_when_told(container: tuple[Process, int], srv: Path) -> None:
    process, port = container
    before = {path.relative_to(srv) for path in srv.rglob("*")}
    assert healthy(port)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=20) as client:
        assert client.get("/health/ready").json()["parts"] == {"database": "ok"}
        assert client.get("/v1/models", headers={"Authorization": "Bearer demo"}).status_code == 401
        form = {"username": "admin", "password": SECRET[:24]}
        token = client.post("/auth/token", data=form).json()["access_token"]
        client.headers["Authorization"] = f"Bearer {token}"
        body = {"model": "mock-small", "messages": [{"role": "user", "content": "hello"}]}
        said = client.post("/v1/chat/completions", json=body)
        assert said.status_code == 200, said.text
        file = ("big.md", b"# Big\n\n" + b"many words " * 200_000)  # over 1 MB: it waits in a file meanwhile
        assert client.post("/rag/documents", files={"file": file}).status_code == 202
        assert client.get("/chat").status_code == client.get("/web/reader.js").status_code == 200
    process.terminate()
    assert process.status() in (0, -signal.SIGTERM), process.said
    assert not healthy(port)
    assert SECRET not in process.said
    assert {path.relative_to(srv) for path in srv.rglob("*")} == before, "it wrote beside its code"


def test_it_refuses_to_start_without_a_secret(srv: Path, tmp_path: Path) -> None:
    words = moved_to(free_port(), command("CMD"))
    with running("python", "-m", *words, folder=tmp_path, cwd=srv, **settings(srv, tmp_path)) as process:
        assert process.status() != 0
        assert "CAPSTONE_SECRET has to be set" in process.said


# What is installed here and not locked for the image does not exist for this interpreter.
WITHOUT = """
import asyncio, json, sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
missing = set(json.loads(sys.argv[1]))
sys.meta_path.insert(0, Missing())
from capstone.main import app
from capstone.parts import deployment
async def main():
    async with app.router.lifespan_context(app):
        await asyncio.sleep(0.5)
asyncio.run(main())
deployment.create_celery("memory://", None, None)
print(json.dumps({name: getattr(module, "__file__", None) or "" for name, module in sys.modules.items()}))
"""


def test_the_service_starts_with_what_the_image_has_and_nothing_else(srv: Path, tmp_path: Path) -> None:
    have = {normal(name) for name in lock()} | {"serve-llms"}  # ours: it is copied
    known = importlib.metadata.packages_distributions()
    missing = [module for module, owners in known.items() if not have & {normal(owner) for owner in owners}]
    assert {"pytest", "rich", "mkdocs"} <= set(missing)
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps(missing)],
        cwd=srv,
        env={"PATH": os.environ["PATH"], "CAPSTONE_SECRET": SECRET, **settings(srv, tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    loaded: dict[str, str] = json.loads(done.stdout.splitlines()[-1])
    ours = [file for file in loaded.values() if file.startswith(str(ROOT)) and "site-packages" not in file]
    assert ours == [], "these are not copied into the image"


def test_the_settings_of_the_image_let_in_nobody_whom_everybody_knows() -> None:
    assert Settings(_env_file=None, host=environment()["CAPSTONE_HOST"]).is_demo is False  # pyright: ignore[reportCallIssue]
