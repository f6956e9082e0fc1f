"""Textures and source maps from ``texgen-parity``, and where they are kept."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pairs import Pair

RUST = Path(__file__).parents[2] / "rust_bridge"


class Texture(NamedTuple):
    """One texture."""

    image: NDArray[np.uint8]
    """(H, W, 3)."""
    sources: NDArray[np.uint16]
    """(H, W, 3): column, row and example that each pixel is from."""


def program() -> Path:
    """Builds ``texgen-parity`` and says where it is."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "texgen-parity"]
    command += ["--message-format", "json"]
    built = checked(
        subprocess.run(command, cwd=RUST, stdout=subprocess.PIPE, text=True, check=False)
    )
    found = [json.loads(line).get("executable") for line in built.stdout.splitlines()]
    return Path(next(path for path in found if path and path.endswith("texgen-parity")))


def checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """What ended well; the command said itself why it did not.

    Raises:
        OSError: If it ended otherwise; hundreds of arguments would be no help in the message.
    """
    if done.returncode:
        raise OSError(f"{Path(done.args[0]).name} ended with {done.returncode}")
    return done


def seed(pair: Pair, number: int) -> int:
    """A seed of its own for each texture.

    Where pairs share a seed they share its chance (above all whose example comes first), and
    the spread over pairs says too little about it.
    """
    text = f"{pair.name} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")


class Shelf:
    """Textures of one engine, or of a variant of it, in a folder."""

    def __init__(self, work: Path, name: str, size: int, options: tuple[str, ...]) -> None:
        """Names a place in the work folder; ``options`` are those of ``texgen-parity``."""
        self.patches = work / "patches"
        self.folder = work / f"{name}-{size}"
        self.options = (*options, "--size", str(size))

    def empty(self) -> None:
        """Forgets what is there, as an engine that changes has to."""
        for path in self.folder.glob("*"):
            path.unlink()

    def fill(self, pairs: list[Pair], textures: int, program: Path) -> None:
        """Makes ``textures`` of each pair, but for those that are there."""
        self.patches.mkdir(parents=True, exist_ok=True)
        for pair in pairs:
            for letter, patch in zip("ab", pair.patches, strict=True):
                (self.patches / f"{pair.name}_{letter}.rgb").write_bytes(patch.tobytes())
        jobs = [f"{pair.name}:{seed(pair, n)}" for pair in pairs for n in range(textures)]
        engine, *options = self.options
        threads = ["--threads", str(len(os.sched_getaffinity(0)))]
        command = [str(program), engine, str(self.patches), str(self.folder)]
        checked(subprocess.run([*command, *options, *threads, *jobs], text=True, check=False))

    def load(self, pair: Pair, number: int) -> Texture:
        """One texture.

        Raises:
            ValueError: If its pixels are not those that its map names.
        """
        path = self.folder / f"{pair.name}_{seed(pair, number)}.map"
        flat = np.fromfile(path, "<u2").reshape(-1, 3)
        side = round(len(flat) ** 0.5)
        sources = flat.reshape(side, side, 3)
        image = np.fromfile(path.with_suffix(".rgb"), np.uint8).reshape(side, side, 3)
        column, row, example = np.moveaxis(sources, -1, 0)
        if not np.array_equal(pair.patches[example, row, column], image):
            raise ValueError(f"{path} does not say where the texture's pixels are from")
        return Texture(image, sources)
