"""GitHub's workflows and forms, as far as they can be checked without GitHub."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docker.dockerfile import ROOT
from tests.pipelines.test_files import tool

GITHUB = ROOT / ".github"
WORKFLOWS = sorted((GITHUB / "workflows").glob("*.yml"))
PYTHONS = ("3.10", "3.11", "3.12", "3.13")


def _read(path: Path) -> dict[str, Any]:
    # "on" without quotes is true in YAML 1.1.
    found: dict[str, Any] = yaml.safe_load(path.read_text())
    return found


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("github-workflows", "workflows/ci.yml"),
        ("github-workflows", "workflows/release.yml"),
        ("github-workflows", "workflows/site.yml"),
        ("dependabot", "dependabot.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/bug.yml"),
        ("github-issue-forms", "ISSUE_TEMPLATE/feature.yml"),
        ("github-issue-config", "ISSUE_TEMPLATE/config.yml"),
    ],
)
def test_a_file_fits_githubs_schema(schema: str, name: str) -> None:
    command = [tool("check-jsonschema"), "--builtin-schema", f"vendor.{schema}", GITHUB / name]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout


def test_zizmor_finds_nothing_unsafe_in_the_workflows() -> None:
    command = [tool("zizmor"), "--offline", "--no-progress", GITHUB]
    found = subprocess.run(command, capture_output=True, text=True)
    assert found.returncode == 0, found.stdout
    assert "No findings" in found.stdout + found.stderr


def test_ci_runs_on_every_python_that_the_package_allows() -> None:
    jobs = _read(GITHUB / "workflows" / "ci.yml")["jobs"].values()
    entries = [
        one for job in jobs for one in job.get("strategy", {}).get("matrix", {}).get("include", [])
    ]
    assert {one["python"] for one in entries if "python" in one} == set(PYTHONS)
    assert 'requires-python = ">=3.10"' in (ROOT / "pyproject.toml").read_text()


def test_the_scripts_that_workflows_run_exist() -> None:
    jobs = [job for path in WORKFLOWS for job in _read(path)["jobs"].values()]
    lines = [
        line.strip()
        for job in jobs
        for step in job["steps"]
        for line in str(step.get("run", "")).splitlines()
    ]
    scripts = {line.split()[1] for line in lines if line.startswith("bash ")}
    assert {"tests/run.sh", "pipelines/wheels.sh"} <= scripts
    assert all((ROOT / script).is_file() for script in scripts)
