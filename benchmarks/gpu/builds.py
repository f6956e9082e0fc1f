"""Whole builds, with decoding and encoding, on the card and on the processors."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from settings import Settings
from textures import nvidia_cards


def measure(settings: Settings) -> dict[str, Any]:
    """Builds the same data set with both, compares all bytes, and returns the rates."""
    source = many_images(settings)
    cards = max(1, len(nvidia_cards()))
    found: dict[str, Any] = {"images": settings.files, "size": settings.size, "cards": cards}
    for device in ("gpu", "cpu"):
        out = settings.out / device
        shutil.rmtree(out, ignore_errors=True)
        patches = ["--patch-size", settings.patch_size,
                   "--small-patch-size", settings.small_patch_size]  # fmt: skip
        gpus = ["--gpus", cards] if device == "gpu" else []
        line = ["build", "--src", source, "--out", out, "--device", device, *gpus, "--no-ray",
                "--json", "--size", settings.size, *patches]  # fmt: skip
        summary = json.loads(texgen(*line))
        found[device] = {"seconds": summary["seconds"], "failed": summary["failed"]}
    differ = [name for name in files(settings.out / "cpu") if not _same(settings.out, name)]
    if differ:
        raise RuntimeError(f"{len(differ)} files of the data sets differ, such as {differ[0]}")
    return found


def line(found: dict[str, Any]) -> str:
    """The builds in words."""
    rates = {name: found["images"] / found[name]["seconds"] for name in ("gpu", "cpu")}
    return (
        f"{found['images']} images, {found['size']} px, with decoding and PNG: {rates['gpu']:.1f} "
        f"a second on cards ({found['cards']}), {rates['cpu']:.1f} on the processors; the data "
        "sets are equal"
    )


def many_images(settings: Settings) -> Path:
    """Returns a folder with as many images as the builds take, which are links."""
    folder = settings.out / "images" / "train"
    for number, file in enumerate(settings.image_files(settings.files)):
        place = folder / f"class{number % 10}" / f"{number:06d}{file.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(file)
    return settings.out / "images"


def texgen(*words: object, ranks: int = 0) -> str:
    """Runs a command of texgen, by torchrun if there are ranks, and returns its output.

    Raises:
        RuntimeError: With the line that says why, if it fails.
    """
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", str(ranks)] if ranks else []
    line = [sys.executable, *torchrun, "-m", "texgen", *map(str, words)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(reason(done.stderr))
    return done.stdout


def reason(errors: str) -> str:
    """The line of a command's standard error that says why it failed."""
    lines = [line.strip() for line in errors.splitlines() if line.strip(" =-*")]
    own = [line for line in lines if line.startswith("texgen: ")]
    return (own or lines or ["no message"])[-1]


def files(root: Path) -> list[Path]:
    """Files of a data set that depend on its images and options alone."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path for path in found if path.parts[0] != "_build"]


def _same(out: Path, name: Path) -> bool:
    return (out / "gpu" / name).read_bytes() == (out / "cpu" / name).read_bytes()
