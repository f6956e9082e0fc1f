"""Builds into a failing store, killed in the middle."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import SMALL, BadWorker, wait_until
from tests.support.proxy import BAD_DAY, Dealt, Proxy
from tests.support.store import KEY, SECRET, TOKEN, Store

pytestmark = pytest.mark.faults


def in_the_middle(s3: Store) -> bool:
    """Whether at least one shard is finished, and another has begun on this machine."""
    begun = list(Path(os.environ["TMPDIR"]).glob("texgen-*/*/*/*.part"))
    return bool(begun and s3.keys("out/_build/records/"))


@pytest.mark.parametrize("goes_on_with", ["--no-ray", "ray"])
def test_a_killed_build_on_a_bad_day_goes_on_to_the_same_bytes(
    s3: Store,
    forty: Path,
    undisturbed: Path,
    bad_worker: BadWorker,
    texgen: Texgen,
    no_orphans: None,
    goes_on_with: str,
):
    out = f"s3://{s3.bucket}/out"
    with Proxy(s3.endpoint, Dealt(seed=7)) as proxy:
        line = ["build", "--src", forty, "--out", out, *SMALL, "--s3-endpoint", proxy.url]
        process = subprocess.Popen(
            command(*line, "--no-ray", "--quiet"),
            env=bad_worker("slow", seconds=0.15),
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            wait_until(lambda: in_the_middle(s3), process)
        finally:
            process.kill()
            process.communicate(timeout=60)
        assert not s3.has("out/index.json")
        # A run that is killed in the middle of a large shard leaves this.
        s3.client.create_multipart_upload(Bucket=s3.bucket, Key="out/train/train-000007.tar")
        ray = () if goes_on_with == "ray" else (goes_on_with,)
        result = texgen(*line, *ray)
        assert result.returncode == 0, result.stderr
        # One in twenty of each, but for the last deal.
        assert min(proxy.met[fault] for fault in BAD_DAY) >= len(proxy.asked) // 20 > 2
    assert s3.tree("out") == tree(undisturbed)
    assert s3.uploads() == []
    nothing_but_a_build_is_there(s3)
    nobody_told_credentials(s3, result.stdout + result.stderr)
    # The lock of the killed run was taken over at once, and released at the end.
    assert json.loads(s3.get("out/_build/lock.json"))["released"]
    assert not [p for p in Path(os.environ["TMPDIR"]).glob("texgen-*/**/*") if p.is_file()]
    status = texgen("status", out, "--json")
    assert json.loads(status.stdout)["state"] == "finished"
    assert texgen("verify", out).returncode == 0


@pytest.mark.parametrize("runs_on", ["--no-ray", "ray"])
def test_images_from_a_store_on_a_bad_day_give_the_same_bytes(
    s3: Store,
    forty: Path,
    undisturbed: Path,
    texgen: Texgen,
    tmp_path: Path,
    no_orphans: None,
    runs_on: str,
):
    for path in forty.rglob("*.JPEG"):
        s3.put_at_once(f"src/train/{path.relative_to(forty)}", path.read_bytes())
    # Tasks get the endpoint from the build only.
    environment = {k: v for k, v in os.environ.items() if k != "AWS_ENDPOINT_URL_S3"}
    with Proxy(s3.endpoint, Dealt(seed=3)) as proxy:
        where = ("--src", f"s3://{s3.bucket}/src/train", "--s3-endpoint", proxy.url)
        ray = () if runs_on == "ray" else (runs_on,)
        given = (*where, "--out", tmp_path / "out", *SMALL, *ray)
        result = texgen("build", *given, env=environment)
        assert result.returncode == 0, result.stderr
        assert min(proxy.met[fault] for fault in BAD_DAY) > 1
        assert {method for method, _ in proxy.asked} == {"GET"}
    assert tree(tmp_path / "out") == tree(undisturbed)


def nothing_but_a_build_is_there(s3: Store) -> None:
    known = ("lock.json", "lock.finish.json", "plan.json", "plan/train.arrow", "probe",
             "status/build.json")  # fmt: skip
    for path in (key.removeprefix("out/_build/") for key in s3.keys("out/_build/")):
        assert path in known or path.startswith(("records/train-", "logs/")), path
    assert len(s3.keys("out/_build/records/")) == 8


def nobody_told_credentials(s3: Store, said: str) -> None:
    texts = [said.encode(), *(s3.get(key) for key in s3.keys(""))]
    secrets = [secret.encode() for secret in (KEY, SECRET, TOKEN)]
    assert not [text for text in texts if any(secret in text for secret in secrets)]


def test_parts_share_a_bucket_and_the_last_one_finishes(s3, forty, undisturbed, texgen):
    out = f"s3://{s3.bucket}/out"
    line = ["build", "--src", forty, "--out", out, *SMALL, "--no-ray", "--quiet"]
    parts = [
        subprocess.Popen(command(*line, "--part", f"{number}/2"), stderr=subprocess.PIPE, text=True)
        for number in (1, 2)
    ]
    for part in parts:
        _, said = part.communicate(timeout=300)
        assert part.returncode == 0, said
    assert s3.tree("out") == tree(undisturbed)


def test_a_bucket_that_fails_for_good_ends_the_build_with_one_line(s3, forty, texgen):
    def choose(method: str, path: str) -> str | None:
        return "denied" if method == "PUT" and path.endswith(".tar") else None

    with Proxy(s3.endpoint, choose) as proxy:
        where = ("--out", f"s3://{s3.bucket}/out", "--s3-endpoint", proxy.url)
        result = texgen("build", "--src", forty, *where, *SMALL, "--no-ray", "--quiet")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "AccessDenied" in result.stderr
    assert " kept; once the cause is fixed, the same command resumes the build" in result.stderr
    log = s3.get(s3.keys("out/_build/logs/")[0]).decode()
    assert "AccessDenied" in log
    assert KEY not in log
