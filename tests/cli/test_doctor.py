"""`texgen doctor` as a user runs it, on this installation and on broken ones."""

from __future__ import annotations

import json
import os
import resource

import pytest

import texgen as package

SECRETS = {
    "AWS_ACCESS_KEY_ID": "AKIASECRETNAME",
    "AWS_SECRET_ACCESS_KEY": "secretkey",
    "AWS_SESSION_TOKEN": "secrettoken",
    "HF_TOKEN": "hf_secretofthehub",
    "HTTPS_PROXY": "http://user:secretword@proxy.example:3128",
    "AWS_ENDPOINT_URL_S3": "https://user:secretword@store.example",
}


@pytest.fixture
def doctor(texgen, monkeypatch):
    """Runs the command with some variables; returns its code and what it prints."""
    # boto3 asks for the role of a cloud machine for seconds.
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")

    def run(*words, environment=None, **options):
        done = texgen("doctor", *words, env={**os.environ, **(environment or {})}, **options)
        assert done.stderr == ""
        return done.returncode, done.stdout

    return run


def test_a_working_installation_is_described_and_has_no_problem(doctor):
    code, printed = doctor("--json")
    found = json.loads(printed)
    assert (code, found["problems"]) == (0, [])
    facts = found["facts"]
    assert facts["texgen"]["version"].startswith(f"{package.__version__} (code ")
    assert "kernel" in facts["engine"]["fast"]
    assert facts["packages"]["numpy"]
    assert facts["torch"]["device"]
    code, printed = doctor()
    assert all(value in printed for value in facts["packages"].values())
    assert printed.endswith("no problem found\n")


def test_secrets_of_the_environment_are_found_and_not_shown(doctor):
    _, printed = doctor(environment=SECRETS)
    assert "secret" not in printed.lower()
    assert "from env" in printed
    assert "token  found" in printed
    assert "http://proxy.example:3128" in printed
    assert "https://store.example" in printed


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"TEXGEN_WORKER": "/nowhere/texgen-worker"}, "/nowhere/texgen-worker"),
        ({"TEXGEN_KERNEL": "abacus"}, "TEXGEN_KERNEL"),
        ({"AWS_PROFILE": "nobody"}, "AWS_PROFILE"),
        ({"AWS_CA_BUNDLE": "/nowhere.pem"}, "/nowhere.pem"),
    ],
)
def test_what_stands_in_the_way_is_a_problem_of_one_line(doctor, environment, words):
    code, printed = doctor("--json", environment=environment)
    problems = json.loads(printed)["problems"]
    assert code == 1
    assert [problem for problem in problems if words in problem], problems
    assert not any("\n" in problem for problem in problems)


def test_a_low_limit_of_open_files_is_a_problem_with_the_command_that_raises_it(doctor):
    def lower() -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    code, printed = doctor(preexec_fn=lower)
    assert code == 1
    assert "only 200 files: raise the limit (`ulimit -n 4096`)" in printed


def test_a_package_that_does_not_import_is_a_problem_and_the_rest_is_shown(doctor, tmp_path):
    (tmp_path / "torch.py").write_text("raise OSError('libcudart.so.12: no such file')")
    code, printed = doctor("--json", environment={"PYTHONPATH": str(tmp_path)})
    found = json.loads(printed)
    assert code == 1
    assert any("libcudart.so.12" in problem for problem in found["problems"])
    assert found["facts"]["S3"]
