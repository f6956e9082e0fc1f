"""Fixtures: images, containers that are deleted afterwards, and reference builds without them."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import command, make_source, tree
from tests.docker.bases import dockerfile_image
from tests.docker.engine import Container, Image, machine_image, why_not

OPTIONS = [
    "--samples-per-shard",
    "2",
    "--textures-per-image",
    "2",
    "--size",
    "128",
    "--workers",
    "2",
]
OPTIONS += ["--quiet"]
SHARDS = 20
SOURCE, OUT = "/data/images", "/data/out"

Start = Callable[..., Container]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = [item for item in items if Path(__file__).parent in item.path.parents]
    if here and (reason := why_not()):
        for item in here:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def built() -> Image:
    """The Dockerfile's image."""
    return dockerfile_image()


@pytest.fixture(
    scope="session",
    params=["this machine's programs", pytest.param("the Dockerfile's", marks=pytest.mark.slow)],
)
def image(request: pytest.FixtureRequest) -> Image:
    """The image in which a test runs texgen."""
    if request.param == "the Dockerfile's":
        found: Image = request.getfixturevalue("built")
        return found
    return machine_image()


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts containers, which end with the test."""
    started: list[Container] = []

    def container(image: Image, options: str, *words: object) -> Container:
        started.append(Container(image, options, *words))
        return started[-1]

    yield container
    for one in started:
        one.remove()


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A world-writable folder with images; containers see it as /data."""
    folder = tmp_path / "data"
    make_source(folder / "images" / "train", {"ant": 10, "bee": 10})
    folder.chmod(0o777)
    return folder


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The data set that a build of those images writes without a container."""
    folder = tmp_path_factory.mktemp("plain")
    source = make_source(folder / "images" / "train", {"ant": 10, "bee": 10}).parent
    line = command("build", "--src", source, "--out", folder / "out", *OPTIONS, "--no-ray")
    subprocess.run(line, check=True, timeout=200)
    return tree(folder / "out")
