"""A data set from its images to a download, with kills and failing storage on the way."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Texgen, command, tree
from tests.faults.conftest import wait_until
from tests.support.proxy import Dealt, Proxy
from tests.support.store import KEY, SECRET, TOKEN, Store

pytestmark = pytest.mark.faults


def test_what_was_built_is_published_and_downloaded_byte_for_byte(
    s3: Store, undisturbed: Path, tmp_path: Path, texgen: Texgen
):
    url, got = f"s3://{s3.bucket}/set", tmp_path / "got"
    said = ""
    with Proxy(s3.endpoint, Dealt(seed=5)) as proxy:
        there = ("--s3-endpoint", proxy.url)
        for line in (["publish", undisturbed, url], ["download", url, "--out", got]):
            result = texgen(*line, *there)
            assert result.returncode == 0, result.stderr
            said += result.stdout + result.stderr
    assert tree(got) == tree(undisturbed)
    assert texgen("verify", got).returncode == 0
    assert not [secret for secret in (KEY, SECRET, TOKEN) if secret in said]


def test_a_publication_and_a_download_that_are_killed_go_on(
    s3: Store, undisturbed: Path, tmp_path: Path, texgen: Texgen
):
    url, got = f"s3://{s3.bucket}/set", tmp_path / "got"

    def choose(method: str, path: str) -> str | None:
        return "slow" if path.endswith(".tar") else None

    publish = ["publish", undisturbed, url, "--workers", "1"]
    download = ["download", url, "--out", got, "--workers", "1"]
    with Proxy(s3.endpoint, choose) as proxy:
        there = ("--s3-endpoint", proxy.url)
        killed_when(lambda: len(s3.keys("set/train/")) > 1, *publish, *there)
        assert not s3.has("set/index.json")
        sent = [path for method, path in proxy.asked if method == "PUT"]
        # Without a pause, since the lease of a process killed on this machine is free at once.
        result = texgen(*publish, *there)
        assert result.returncode == 0, result.stderr
        again = [path for method, path in proxy.asked if method == "PUT"][len(sent) :]
        assert len([path for path in sent if path in again and path.endswith(".tar")]) <= 1
        assert not s3.keys("set/_build/")
        killed_when(lambda: len(list(got.glob("train/*.tar"))) > 1, *download, *there)
        assert not (got / "index.json").exists()
        assert texgen(*download, *there).returncode == 0
    assert s3.tree("set") == tree(got) == tree(undisturbed)


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_publication_that_is_stopped_ends_at_once_and_gives_its_lock_up(
    s3: Store, undisturbed: Path, stop: signal.Signals
):
    with Proxy(s3.endpoint, lambda _, path: "slow" if path.endswith(".tar") else None) as proxy:
        line = ["publish", undisturbed, f"s3://{s3.bucket}/set", "--s3-endpoint", proxy.url]
        line += ["--workers", "1"]
        code, said = killed_when(lambda: len(s3.keys("set/train/")) > 1, *line, stop=stop)
    assert (code, said) == (128 + stop, "texgen: stopped\n")
    assert json.loads(s3.get("set/_build/lock.json"))["released"]
    assert not s3.has("set/index.json")


def killed_when(
    condition: Callable[[], bool], *line: object, stop: signal.Signals = signal.SIGKILL
) -> tuple[int, str]:
    process = subprocess.Popen(command(*line), stderr=subprocess.PIPE, text=True)
    try:
        wait_until(condition, process)
        process.send_signal(stop)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    return process.returncode, said
