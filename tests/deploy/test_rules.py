"""What the files say of each other and of the service: one version, one port, settings and routes that exist."""

import re
from pathlib import Path

import pytest

from capstone import main
from capstone.settings import Settings
from tests.conftest import ROOT
from tests.deploy.files import (
    DOCKERFILES,
    VARIANTS,
    command,
    composed,
    environment,
    instructions,
    kustomized,
    one,
    pods,
)

FILES = sorted(
    path
    for path in [ROOT / "compose.yaml", *ROOT.glob("deploy/**/*"), *DOCKERFILES, ROOT / "docs/capstone/deploy.md"]
    if path.is_file() and "__pycache__" not in path.parts
)
each_file = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))


def test_there_is_one_version_and_it_is_the_service_s() -> None:
    said = {service["image"] for service in composed()["services"].values() if "capstone" in service["image"]}
    said |= {container["image"] for it in VARIANTS for pod in pods(it) for container in pod["spec"]["containers"]}
    for file in DOCKERFILES:
        said |= {rest for word, rest in instructions(file) if word == "FROM" and rest.startswith("capstone")}
    assert said == {f"capstone:{main.app.version}"}


@each_file
def test_versions_in_prose_and_commands_are_that_one_too(file: Path) -> None:
    assert set(re.findall(r"\bcapstone(?:-\w+)?:(\d[\w.]*)", file.read_text())) <= {main.app.version}


def test_there_is_one_port() -> None:
    served = command("CMD")
    port = served[served.index("--port") + 1]
    assert f"127.0.0.1:{port}/health/live" in command("HEALTHCHECK")[-1]
    assert [rest for word, rest in instructions(ROOT / "Dockerfile") if word == "EXPOSE"] == [port]
    assert [str(it["target"]) for it in composed()["services"]["api"]["ports"]] == [port]
    for variant in VARIANTS:
        (container,) = one(variant, "Deployment")["spec"]["template"]["spec"]["containers"]
        assert container["ports"] == [{"name": "http", "containerPort": int(port)}]
        probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
        assert {probe["port"] for probe in probes} == {"http"}


def test_every_path_that_is_asked_is_a_route() -> None:
    routes = set(main.app.openapi()["paths"])
    asked = set(re.findall(r"127\.0\.0\.1:\d+(/[\w/]+)", command("HEALTHCHECK")[-1]))
    asked |= {environment(DOCKERFILES[2])["AWS_LWA_READINESS_CHECK_PATH"]}
    for variant in VARIANTS:
        for pod in pods(variant):
            asked |= set(re.findall(r"'path': '([^']+)'", str(pod)))
    assert {"/health/live", "/health/ready"} == asked
    assert asked <= routes


@each_file
def test_every_setting_that_is_named_exists(file: Path) -> None:
    fields = Settings.model_fields.items()
    known = {str(field.validation_alias or f"CAPSTONE_{name.upper()}") for name, field in fields}
    named = set(re.findall(r"\b(?:CAPSTONE|OPENAI|ANTHROPIC)_[A-Z_]+\b", file.read_text()))
    assert named <= known


@each_file
def test_nothing_is_the_latest(file: Path) -> None:
    assert not re.search(r":latest\b", file.read_text())


@each_file
def test_no_secret_is_written_down(file: Path) -> None:
    text = file.read_text()
    assert not re.search(r"sk-[\w-]{8,}|AKIA[0-9A-Z]{16}|-----BEGIN", text)
    given = re.findall(r"(?:KEY|TOKEN|PASSWORD|SECRET)\w*\s*[=:]\s*[\"']?([\w+-][\w+/-]{11,})", text)
    assert given == []


def test_manifests_are_all_applied() -> None:
    """A file that no kustomization names is a file that nobody applies."""
    for folder in (ROOT / "deploy/k8s").iterdir():
        named = (folder / "kustomization.yaml").read_text()
        for file in folder.glob("*.yaml"):
            assert file.name == "kustomization.yaml" or file.name in named
    assert {it["kind"] for variant in VARIANTS for it in kustomized(variant)} == {
        *("Namespace", "Deployment", "Service", "NetworkPolicy", "PersistentVolumeClaim"),
        *("HorizontalPodAutoscaler", "PodDisruptionBudget", "Job"),
    }
