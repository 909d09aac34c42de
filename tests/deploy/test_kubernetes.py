"""The manifests, put together by the real kubectl and held against the schemas and against what the service does."""

import inspect
import subprocess
from typing import Any

import pytest

from capstone.parts import deployment
from capstone.services.pdf import MOST_MEMORY
from capstone.settings import Settings
from tests.conftest import ROOT
from tests.deploy.files import BIN, VARIANTS, command, composed, kustomized, one, pods

SETTINGS = Settings.model_fields
each_variant = pytest.mark.parametrize("variant", VARIANTS)


def containers(variant: str) -> list[dict[str, Any]]:
    return [container for pod in pods(variant) for container in pod["spec"]["containers"]]


def api(variant: str) -> dict[str, Any]:
    return one(variant, "Deployment")["spec"]["template"]["spec"]


def fits(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@each_variant
def test_the_schemas_of_kubernetes_know_every_field(variant: str, tmp_path: Any) -> None:
    rendered = tmp_path / f"{variant}.yaml"
    done = subprocess.run(
        [BIN / "kubectl", "kustomize", ROOT / "deploy/k8s" / variant], capture_output=True, text=True, check=True
    )
    assert done.stderr == "", "kustomize warns"
    rendered.write_text(done.stdout)
    done = subprocess.run(
        [BIN / "kubernetes-validate", "--strict", rendered], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(kustomized(variant))


@each_variant
def test_everything_is_in_the_namespace_that_refuses_what_is_not_restricted(variant: str) -> None:
    namespace = one(variant, "Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    others = [it["metadata"].get("namespace") for it in kustomized(variant) if it["kind"] != "Namespace"]
    assert set(others) == {"capstone"}


@each_variant
def test_every_pod_is_what_the_restricted_profile_wants(variant: str) -> None:
    """And reads its root file system only. Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/."""
    for pod in pods(variant):
        context = pod["spec"]["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] == context["fsGroup"] == 10001
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["spec"]["automountServiceAccountToken"] is False
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])
        assert all(set(volume) & {"secret", "emptyDir", "persistentVolumeClaim"} for volume in pod["spec"]["volumes"])
    for container in containers(variant):
        context = container["securityContext"]
        assert context["allowPrivilegeEscalation"] is False
        assert context["readOnlyRootFilesystem"] is True
        assert context["capabilities"] == {"drop": ["ALL"]}


@each_variant
def test_every_container_says_what_it_needs_and_what_it_may_use(variant: str) -> None:
    for container in containers(variant):
        resources = container["resources"]
        assert set(resources["requests"]) == {"cpu", "memory"}
        assert "memory" in resources["limits"]


@each_variant
def test_there_is_room_for_a_large_pdf_beside_the_service(variant: str) -> None:
    (container,) = api(variant)["containers"]
    limit = int(container["resources"]["limits"]["memory"].removesuffix("Gi")) * 1024**3
    assert limit >= MOST_MEMORY + 512 * 1024**2


@each_variant
def test_secrets_are_referred_to_and_never_written_down(variant: str) -> None:
    assert not [it for it in kustomized(variant) if it["kind"] == "Secret"]
    for pod in pods(variant):
        (settings,) = [volume for volume in pod["spec"]["volumes"] if "secret" in volume]
        assert settings["secret"]["secretName"] == "capstone"
        assert settings["secret"]["defaultMode"] & 0o007 == 0
        for container in pod["spec"]["containers"]:
            (mounted,) = [one for one in container["volumeMounts"] if one["name"] == settings["name"]]
            assert (mounted["mountPath"], mounted["subPath"]) == ("/srv/.env", ".env")


@each_variant
def test_what_is_written_to_is_mounted(variant: str) -> None:
    spec = api(variant)
    (container,) = spec["containers"]
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert "emptyDir" in mounts["/tmp"]  # noqa: S108 - of the container
    assert set(mounts["/data"]) & {"emptyDir", "persistentVolumeClaim"}


@each_variant
def test_a_probe_is_more_patient_than_what_it_asks(variant: str) -> None:
    (container,) = api(variant)["containers"]
    asked_for_s = inspect.signature(deployment.Readiness).parameters["timeout_s"].default
    assert container["readinessProbe"]["timeoutSeconds"] > asked_for_s
    assert container["readinessProbe"]["httpGet"]["path"] == "/health/ready"
    assert container["livenessProbe"]["httpGet"]["path"] == "/health/live", "what restarts a pod asks nobody else"
    assert container["startupProbe"]["httpGet"]["path"] == "/health/live"
    assert container["startupProbe"]["failureThreshold"] * container["startupProbe"]["periodSeconds"] >= 30


@each_variant
def test_kubernetes_waits_longer_than_the_server_and_the_server_longer_than_the_drain(variant: str) -> None:
    (container,) = api(variant)["containers"]
    given = {entry["name"]: float(entry["value"]) for entry in container["env"]}
    notice = given["CAPSTONE_DRAIN_NOTICE_S"]
    by_default: float = SETTINGS["drain_deadline_s"].default
    deadline = given.get("CAPSTONE_DRAIN_DEADLINE_S", by_default)
    words = command("CMD")
    patience = float(words[words.index("--timeout-graceful-shutdown") + 1])
    assert notice < deadline < notice + patience, "uvicorn counts from the notice on, the drain from the signal on"
    before = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    assert before + notice + patience + 10 <= api(variant)["terminationGracePeriodSeconds"]
    probe = container["readinessProbe"]
    assert notice >= probe["periodSeconds"], "who asks for readiness has to have asked once"


@each_variant
def test_requests_reach_the_service_and_nothing_else(variant: str) -> None:
    selector = one(variant, "Service")["spec"]["selector"]
    (port,) = one(variant, "Service")["spec"]["ports"]
    (container,) = api(variant)["containers"]
    assert port["targetPort"] in [one["name"] for one in container["ports"]]
    chosen = [pod for pod in pods(variant) if fits(selector, pod["metadata"]["labels"])]
    assert chosen == [one(variant, "Deployment")["spec"]["template"]]
    assert one(variant, "Deployment")["spec"]["selector"]["matchLabels"] == selector


@each_variant
def test_the_cloud_s_metadata_is_out_of_reach(variant: str) -> None:
    policies = [it["spec"] for it in kustomized(variant) if it["kind"] == "NetworkPolicy"]
    assert all(policy["podSelector"] == {} for policy in policies), "one for every pod of the namespace"
    assert {"Ingress", "Egress"} <= set(policies[0]["policyTypes"])
    blocks = [to["ipBlock"] for policy in policies for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    (world,) = [block for block in blocks if block["cidr"] == "0.0.0.0/0"]
    assert "169.254.0.0/16" in world["except"]


def test_files_of_one_replica_are_never_shared() -> None:
    spec = one("single", "Deployment")["spec"]
    assert spec["replicas"] == 1
    assert spec["strategy"] == {"type": "Recreate"}
    assert one("single", "PersistentVolumeClaim")["spec"]["accessModes"] == ["ReadWriteOncePod"]
    kinds = {it["kind"] for it in kustomized("single")}
    assert not kinds & {"HorizontalPodAutoscaler", "PodDisruptionBudget"}


def test_replicas_come_and_go_one_by_one() -> None:
    deployed = one("scaled", "Deployment")
    assert "replicas" not in deployed["spec"], "the autoscaler's number"
    assert deployed["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    labels = deployed["spec"]["template"]["metadata"]["labels"]
    scaler, budget = one("scaled", "HorizontalPodAutoscaler")["spec"], one("scaled", "PodDisruptionBudget")["spec"]
    assert (scaler["scaleTargetRef"]["kind"], scaler["scaleTargetRef"]["name"]) == ("Deployment", "capstone")
    assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
    assert budget["maxUnavailable"] < scaler["minReplicas"]
    assert fits(budget["selector"]["matchLabels"], labels)
    (spread,) = deployed["spec"]["template"]["spec"]["topologySpreadConstraints"]
    assert fits(spread["labelSelector"]["matchLabels"], labels)


def test_all_replicas_together_fit_into_postgresql() -> None:
    """It takes 100 connections, of which it keeps three for its owner, unless somebody has set it up otherwise."""
    most = one("scaled", "HorizontalPodAutoscaler")["spec"]["maxReplicas"] + 1  # one more during an update
    workers = one("scaled", "Deployment", "capstone-worker")["spec"]["replicas"] + 1
    assert (most + workers) * SETTINGS["database_pool"].default <= 97


def test_the_worker_is_the_one_of_compose_and_keeps_nothing() -> None:
    deployed = one("scaled", "Deployment", "capstone-worker")["spec"]
    (container,) = deployed["template"]["spec"]["containers"]
    worker = composed()["services"]["worker"]
    assert (container["command"], container["image"]) == (worker["command"], worker["image"])
    assert "ports" not in container
    volumes = {volume["name"]: volume for volume in deployed["template"]["spec"]["volumes"]}
    for mount in container["volumeMounts"]:
        assert set(volumes[mount["name"]]) & {"emptyDir", "secret"}
    assert {mount["mountPath"] for mount in container["volumeMounts"]} == {"/data", "/tmp", "/srv/.env"}  # noqa: S108
    assert deployed["replicas"] > 1
    assert not fits(one("scaled", "Service")["spec"]["selector"], deployed["template"]["metadata"]["labels"])


def test_the_migration_is_the_one_of_this_version_and_can_be_followed_by_another() -> None:
    image = api("scaled")["containers"][0]["image"]
    version = image.rpartition(":")[2]
    job = one("scaled", "Job", f"capstone-migration-{version.replace('.', '-')}")["spec"]
    (container,) = job["template"]["spec"]["containers"]
    assert container["image"] == image
    assert container["command"] == ["alembic", "--config", "capstone/store/alembic.ini", "upgrade", "head"]
    assert job["template"]["spec"]["restartPolicy"] == "Never"
    assert job["activeDeadlineSeconds"] and job["ttlSecondsAfterFinished"]
