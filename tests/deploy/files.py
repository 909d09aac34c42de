"""The files of a deployment, as the tools of the field read them."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from docker.utils.build import exclude_paths

from tests.conftest import ROOT

BIN = Path(sys.executable).parent
DOCKERFILES = [ROOT / "Dockerfile", ROOT / "deploy/lambda/Dockerfile", ROOT / "deploy/lambda/Dockerfile.stream"]
VARIANTS = ("single", "scaled")
LOCK = ROOT / "requirements-service.lock"


def instructions(file: Path) -> list[tuple[str, str]]:
    """The instructions of a Dockerfile: ("RUN", "python -m ...")."""
    lines = [line for line in file.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [(word, rest.strip()) for word, rest in re.findall(r"^([A-Z]+) (.*)$", joined, flags=re.M)]


def last_stage(file: Path) -> list[tuple[str, str]]:
    """The instructions of what becomes the image."""
    found = instructions(file)
    return found[max(place for place, (word, _) in enumerate(found) if word == "FROM") :]


def command(instruction: str, file: Path = ROOT / "Dockerfile") -> list[str]:
    """The list of CMD or of HEALTHCHECK."""
    rest = next(rest for word, rest in last_stage(file) if word == instruction)
    return json.loads(rest[rest.index("[") :])


def environment(file: Path = ROOT / "Dockerfile") -> dict[str, str]:
    """What ENV sets in the image."""
    given = [word for name, rest in last_stage(file) if name == "ENV" for word in shlex.split(rest)]
    return dict(word.split("=", 1) for word in given)


def context(root: Path = ROOT) -> list[str]:
    """The files that a builder is given: .dockerignore, read as Docker's own client for Python reads it."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    found = exclude_paths(str(root), patterns)
    return sorted(name for name in found if (root / name).is_file() and name not in (".dockerignore", "Dockerfile"))


def stage(folder: Path) -> Path:
    """Make the folder /srv of the image, as COPY and .dockerignore make it."""
    srv = folder / "srv"
    copies = [rest.split() for word, rest in last_stage(ROOT / "Dockerfile") if word == "COPY" and "--from" not in rest]
    for source, target in copies:
        for name in context():
            if name.startswith(source):
                file = srv / target / name.removeprefix(source)
                file.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(ROOT / name, file)
    return srv


@cache
def composed() -> dict[str, Any]:
    """compose.yaml as Compose understands it, with an empty environment."""
    done = subprocess.run(
        [BIN / "docker-compose", "--file", ROOT / "compose.yaml", "config", "--format", "json"],
        capture_output=True,
        text=True,
        check=True,
        env={},
    )
    return json.loads(done.stdout.replace("$$", "$"))


@cache
def kustomized(variant: str) -> list[dict[str, Any]]:
    """What `kubectl apply --kustomize` would send to a cluster."""
    done = subprocess.run(
        [BIN / "kubectl", "kustomize", ROOT / "deploy/k8s" / variant], capture_output=True, text=True, check=True
    )
    return list(yaml.safe_load_all(done.stdout))


def one(variant: str, kind: str, name: str = "capstone") -> dict[str, Any]:
    """The object of a variant that has this kind and name."""
    (found,) = [it for it in kustomized(variant) if it["kind"] == kind and it["metadata"]["name"] == name]
    return found


def pods(variant: str) -> list[dict[str, Any]]:
    """The templates of all pods of a variant."""
    return [it["spec"]["template"] for it in kustomized(variant) if "template" in it.get("spec", {})]


def engine_answers() -> bool:
    """Whether there is a Docker engine, and not only its client."""
    words = ["docker", "info", "--format", "{{.ServerVersion}}"]
    return bool(shutil.which("docker")) and subprocess.run(words, capture_output=True, check=False).returncode == 0
