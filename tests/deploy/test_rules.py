"""What the files say of each other and of the service: one version, one port, settings and routes that exist."""

import re
from pathlib import Path
from typing import Any

import pytest

from capstone import main
from capstone.parts import deployment
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

PAGE = ROOT / "docs/capstone/deploy.md"
FILES = sorted(
    path
    for path in [ROOT / "compose.yaml", *ROOT.glob("deploy/**/*"), *DOCKERFILES, PAGE]
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


def test_the_numbers_of_the_page_are_lesson_07_s() -> None:
    rows = re.findall(r"^\| (\d+) \| (\d+) \| (\d+) \| (\d+) \|$", PAGE.read_text(), flags=re.M)
    assert len(rows) == 5
    part: Any = deployment
    machine = part.Machine(cores=1, memory_mb=1_024)
    assert f"({machine.event_us:g} µs an event, {machine.stream_kb:g} KB a stream)" in PAGE.read_text()
    for row in rows:
        asked, *said = map(int, row)
        plan = part.plan(part.Load(asked, first_token_s=0.8, tokens=400, tokens_per_s=40), machine)
        assert said == [round(plan.open_streams), plan.peak_streams, plan.containers]
        assert f"{plan.streams_per_worker} streams each" in PAGE.read_text()


def test_the_page_says_when_whom_a_signal_ends() -> None:
    words = command("CMD")
    patience = int(words[words.index("--timeout-graceful-shutdown") + 1])
    deadline = int(Settings.model_fields["drain_deadline_s"].default)
    pod = one("single", "Deployment")["spec"]["template"]["spec"]
    notice = int(pod["containers"][0]["env"][0]["value"])
    killed = int(composed()["services"]["api"]["stop_grace_period"].removesuffix("s"))
    said = re.findall(r"^\| [^\d|]+ \| (\d+) \| (\d+) \|$", PAGE.read_text(), flags=re.M)
    compose = [0, 0, deadline, patience, killed]
    cluster = [0, notice, deadline, notice + patience, pod["terminationGracePeriodSeconds"]]
    assert [(int(one), int(other)) for one, other in said] == list(zip(compose, cluster, strict=True))


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
