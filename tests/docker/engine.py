"""Docker for tests: images that hold texgen, and containers of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.docker.dockerfile import ROOT

_EMPTY = "texgen-test-empty"


@lru_cache(maxsize=1)
def why_not() -> str | None:
    """Reason why there is no Docker engine; None if there is one."""
    if shutil.which("docker") is None:
        return "no docker here"
    asked = subprocess.run(["docker", "info"], capture_output=True, text=True)
    return f"Docker's engine does not answer: {asked.stderr.strip()}" if asked.returncode else None


def docker(*words: object, timeout_s: float = 300) -> str:
    """Runs a command of Docker; returns its output, or raises an error with it."""
    line = ["docker", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=timeout_s)
    assert done.returncode == 0, f"{line}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
    return done.stdout.strip()


def has_image(name: str) -> bool:
    """Whether the engine has an image."""
    return bool(docker("images", "--quiet", name))


@dataclass(frozen=True, slots=True)
class Image:
    """An image with texgen in it.

    Attributes:
        name: Name of the image.
        options: Options of ``docker run`` that it needs.
    """

    name: str
    options: tuple[str, ...] = ()

    def run(self, options: str, *words: object) -> subprocess.CompletedProcess[str]:
        """Runs a command to its end."""
        line = ["docker", "run", "--rm", *self.options, *options.split(), self.name]
        return subprocess.run(
            [*line, *map(str, words)], capture_output=True, text=True, timeout=300
        )


class Container:
    """A running container.

    Args:
        image: Its image.
        options: Options of ``docker run``.
        words: Its command.

    Attributes:
        name: Its name.
    """

    def __init__(self, image: Image, options: str, *words: object) -> None:
        self.name = f"texgen-test-{uuid.uuid4().hex[:12]}"
        line = ("run", "--detach", "--name", self.name, *image.options, *options.split())
        docker(*line, image.name, *words)

    def end(self) -> tuple[int, str]:
        """Waits for its end; returns its exit code and output."""
        code = int(docker("wait", self.name))
        return code, self.printed

    @property
    def printed(self) -> str:
        """Output on both streams so far."""
        line = ["docker", "logs", self.name]
        return subprocess.run(
            line, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        ).stdout

    def run(self, *words: object) -> str:
        """Runs a command in it and returns the output."""
        return docker("exec", self.name, *words)

    def remove(self) -> None:
        """Kills and deletes it."""
        subprocess.run(["docker", "rm", "--force", "--volumes", self.name], capture_output=True)


def machine_image() -> Image:
    """An image without files, in which this machine's programs and texgen are mounted read-only.

    Such a container has its own processes, network, user and limits like any other, and takes no
    time to create: no registry is asked, and nothing is copied.
    """
    if not has_image(_EMPTY):
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            with tarfile.open(file.name, "w") as tar:
                for name, target, mode in _root():
                    member = tarfile.TarInfo(name)
                    member.type = tarfile.SYMTYPE if target else tarfile.DIRTYPE
                    member.linkname, member.mode = target, mode
                    tar.addfile(member)
            docker("import", file.name, _EMPTY)
    mounts = [f"--volume={place}:{place}:ro" for place in _places()]
    path = f"--env=PATH={Path(sys.executable).parent}:/usr/bin:/bin"
    return Image(_EMPTY, (*mounts, path, "--workdir=/"))


def _root() -> Iterator[tuple[str, str, int]]:
    yield "tmp", "", 0o1777
    yield "etc", "", 0o755
    for name in ("bin", "sbin", "lib", "lib64"):
        if Path("/", name).is_symlink():
            yield name, str(Path("/", name).readlink()), 0o777


def _places() -> list[Path]:
    """Folders that this Python runs from, none of which lies in another."""
    folders = [Path("/", name) for name in ("usr", "bin", "sbin", "lib", "lib64")]
    named = {sys.prefix, sys.base_prefix, *sysconfig.get_paths().values(), *sys.path}
    folders += sorted(Path(place) for place in named)
    folders += [ROOT]
    kept: list[Path] = []
    for folder in folders:
        if folder.is_dir() and not folder.is_symlink() and folder.is_absolute():
            kept += [] if any(folder.is_relative_to(one) for one in kept) else [folder]
    return kept
