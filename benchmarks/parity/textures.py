"""Synthesises textures and source maps with ``texgen-parity`` and keeps them in a folder."""

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
    """Pixels, (H, W, 3) uint8."""
    sources: NDArray[np.uint16]
    """Column, row and example from which each pixel comes, (H, W, 3)."""


def program() -> Path:
    """Builds ``texgen-parity`` and returns its path."""
    command = ["cargo", "build", "--release", "--locked", "--quiet", "--package", "texgen-parity"]
    command += ["--message-format", "json"]
    built = checked(
        subprocess.run(command, cwd=RUST, stdout=subprocess.PIPE, text=True, check=False)
    )
    found = [json.loads(line).get("executable") for line in built.stdout.splitlines()]
    return Path(next(path for path in found if path and path.endswith("texgen-parity")))


def checked(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    """Returns the result of a successful command; a failed command has printed the reason itself.

    Raises:
        OSError: If the command failed; its hundreds of arguments would not help in the message.
    """
    if done.returncode:
        raise OSError(f"{Path(done.args[0]).name} ended with {done.returncode}")
    return done


def seed(pair: Pair, number: int) -> int:
    """Returns a different seed for each texture.

    Pairs that share a seed share its chance (above all, whose example comes first), so that the
    spread over pairs would be too small.
    """
    text = f"{pair.name} {number}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=6).digest(), "big")


class Shelf:
    """Textures of one engine, or of a variant of it, in a folder."""

    def __init__(self, work: Path, name: str, size: int, options: tuple[str, ...]) -> None:
        """Names a folder in the work folder; ``options`` are those of ``texgen-parity``."""
        self.patches = work / "patches"
        self.folder = work / f"{name}-{size}"
        self.options = (*options, "--size", str(size))

    def empty(self) -> None:
        """Deletes earlier textures, as an engine that changes requires."""
        for path in self.folder.glob("*"):
            path.unlink()

    def fill(self, pairs: list[Pair], textures: int, program: Path) -> None:
        """Synthesises ``textures`` of each pair, except those that exist."""
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
        """Reads one texture.

        Raises:
            ValueError: If its pixels are not those that its source map names.
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
