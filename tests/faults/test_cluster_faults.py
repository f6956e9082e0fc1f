"""Faults of clusters: real Ray nodes that are lost, cut off, slow, full, or added."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Texgen, built, tree
from tests.faults.conftest import BadWorker, Disks
from tests.faults.matrix import AGAIN, MOMENTS, SAME, MemoryDisk
from tests.faults.network import Network, can_unplug
from tests.faults.nodes import Build, Nodes, engines, made
from tests.faults.table import FaultTable
from tests.support.store import Store

pytestmark = [pytest.mark.faults, pytest.mark.slow]

ROUNDS = 5
SHARDS = 20
TEXTURES = 40
AFTER = f"after 1 to {SHARDS - 5} of {SHARDS} shards"
OPTIONS = ("--engine", "stub", "--size", 32, "--samples-per-shard", 2)

Judge = Callable[..., None]


@pytest.fixture(params=range(ROUNDS), ids=lambda number: f"round{number + 1}")
def after(request: pytest.FixtureRequest, many: int) -> int:
    """Number of shards after which the fault of a round strikes, evenly spread over the build."""
    if request.param >= many:
        pytest.skip("fewer moments were asked for")
    return 1 + request.param * (SHARDS - 6) // (ROUNDS - 1)


@pytest.fixture(scope="session")
def plain(forty: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of an undisturbed build of ``forty``."""
    return built(forty, tmp_path_factory.mktemp("plain") / "out", *OPTIONS)


@pytest.fixture(scope="module")
def head() -> Iterator[Nodes]:
    """A cluster that has no nodes yet."""
    started = Nodes()
    yield started
    started.close()


@pytest.fixture
def nodes(head: Nodes) -> Iterator[Nodes]:
    """The cluster; all nodes are removed after the test."""
    yield head
    head.lose(*head.there)


@pytest.fixture
def new_nodes() -> Iterator[Nodes]:
    """A cluster of its own, for a test in which no task may be sent to a node lost before."""
    started = Nodes()
    yield started
    started.close()


@pytest.fixture
def slow(bad_worker: BadWorker) -> Callable[[float], dict[str, str]]:
    """Environment of nodes whose engines take the given seconds for a texture."""

    def environment(seconds: float) -> dict[str, str]:
        return only_ours(bad_worker("slow", seconds=seconds))

    return environment


def only_ours(environment: dict[str, str]) -> dict[str, str]:
    """Variables of an environment that the tests set."""
    return {name: environment[name] for name in ("TEXGEN_WORKER", "BAD_WORKER")}


@pytest.fixture
def same(plain: dict[str, bytes]) -> Callable[[Path, Build], str]:
    """Waits for a build, checks that it equals the undisturbed one, and returns its log."""

    def judge(out: Path, build: Build) -> str:
        code, summary, errors = build.end()
        log = next(out.glob("_build/logs/*")).read_text()
        assert code == 0, errors + log
        assert (summary["textures"], summary["failed"]) == (TEXTURES, 0)
        assert tree(out) == plain
        assert made(out) == SHARDS
        assert not list(out.glob("_build/tmp/*"))
        return log

    return judge


def test_a_node_is_lost(nodes, slow, forty, tmp_path, same, table: FaultTable, after):
    nodes.add(slow(0.2))
    lost, out = nodes.add(slow(0.2)), tmp_path / "out"
    build = Build(forty, out, *OPTIONS, "--ray-address", nodes.address)
    build.until(lambda: made(out) >= after and engines(lost))
    nodes.lose(lost)
    same(out, build)
    table.add("cluster: a node is lost", AFTER, SAME)


def test_all_nodes_are_lost_and_new_ones_come(nodes, slow, forty, tmp_path, same, table, after):
    there = [nodes.add(slow(0.2)) for _ in range(2)]
    out = tmp_path / "out"
    build = Build(forty, out, *OPTIONS, "--ray-address", nodes.address)
    build.until(lambda: made(out) >= after)
    nodes.lose(*there)
    at_loss = made(out)
    for _ in range(2):
        nodes.add(slow(0.2))
    same(out, build)
    assert at_loss < SHARDS
    table.add("cluster: all nodes are lost, new ones come", AFTER, SAME)


def test_the_driver_is_killed_and_comes_again(
    nodes, slow, forty, tmp_path, same, plain, table, after
):
    for _ in range(2):
        nodes.add(slow(0.2))
    out = tmp_path / "out"
    line = (*OPTIONS, "--ray-address", nodes.address)
    build = Build(forty, out, *line)
    build.until(lambda: made(out) >= after)
    build.kill()
    assert not (out / "index.json").exists()
    whole = tree(out)
    assert whole == {path: plain[path] for path in whole}
    # Without a pause, since its tasks may still run.
    same(out, Build(forty, out, *line))
    name = "cluster: the driver is killed, the same line comes at once"
    table.add(name, AFTER, f"signal 9, {AGAIN}")


def test_a_straggler_is_eighty_times_slower(new_nodes, slow, forty, tmp_path, same, table, after):
    nodes = new_nodes
    # Its first shard takes longer than all others together: with 20 times, that was a race. So was
    # which node Ray starts first, and the other one could make everything alone.
    straggler = nodes.add(slow(8.0))
    out = tmp_path / "out"
    build = Build(forty, out, *OPTIONS, "--ray-address", nodes.address)
    build.until(lambda: engines(straggler))
    nodes.add(slow(0.1))
    assert "is late: an idle worker tries it too" in same(out, build)
    table.add("cluster: a node is 80 times slower", "of 2 nodes", SAME)


def test_attempts_at_a_shard_finish_together(
    nodes, bad_worker, forty, tmp_path, same, plain, table, after
):
    (tmp_path / "plain.parquet").write_bytes(plain["manifest/train-00000.parquet"])
    seeds = pq.read_table(tmp_path / "plain.parquet")["seed"].to_pylist()
    meet = tmp_path / "meet"
    meet.mkdir()
    seed = seeds[2 * after + 1]
    environment = only_ours(bad_worker("meet", seed=seed, folder=str(meet)))
    for _ in range(2):
        nodes.add(environment)
    out = tmp_path / "out"
    # The first attempt waits for the second, which begins after all others have ended.
    options = (*OPTIONS, "--sample-timeout", 200)
    log = same(out, Build(forty, out, *options, "--ray-address", nodes.address))
    assert len(list(meet.iterdir())) >= 2
    # Ray may believe that a node of the round before is alive, and lose a first attempt there.
    assert "is late: an idle worker tries it too" in log or ", attempt 1: " in log
    name = "cluster: two attempts at a shard finish together"
    table.add(name, "their engines answer the last texture at once", SAME)


def test_an_image_kills_its_engine_whatever_node_tries_it(
    nodes, bad_worker, forty, tmp_path, texgen: Texgen, table, after
):
    environment = only_ours(bad_worker("exit", one_in=7))
    expected = tmp_path / "plain"
    options = (*OPTIONS, "--max-failures", "100%")
    line = ("build", "--src", forty, "--out", expected, *options, "--no-ray", "--quiet")
    assert texgen(*line, env={**os.environ, **environment}).returncode == 0
    failed = json.loads((expected / "index.json").read_text())["splits"]["train"]["failed"]
    assert 0 < failed < TEXTURES
    for _ in range(2):
        nodes.add(environment)
    out = tmp_path / "out"
    code, summary, errors = Build(forty, out, *options, "--ray-address", nodes.address).end()
    assert (code, summary["failed"]) == (0, failed), errors
    assert tree(out) == tree(expected)
    table.add(
        "cluster: images that kill their engine",
        f"{failed} of {TEXTURES}",
        f"failed rows, {SAME}",
    )


def test_an_image_kills_the_process_that_reads_it(nodes, forty, tmp_path, same, table, after):
    out = tmp_path / "out"
    rule = {
        "role": "ray",
        "label": f"read bee/bee_{after:03d}.JPEG",
        "nth": None,
        "steps": [[["signal", int(signal.SIGKILL)]]],
        "token": str(tmp_path / "token"),
        "times": 5,
    }
    about = {"out": str(out), "src": str(forty), "rules": [rule]}
    path = os.pathsep.join(filter(None, [str(MOMENTS), os.environ.get("PYTHONPATH")]))
    poisoned = {"TEXGEN_MOMENTS": json.dumps(about), "PYTHONPATH": path}
    for _ in range(2):
        nodes.add(poisoned)
    line = (*OPTIONS, "--ray-address", nodes.address)
    code, _, errors = Build(forty, out, *line).end()
    assert code == 1
    assert f"1 shard could not be made, {SHARDS - 1} of {SHARDS} shards are kept" in errors
    assert len(list(tmp_path.glob("token.*"))) == 5
    assert made(out) == SHARDS - 1
    # The cause is fixed, so the sixth attempt reads the image.
    same(out, Build(forty, out, *line))
    name = "cluster: an image kills each process that reads it"
    table.add(name, "5 attempts", f"exit 1, the other shards made, {AGAIN}")


def test_a_node_has_a_full_disk(
    nodes, slow, forty, tmp_path, s3: Store, plain, disks: Disks, table, after
):
    """OUT is a bucket: files are made on a node's own disk and uploaded from there."""
    nodes.add(slow(0.2))
    disk = disks(MemoryDisk, tmp_path, 4096)
    full = nodes.add({**slow(0.2), "TMPDIR": str(disk.place)})
    line = (*OPTIONS, "--ray-address", nodes.address)
    build = Build(forty, f"s3://{s3.bucket}/out", *line)
    build.until(lambda: len(s3.keys("out/_build/records/")) >= after and engines(full))
    subprocess.run(disk.fill()[1:], check=True)
    code, summary, errors = build.end()
    assert code == 0, errors
    (log,) = (s3.get(key).decode() for key in s3.keys("out/_build/logs/"))
    assert log.count("it gets no more shards") == 1
    assert "No space left on device" in log
    assert (summary["textures"], summary["failed"]) == (TEXTURES, 0)
    assert s3.tree("out") == plain
    assert len(s3.keys("out/_build/records/")) == SHARDS
    table.add("cluster: a node's disk is full", AFTER, f"it gets no more shards, {SAME}")


def test_a_node_has_no_engine(nodes, slow, forty, tmp_path, same, table, after):
    nodes.add(slow(0.2))
    nodes.add({"TEXGEN_WORKER": str(tmp_path / "gone")})
    out = tmp_path / "out"
    log = same(out, Build(forty, out, *OPTIONS, "--ray-address", nodes.address))
    assert log.count("it gets no more shards") == 1
    table.add("cluster: a node has no engine", "from its start", f"it gets no more shards, {SAME}")


@pytest.mark.skipif(not can_unplug(), reason="no network namespaces can be made here")
@pytest.mark.parametrize("seconds", [2, 30, None])
def test_a_node_is_cut_off(seconds, slow, forty, tmp_path, same, table, after):
    out = tmp_path / "out"
    with Network(2, slow(0.2)) as network:
        build = Build(forty, out, *OPTIONS, "--ray-address", network.address)
        build.until(lambda: made(out) >= after and network.at_work(1, out))
        network.cut(1, seconds)
        same(out, build)
    moment = f"for {seconds} s" if seconds else "for good"
    table.add("cluster: a node's network is cut", f"{moment}, {AFTER}", SAME)


@pytest.mark.parametrize("kernel", ["scalar", "avx2"])
def test_nodes_have_other_processors(kernel, nodes, forty, tmp_path, texgen: Texgen, table):
    options = ("--engine", "fast", "--size", 64, "--patch-size", 48, "--samples-per-shard", 2)
    line = ("build", "--src", forty, "--out", tmp_path / "plain", *options, "--no-ray", "--quiet")
    assert texgen(*line).returncode == 0
    nodes.add()
    other = nodes.add({"TEXGEN_KERNEL": kernel})
    out = tmp_path / "out"
    build = Build(forty, out, *options, "--ray-address", nodes.address)
    build.until(lambda: engines(other))
    code, _, errors = build.end()
    assert code == 0, errors
    assert tree(out) == tree(tmp_path / "plain")
    table.add("cluster: a node's processor has another kernel", "scalar and avx2, of 2 nodes", SAME)
