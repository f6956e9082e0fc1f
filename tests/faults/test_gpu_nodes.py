"""Builds on a real Ray cluster with GPUs, which Mesa's software one plays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import built, make_source, tree
from tests.faults.nodes import Build, Nodes, made

pytestmark = [pytest.mark.faults, pytest.mark.usefixtures("gpu", "no_orphans")]

OPTIONS = ("--size", 32, "--patch-size", 24, "--small-patch-size", 16, "--samples-per-shard", 4)
ALLOWED = {"TEXGEN_SOFTWARE_GPU": "1"}
WITHOUT = "no GPU, only llvmpipe"


@pytest.fixture(autouse=True)
def no_software_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only nodes of which a test says so have a GPU that can be used."""
    monkeypatch.delenv("TEXGEN_SOFTWARE_GPU", raising=False)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 images, which give ten shards."""
    return make_source(tmp_path_factory.mktemp("images") / "train", {"ant": 20, "bee": 20})


@pytest.fixture(scope="module")
def expected(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a build on processors of this machine."""
    return built(images, tmp_path_factory.mktemp("plain") / "out", *OPTIONS)


@pytest.fixture
def nodes() -> Iterator[Nodes]:
    cluster = Nodes()
    yield cluster
    cluster.close()


def start(nodes: Nodes, images: Path, out: Path, device: str) -> Build:
    return Build(images, out, *OPTIONS, "--ray-address", nodes.address, "--device", device)


def log(out: Path) -> str:
    return (out / "_build" / "logs" / "build.log").read_text()


@pytest.mark.parametrize("lost", [False, True], ids=["whole", "lost"])
def test_a_cluster_of_which_one_node_has_a_gpu_gives_the_same_bytes(
    nodes: Nodes, images: Path, expected: dict[str, bytes], gpu: str, tmp_path: Path, lost: bool
) -> None:
    nodes.add({**ALLOWED, **({"TEXGEN_LOSE_GPU_AFTER": "2"} if lost else {})}, gpus=1)
    nodes.add()
    build = start(nodes, images, tmp_path / "out", "auto")
    code, summary, errors = build.end()
    assert (code, summary.get("textures")) == (0, 40), errors
    assert tree(tmp_path / "out") == expected
    assert "1 GPU on 1 node of the cluster and the processors of 1 other node" in log(
        tmp_path / "out"
    )
    assert f"makes textures on {gpu}" in log(tmp_path / "out")
    assert ("the GPU was lost" in log(tmp_path / "out")) == lost


def test_shards_wait_for_a_node_with_a_gpu_if_nothing_else_is_allowed(
    nodes: Nodes, images: Path, expected: dict[str, bytes], gpu: str, tmp_path: Path
) -> None:
    nodes.add()
    build = start(nodes, images, tmp_path / "out", "gpu")
    build.until(
        lambda: (tmp_path / "out" / "_build").exists() and "shards wait" in log(tmp_path / "out")
    )
    assert made(tmp_path / "out") == 0
    nodes.add(ALLOWED, gpus=1)
    code, _, errors = build.end()
    assert code == 0, errors
    assert tree(tmp_path / "out") == expected
    assert f"makes textures on {gpu}" in log(tmp_path / "out")


def test_a_node_whose_gpu_cannot_be_used_works_with_its_processors(
    nodes: Nodes, images: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    nodes.add(gpus=1)
    code, _, errors = start(nodes, images, tmp_path / "out", "auto").end()
    assert code == 0, errors
    assert tree(tmp_path / "out") == expected
    assert log(tmp_path / "out").count("its processors make textures instead") == 1
    assert WITHOUT in log(tmp_path / "out")


def test_no_usable_gpu_on_any_node_is_an_error_that_names_the_option(
    nodes: Nodes, images: Path, tmp_path: Path
) -> None:
    nodes.add(gpus=1)
    code, _, errors = start(nodes, images, tmp_path / "out", "gpu").end()
    assert code != 0
    last = errors.splitlines()[-1]
    assert last.startswith("texgen: --device gpu: ")
    assert WITHOUT in last
    assert last.endswith("; use --device auto or cpu")


def test_a_cluster_without_gpus_says_so_and_uses_its_processors(
    nodes: Nodes, images: Path, expected: dict[str, bytes], tmp_path: Path
) -> None:
    nodes.add()
    code, _, errors = start(nodes, images, tmp_path / "out", "auto").end()
    assert code == 0, errors
    assert tree(tmp_path / "out") == expected
    assert "no node of the cluster has a GPU: processors make the textures" in log(tmp_path / "out")
