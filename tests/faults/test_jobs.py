"""Jobs on a Ray of `ray start`: stopped, killed, submitted again; and Ray's metrics."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests

from tests.conftest import Texgen, tree
from tests.faults.cluster_head import Head, started_head
from tests.faults.conftest import BadWorker, in_the_middle, wait_until

pytest.importorskip("aiohttp_cors", reason="jobs need ray[default]")

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("no_orphans")]

SMOKE = Path(__file__).parents[2] / "pipelines" / "cluster" / "smoke.sh"
SMALL = ("--engine", "stub", "--size", "32")


@pytest.fixture
def head(bad_worker: BadWorker, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Head]:
    """A head with two processors, whose engines take the seconds that the test sets."""
    seconds = request.node.get_closest_marker("engine_seconds").args[0]
    slow = bad_worker("slow", seconds=seconds)
    names = ("TEXGEN_WORKER", "BAD_WORKER", "TEXGEN_TEST_RUN")
    (tmp_path / "home").mkdir()
    with started_head(tmp_path / "home", {n: slow[n] for n in names}) as head:
        yield head


class Submitted:
    """A submission of the smoke pipeline, whose output is followed."""

    def __init__(self, head: Head, src: Path, out: Path) -> None:
        self.head, self.out = head, out
        self.process = subprocess.Popen(
            ["bash", SMOKE, *SMALL],
            env={**head.environment, "SRC": str(src), "OUT": str(out)},
            cwd="/",
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def driver(self) -> psutil.Process | None:
        """The process of the build, whose command line is that of the job without its shell."""
        for process in psutil.process_iter(["cmdline", "name"]):
            line = process.info["cmdline"] or []
            if str(self.out) in line and "build" in line and "job" not in line:
                return process
        return None

    def end(self, timeout_s: float = 200) -> tuple[int, str]:
        output, _ = self.process.communicate(timeout=timeout_s)
        return self.process.returncode, output

    def job(self) -> str:
        """The id of the job that is running."""
        jobs = ray("job", "list", head=self.head).split("JobDetails(")
        (running,) = (job for job in jobs if "JobStatus.RUNNING" in job)
        found = re.search(r"submission_id='(\w+)'", running)
        assert found, running
        return found[1]


def ray(*arguments: str, head: Head) -> str:
    command = ["ray", *arguments]
    return subprocess.run(
        command, env=head.environment, capture_output=True, text=True, timeout=60
    ).stdout


@pytest.mark.slow
@pytest.mark.engine_seconds(3.2)
def test_a_job_that_is_stopped_and_then_killed_goes_on_when_it_is_submitted_again(
    head: Head, forty: Path, tmp_path: Path, texgen: Texgen
) -> None:
    plain, out = tmp_path / "plain", tmp_path / "out"
    options = (*SMALL, "--name", "smoke-texture", "--limit", 100, "--samples-per-shard", 10)
    result = texgen("build", "--src", forty, "--out", plain, *options, "--no-ray")
    assert result.returncode == 0, result.stderr

    first = Submitted(head, forty, out)
    wait_until(lambda: in_the_middle(out), first.process)
    job = first.job()
    ray("job", "stop", job, head=head)
    code, output = first.end()
    assert code != 0
    assert "stopped; 2 of 4 shards are kept; the same command resumes the build" in output
    # Plain lines, without terminal control characters.
    logs = ray("job", "logs", job, head=head)
    texgens = [line for line in logs.splitlines() if "textures/s" in line]
    assert texgens, logs
    assert not any(re.search(r"[\x00-\x08\r\x1b]", line) for line in texgens)

    second = Submitted(head, forty, out)
    wait_until(lambda: in_the_middle(out), second.process)
    second.driver().kill()
    assert second.end()[0] != 0
    assert not (out / "index.json").exists()

    third = Submitted(head, forty, out)
    code, output = third.end()
    assert code == 0, output
    assert "40 textures of 40 images in 4 shards, 0 failed" in output
    assert tree(out) == tree(plain)


@pytest.mark.engine_seconds(0.0)
def test_what_a_build_on_a_cluster_makes_is_among_rays_metrics(
    head: Head, forty: Path, tmp_path: Path, texgen: Texgen
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    for path in forty.rglob("*.JPEG"):
        (bad / path.parent.name).mkdir(exist_ok=True)
        os.link(path, bad / path.parent.name / path.name)
    damaged = bad / "ant" / "ant_000.JPEG"
    damaged.unlink()
    damaged.write_bytes(b"no photograph")
    options = (*SMALL, "--samples-per-shard", 10, "--max-failures", 1)
    result = texgen(
        "build", "--src", bad, "--out", tmp_path / "out", *options, "--ray-address", head.address,
        env={**os.environ, **head.environment},
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    wanted = {
        "ray_texgen_textures_made_total": 39.0,
        "ray_texgen_textures_failed_total": 1.0,
        "ray_texgen_shards_made_total": 4.0,
        "ray_texgen_shard_seconds_count": 4.0,
    }
    deadline = time.monotonic() + 20
    while (found := scraped(head.metrics)) != wanted and time.monotonic() < deadline:
        time.sleep(0.2)
    assert found == wanted


def scraped(url: str) -> dict[str, float]:
    """texgen's metrics at Ray's endpoint, without bounds and buckets."""
    text = requests.get(url, timeout=10).text
    found = re.findall(r"^(ray_texgen_\w+(?:_total|_count))\{[^}]*\} (\S+)$", text, re.MULTILINE)
    return {name: float(value) for name, value in found}
