"""The pipelines' files are valid for their own programs, as far as that can be checked here."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import ray.autoscaler
import yaml

from tests.docker.dockerfile import ROOT, read
from tests.pipelines.stubs import CLUSTER

SHELL = sorted(
    path for path in (ROOT / "pipelines").rglob("*") if path.suffix in {".sh", ".sbatch"}
)


def tool(name: str) -> str:
    """Path of a program of the extra [dev]."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} here")
    return found


@pytest.mark.parametrize("path", SHELL, ids=lambda path: path.name)
def test_a_script_is_good_shell(path: Path) -> None:
    subprocess.run(["bash", "-n", path], check=True)
    command = [tool("shellcheck"), "--external-sources", path]
    found = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert found.returncode == 0, found.stdout


def test_the_dockerfile_is_a_good_one() -> None:
    command = [tool("hadolint"), ROOT / "Dockerfile"]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_the_image_is_pinned_and_is_not_roots() -> None:
    steps = read()
    images = dict(step.value.split("=", 1) for step in steps if step.name == "ARG")
    begun = [step.value.split()[0] for step in steps if step.name == "FROM"]
    assert begun == [f"${{{name}}}" for name in images]
    assert len(images) == 2
    assert all(":" in image and "@sha256:" in image for image in images.values())
    assert [step.value for step in steps if step.name == "USER"] == ["1000:1000"]


def test_all_that_the_image_copies_goes_to_the_builder() -> None:
    kept = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        source
        for step in read()
        if step.name == "COPY" and "--from" not in step.value
        for source in step.value.split()[:-1]
    ]
    assert copied
    assert all(any(fnmatch(source, one) for one in kept) for source in copied)


FIELDS: dict[str, Any] = {
    "entrypoint": str,
    "submissionMode": str,
    "backoffLimit": int,
    "shutdownAfterJobFinishes": bool,
    "ttlSecondsAfterFinished": int,
    "rayClusterSpec": {
        "rayVersion": str,
        "authOptions": {"mode": str},
        "enableInTreeAutoscaling": bool,
        "autoscalerOptions": {"idleTimeoutSeconds": int},
        "headGroupSpec": {"rayStartParams": dict, "template": dict},
        "workerGroupSpecs": [
            {
                "groupName": str,
                "replicas": int,
                "minReplicas": int,
                "maxReplicas": int,
                "rayStartParams": dict,
                "template": dict,
            }
        ],
    },
}
"""Fields of a RayJob's spec that are used here, from the CRD of KubeRay 1.6.2:
ray-operator/config/crd/bases/ray.io_rayjobs.yaml in github.com/ray-project/kuberay.
"""


def misfits(node: object, fields: Any, path: str = "spec") -> list[str]:
    """Yields each place where a manifest has a field or type that the CRD does not."""
    if isinstance(fields, dict) and isinstance(node, dict):
        unknown = [f"{path}.{name}" for name in node.keys() - fields.keys()]
        known = node.keys() & fields.keys()
        return unknown + [
            fault for n in known for fault in misfits(node[n], fields[n], f"{path}.{n}")
        ]
    if isinstance(fields, list) and isinstance(node, list):
        return [fault for one in node for fault in misfits(one, fields[0], f"{path}[]")]
    return [] if isinstance(fields, type) and type(node) is fields else [path]


def rayjob() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((CLUSTER / "rayjob.yaml").read_text())
    return loaded


def pods() -> list[dict[str, Any]]:
    """Pods that KubeRay creates from the manifest, before it adds its own fields."""
    cluster = rayjob()["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    return [{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "pod"}, **group["template"]}
            for group in groups]  # fmt: skip


def test_the_rayjob_has_no_field_that_kuberay_does_not_know() -> None:
    job = rayjob()
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    assert misfits(job["spec"], FIELDS) == []
    # The check must be able to fail.
    wrong = {"entryPoint": "", "backoffLimit": "5"}
    assert misfits(wrong, FIELDS) == ["spec.entryPoint", "spec.backoffLimit"]


def test_the_rayjobs_parameters_for_ray_are_texts_as_kuberay_wants_them() -> None:
    cluster = rayjob()["spec"]["rayClusterSpec"]
    for group in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())


@pytest.mark.skipif(
    importlib.util.find_spec("kubernetes_validate") is None, reason="no kubernetes-validate here"
)
@pytest.mark.parametrize("pod", pods(), ids=("head", "worker"))
def test_the_rayjobs_pods_are_what_kubernetes_takes(pod: dict[str, Any]) -> None:
    import kubernetes_validate

    pod.setdefault("metadata", {"name": "pod"})
    kubernetes_validate.validate(pod, "1.34", strict=True)
    (container,) = pod["spec"]["containers"]
    container["image"] = 1
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(pod, "1.34", strict=True)


def test_the_rayjob_and_the_launcher_have_the_rays_version_of_the_image() -> None:
    pinned = (CLUSTER / "requirements.txt").read_text().splitlines()
    version = rayjob()["spec"]["rayClusterSpec"]["rayVersion"]
    assert f"ray=={version}" in pinned
    assert f"ray[default]=={version}" in (CLUSTER / "aws-spot.yaml").read_text()


def test_the_launchers_file_is_what_ray_takes() -> None:
    schema = json.loads((Path(ray.autoscaler.__file__).parent / "ray-schema.json").read_text())
    launcher = yaml.safe_load((CLUSTER / "aws-spot.yaml").read_text())
    jsonschema.validate(launcher, schema)
    types = launcher["available_node_types"]
    assert "InstanceMarketOptions" not in types[launcher["head_node_type"]]["node_config"]
    commands = [
        line
        for name in ("setup_commands", "head_start_ray_commands", "worker_start_ray_commands")
        for line in launcher[name]
    ]
    for line in commands:
        subprocess.run(["bash", "-n", "-c", line], check=True)
    local = [place for place in launcher["file_mounts"].values() if "~" not in place]
    assert [place for place in local if not (ROOT / place).exists()] in ([], ["dist"])
