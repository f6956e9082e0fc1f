"""The hooks of pre-commit are valid, and use the tools of the extra dev."""

from __future__ import annotations

import subprocess
import sys

import yaml

from tests.docker.dockerfile import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CONFIG = ROOT / ".pre-commit-config.yaml"


def test_pre_commit_accepts_the_configuration():
    words = [sys.executable, "-m", "pre_commit", "validate-config", str(CONFIG)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_hooks_install_what_the_extra_dev_installs():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    hooks = [hook for repo in yaml.safe_load(CONFIG.read_text())["repos"] for hook in repo["hooks"]]
    installed = [name for hook in hooks for name in hook.get("additional_dependencies", [])]
    assert installed
    assert set(installed) <= set(project["optional-dependencies"]["dev"])


def test_no_hook_needs_the_projects_environment_or_another_repository():
    config = yaml.safe_load(CONFIG.read_text())
    assert [repo["repo"] for repo in config["repos"]] == ["local"]
    assert not any(".venv" in hook["entry"] for repo in config["repos"] for hook in repo["hooks"])
