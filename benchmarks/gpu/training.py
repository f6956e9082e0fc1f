"""Training steps a second: without NS, with built and with fresh textures, AMP, compile, ranks."""

from __future__ import annotations

import json
import shutil
import statistics
from pathlib import Path
from typing import Any

from builds import many_images, texgen
from settings import Settings

from texgen.core.cpus import available_cpus

AMP, COMPILE = ("--amp",), ("--compile",)


def single(settings: Settings) -> dict[str, Any]:
    """Measures each kind of negatives on one card."""
    _check(settings)
    built = ("--negatives", "texture", "--textures", str(settings.out / "gpu"))
    sides = ("--texture-size", str(settings.size), "--patch-size", str(settings.patch_size))
    fresh = ("--negatives", "texture", "--fresh", *sides)
    none = ("--negatives", "none")
    kinds = {
        "none": none,
        "none, AMP": (*none, *AMP),
        "none, AMP, compile": (*none, *AMP, *COMPILE),
        "built": (*built, *AMP),
        "fresh, processors": (*fresh, *AMP),
        "fresh, card": (*fresh, "--texture-device", "gpu", *AMP),
    }
    return {"runs": {name: _run(settings, name, kind) for name, kind in kinds.items()}}


def ranks(settings: Settings) -> dict[str, Any]:
    """Measures distributed training on all cards; two processes play them on software Vulkan."""
    _check(settings)
    count = 2 if settings.software else _cards()
    name = f"{count} ranks, {'gloo' if settings.software else 'NCCL, AMP'}"
    kind = ["--negatives", "none"]
    if not settings.software:
        # As much for each card as on one; the loaders of all ranks share the processors.
        each = str(max(1, available_cpus() // count - 1))
        kind += [*AMP, "--batch-size", str(256 * count), "--workers", each]
    return {"runs": {name: _run(settings, "ranks", tuple(kind), count)}}


def line(found: dict[str, Any]) -> str:
    """The runs in words."""
    rows = []
    for name, run in found["runs"].items():
        text = run.get("error") or (
            f"{run['steps_per_s']:.2f} steps/s, {run['images_per_s']:.0f} images/s, "
            f"{100 * run['data_share']:.0f} % of the time waiting for data"
        )
        rows.append(f"{name:20} {text}")
    return "\n".join(rows)


def _check(settings: Settings) -> None:
    if not settings.software and not _cards():
        raise RuntimeError("torch finds no CUDA, so no training is measured")


def _cards() -> int:
    import torch  # The other parts go without it.

    return torch.cuda.device_count()


def _run(settings: Settings, name: str, options: tuple[str, ...], ranks: int = 0) -> dict[str, Any]:
    """Trains some steps, and returns the medians of all rows but the first."""
    out = settings.out / "runs" / name.replace(", ", "-").replace(" ", "-")
    shutil.rmtree(out, ignore_errors=True)
    every = max(1, settings.steps // 4)
    words = ["train", "--src", many_images(settings), "--out", out, "--size", settings.size,
             "--max-steps", settings.steps, "--log-every", every, "--quiet", *settings.train,
             *options]  # fmt: skip
    try:
        texgen(*words, ranks=ranks)
    except RuntimeError as error:
        return {"error": str(error)}
    return _medians(out)


def _medians(out: Path) -> dict[str, Any]:
    lines = (out / "metrics.jsonl").read_text().splitlines()
    rows = [json.loads(one) for one in lines][1:]  # The first has the start of the loaders.
    batch = json.loads((out / "config.json").read_text())["batch_size"]
    images = statistics.median(row["images_per_s"] for row in rows)
    return {
        "images_per_s": images,
        "steps_per_s": images / batch,
        "data_share": statistics.median(row["data_share"] for row in rows),
    }
