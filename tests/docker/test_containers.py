"""Builds in containers: users without a name, read-only roots, limits, signals, neighbours."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Picture

from tests.conftest import tree
from tests.docker.conftest import OPTIONS, OUT, SHARDS, SOURCE, Start
from tests.docker.engine import Container, Image, docker

pytestmark = pytest.mark.faults

WAYS = [pytest.param("--no-ray", id="processes"), pytest.param(None, id="local-ray")]
NOBODY = "--user 4242:4242"
PATIENCE_S = 120


def line(way: str | None = "--no-ray", source: str = SOURCE) -> list[str]:
    """Command of a build."""
    return ["texgen", "build", "--src", source, "--out", OUT, *OPTIONS, *([way] if way else [])]


def made(data: Path) -> int:
    """Number of finished shards."""
    return len(list(data.glob("out/_build/records/*")))


def wait_for_shards(data: Path, container: Container) -> None:
    """Waits until a build is in its middle."""
    deadline = time.monotonic() + PATIENCE_S
    while not made(data):
        assert time.monotonic() < deadline, container.printed
        time.sleep(0.05)
    assert made(data) < SHARDS


@pytest.mark.parametrize("way", WAYS)
def test_a_user_without_a_name_or_a_home_builds_on_a_read_only_root_without_network(
    way: str | None, image: Image, data: Path, plain: dict[str, bytes]
) -> None:
    options = f"{NOBODY} --read-only --tmpfs /tmp --network none --volume {data}:/data"
    done = image.run(options, *line(way))
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert tree(data / "out") == plain


def test_a_container_without_a_temporary_folder_does_what_needs_none_and_names_it_else(
    image: Image, data: Path, plain: dict[str, bytes]
) -> None:
    options = f"{NOBODY} --read-only --network none --volume {data}:/data --workdir /"
    for words in (line(None), ["texgen", "plan", "--src", SOURCE]):
        done = image.run(options, *words)
        assert done.returncode != 0
        (said,) = [text for text in done.stderr.splitlines() if text.startswith("texgen: ")]
        assert "set TMPDIR" in said
        assert "--tmpfs /tmp" in said
        assert "please report" not in said
    unwritable = image.run(options, "texgen", "build", "--src", SOURCE, "--out", "/out", "--no-ray")
    assert "Read-only file system; mount it writable" in unwritable.stderr
    done = image.run(options, *line())
    assert done.returncode == 0, done.stderr
    assert tree(data / "out") == plain


@pytest.mark.parametrize(
    ("stop", "code"), [("TERM", 143), pytest.param("INT", 130, marks=pytest.mark.slow)]
)
@pytest.mark.parametrize("way", [WAYS[0], pytest.param(None, id="ray", marks=pytest.mark.slow)])
def test_process_1_ends_when_it_is_asked_to_and_another_container_goes_on(
    way: str | None,
    stop: str,
    code: int,
    image: Image,
    data: Path,
    plain: dict[str, bytes],
    start: Start,
) -> None:
    """Without ``--init`` nobody forwards signals; the kernel drops those without a handler."""
    options = f"{NOBODY} --volume {data}:/data"
    build = start(image, options, *line(way))
    wait_for_shards(data, build)
    docker("kill", "--signal", stop, build.name)
    ended, printed = build.end()
    assert ended == code, printed
    assert " kept; the same command resumes the build" in printed
    done = image.run(options, *line(way))
    assert done.returncode == 0, done.stderr
    assert tree(data / "out") == plain


def test_containers_that_share_an_out_know_of_each_other(
    image: Image, data: Path, plain: dict[str, bytes], start: Start
) -> None:
    """Neither container sees the processes of the other, which all have small numbers."""
    options = f"{NOBODY} --volume {data}:/data"
    first = start(image, f"{options} --hostname first", *line())
    wait_for_shards(data, first)
    docker("pause", first.name)
    second = image.run(f"{options} --hostname second", *line())
    assert second.returncode == 2
    assert f"{OUT} is being written by process 1 on first since" in second.stderr
    status = image.run(f"{options} --hostname second", "texgen", "status", OUT)
    assert f"{OUT}: running" in status.stdout
    docker("kill", first.name)
    again = image.run(f"{options} --hostname second", *line())
    assert again.returncode == 0, again.stderr
    assert tree(data / "out") == plain


def test_parts_in_containers_of_one_name_make_one_data_set(
    image: Image, data: Path, plain: dict[str, bytes], start: Start
) -> None:
    """Host and process number are the same in all, as with Kubernetes' host network."""
    options = f"{NOBODY} --hostname same --volume {data}:/data"
    parts = [start(image, options, *line(), "--part", f"{n}/3") for n in (1, 2, 3)]
    for part in parts:
        code, printed = part.end()
        assert code == 0, printed
    assert tree(data / "out") == plain


def test_processors_are_those_of_the_containers_quota(image: Image) -> None:
    ask = "from texgen.core.cpus import available_cpus; print(available_cpus())"
    done = image.run("--cpus 1.5", "python", "-c", ask)
    assert done.stdout.strip() == "1", done.stderr


@pytest.mark.slow
@pytest.mark.parametrize(("way", "memory"), [("--no-ray", "450m"), (None, "1100m")])
def test_an_image_that_needs_more_memory_than_the_container_has_costs_its_own_shard(
    way: str | None, memory: str, image: Image, data: Path, plain: dict[str, bytes]
) -> None:
    huge = data / "images" / "train" / "ant" / "huge.png"
    Picture.fromarray(np.zeros((13000, 13000, 3), np.uint8)).save(huge)
    options = f"{NOBODY} --volume {data}:/data --memory {memory} --memory-swap {memory}"
    done = image.run(options, *line(way))
    assert done.returncode == 1, done.stderr
    assert "1 shard could not be made" in done.stderr
    # Ray kills the process before the kernel does, or after.
    expected = ("signal 9",) if way else ("low on memory", "if memory is used up")
    assert any(text in done.stderr for text in expected), done.stderr
    assert made(data) == SHARDS


@pytest.mark.slow
def test_a_volume_that_is_full_says_so_and_goes_on_once_it_has_room(
    image: Image, data: Path, plain: dict[str, bytes]
) -> None:
    # Otherwise Docker would create it, owned by the superuser.
    (data / "out").mkdir()
    (data / "out").chmod(0o777)
    name = f"texgen-test-{data.parent.name}"
    small = ("--opt=type=tmpfs", "--opt=device=tmpfs", "--opt=o=size=1m,mode=1777")
    docker("volume", "create", *small, name)
    try:
        full = f"{NOBODY} --volume {data}:/data --volume {name}:/data/out"
        done = image.run(full, *line())
        assert done.returncode == 2, done.stderr
        assert "free" in done.stderr
        assert "make room, or choose an OUT on another disk" in done.stderr
    finally:
        docker("volume", "rm", name)
    done = image.run(f"{NOBODY} --volume {data}:/data", *line())
    assert done.returncode == 0, done.stderr
    assert tree(data / "out") == plain
