"""Publications to a Hub and downloads from it that are killed or stopped at any request."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.conftest import command, tree
from tests.support.hub import OWNER, Hub
from tests.support.hub_api import running_hub
from texgen.core.layout import is_card_file

pytestmark = pytest.mark.faults

URL = "hf://datasets/lab/textures"
MOMENTS = [
    pytest.param(number, marks=[] if number in (3, 8) else [pytest.mark.slow])
    for number in range(10)
]
"""Tenths of the requests of an undisturbed run; the odd ones are in the middle of an answer."""


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


@pytest.fixture
def environment(hub: Hub, tmp_path: Path) -> dict[str, str]:
    hub.repos.clear()
    hub.blobs.clear()
    hub.asked.clear()
    hub.before = hub.halfway = lambda *_: None
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    return {
        **kept,
        "HF_ENDPOINT": hub.url,
        "HF_HOME": str(tmp_path / "hf-home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_TOKEN": OWNER,
    }


def texgen(environment: Mapping[str, str], *line: object) -> None:
    ended = subprocess.run(
        command(*line), env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert ended.returncode == 0, ended.stderr


def struck(
    hub: Hub,
    environment: Mapping[str, str],
    nth: int,
    line: list[object],
    stop: signal.Signals = signal.SIGKILL,
    *,
    halfway: bool = False,
) -> tuple[int, str]:
    """Strikes a command at its nth request, before its work or in the middle of its answer."""
    process = subprocess.Popen(command(*line), env=environment, stderr=subprocess.PIPE, text=True)
    left, late = [nth], []

    def strike(method: str, path: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            process.send_signal(stop)
            try:
                # The answer is held back until the process is gone.
                process.wait(60)
            except subprocess.TimeoutExpired:
                late.append(path)

    if halfway:
        hub.halfway = strike
    else:
        hub.before = strike
    _, said = process.communicate(timeout=120)
    hub.before = hub.halfway = lambda *_: None
    assert not late, "the process waited for an answer"
    return process.returncode, said


def publishing(out: Path) -> list[object]:
    return ["publish", out, URL, "--license", "other", "--quiet", "--workers", "2"]


def published(hub: Hub) -> dict[str, bytes]:
    files = hub.tree("lab/textures")
    return {path: data for path, data in files.items() if not is_card_file(path)}


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_publication_continues_to_the_same_bytes(moment, hub, environment, finished):
    texgen(environment, *publishing(finished))
    requests, whole = len(hub.asked), hub.tree("lab/textures")
    hub.repos.clear()
    hub.blobs.clear()
    nth = 1 + moment * (requests - 1) // 9
    code, _ = struck(hub, environment, nth, publishing(finished), halfway=moment % 2 == 1)
    assert code == -signal.SIGKILL
    if "lab/textures" in hub.repos and "index.json" in hub.tree("lab/textures"):
        # The index comes with the last commit.
        assert published(hub) == tree(finished)
    before = hub.sent.copy()
    texgen(environment, *publishing(finished))
    assert hub.tree("lab/textures") == whole
    assert published(hub) == tree(finished)
    assert sum((hub.sent - before).values()) <= len(hub.blobs)


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_download_continues_to_the_same_bytes(
    moment, hub, environment, finished, tmp_path
):
    texgen(environment, *publishing(finished))
    hub.asked.clear()
    line: list[object] = ["download", URL, "--quiet", "--workers", "2", "--out"]
    texgen(environment, *line, tmp_path / "whole")
    nth = 1 + moment * (len(hub.asked) - 1) // 9
    got = tmp_path / "got"
    code, _ = struck(hub, environment, nth, [*line, got], halfway=moment % 2 == 1)
    assert code == -signal.SIGKILL
    assert not (got / "index.json").exists()
    texgen(environment, *line, got)
    assert tree(got) == tree(tmp_path / "whole") == tree(finished)
    assert not (got / "_build").exists()


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_publication_ends_at_once_with_one_line(stop, hub, environment, finished):
    code, said = struck(hub, environment, 12, publishing(finished), stop)
    assert (code, said) == (128 + stop, "texgen: stopped\n")
    texgen(environment, *publishing(finished))
    assert published(hub) == tree(finished)
