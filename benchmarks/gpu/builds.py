"""Whole builds, with decoding and encoding, on the card and on the processors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from machine import nvidia_cards
from processes import texgen
from settings import Settings, patch_sizes

DEVICES = ("gpu", "cpu")


def measure(settings: Settings) -> Iterator[dict[str, Any]]:
    """Builds the same data set with both, compares all bytes, and yields the rates.

    Without a card the processors' rate is there all the same.
    """
    cards = max(1, len(nvidia_cards()))
    found: dict[str, Any] = {"images": settings.files, "size": settings.size, "cards": cards}
    found["left out"] = list(DEVICES)
    yield found
    for device in DEVICES:
        gpus = ("--gpus", str(cards)) if device == "gpu" else ()
        try:
            summary = build(settings, settings.size, settings.out / device, device, *gpus)
            found[device] = {"seconds": summary["seconds"], "failed": summary["failed"]}
        except RuntimeError as error:
            found[device] = {"error": str(error)}
        found["left out"].remove(device)
        yield found
    if not any("error" in found[device] for device in DEVICES):
        different = [name for name in files(settings.out / "cpu") if not _same(settings.out, name)]
        found["differ"] = len(different)
        if different:
            found["error"] = f"{len(different)} files differ, such as {different[0]}"
        yield found


def line(found: dict[str, Any]) -> str:
    """The builds in words."""
    rows = []
    for device, place in (("gpu", f"cards ({found['cards']})"), ("cpu", "the processors")):
        run = found.get(device, {})
        if "seconds" in run:
            rows.append(f"{found['images'] / run['seconds']:.1f} a second on {place}")
        elif run:
            rows.append(f"{place}: {run['error']}")
    if found.get("differ") == 0:
        rows.append("the data sets are equal")
    head = f"{found['images']} images, {found['size']} px, with decoding and PNG: "
    return head + "; ".join(rows)


def build(settings: Settings, size: int, out: Path, device: str, *options: str) -> dict[str, Any]:
    """Builds a data set anew, and returns the command's summary.

    Raises:
        RuntimeError: If it fails.
    """
    shutil.rmtree(out, ignore_errors=True)
    side, small = patch_sizes(size)
    text = texgen("build", "--src", many_images(settings), "--out", out, "--device", device,
                  "--no-ray", "--json", "--size", size, "--patch-size", side,
                  "--small-patch-size", small, *options)  # fmt: skip
    summary: dict[str, Any] = json.loads(text)
    return summary


def data_set(settings: Settings, size: int) -> Path:
    """Returns a data set with textures of that size, which is built if there is none.

    Raises:
        RuntimeError: If it cannot be built.
    """
    named = settings.out / f"built-{size}"
    built = [settings.out / device for device in DEVICES] if size == settings.size else []
    for out in (*built, named):
        if (out / "index.json").is_file():
            return out
    build(settings, size, named, "auto")
    return named


def many_images(settings: Settings) -> Path:
    """Returns a folder with as many images as the builds take, which are links."""
    folder = settings.out / "images" / "train"
    for number, file in enumerate(settings.image_files(settings.files)):
        place = folder / f"class{number % 10}" / f"{number:06d}{file.suffix}"
        place.parent.mkdir(parents=True, exist_ok=True)
        if not place.exists():
            place.symlink_to(file)
    return settings.out / "images"


def files(root: Path) -> list[Path]:
    """Files of a data set that depend on its images and options alone."""
    found = (path.relative_to(root) for path in root.rglob("*") if path.is_file())
    return [path for path in found if path.parts[0] != "_build"]


def _same(out: Path, name: Path) -> bool:
    return (out / "gpu" / name).read_bytes() == (out / "cpu" / name).read_bytes()
