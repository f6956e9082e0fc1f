"""Training steps a second: without NS, with built and with fresh textures, AMP, compile, ranks."""

from __future__ import annotations

import json
import shutil
import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from builds import data_set, many_images
from processes import texgen
from settings import Settings, patch_sizes

from texgen.core.cpus import available_cpus

AMP, COMPILE = ("--amp",), ("--compile",)
NONE = ("--negatives", "none")

Options = Callable[[], tuple[str, ...]]
"""Makes the options of a run, and what it needs."""


def single(settings: Settings) -> Iterator[dict[str, Any]]:
    """Measures each kind of negatives on one card, the most important runs first."""
    _check(settings)
    kinds: dict[str, tuple[int, Options]] = {}
    for size in settings.training_sizes:
        for name, options in _kinds(settings, size).items():
            kinds[f"{size} px: {name}"] = size, options
    first = settings.training_sizes[0]
    kinds[f"{first} px: none"] = first, lambda: NONE
    kinds[f"{first} px: none, AMP, compile"] = first, lambda: (*NONE, *AMP, *COMPILE)
    runs: dict[str, Any] = {}
    left = list(kinds)
    found = {"runs": runs, "left out": left}
    yield found
    for name, (size, options) in kinds.items():
        runs[name] = _run(settings, name, size, options)
        left.remove(name)
        yield found


def ranks(settings: Settings) -> Iterator[dict[str, Any]]:
    """Measures distributed training on all cards; two processes play them on software Vulkan."""
    _check(settings)
    count = 2 if settings.software else _cards()
    size = settings.training_sizes[0]
    name = f"{size} px: {count} ranks, {'gloo' if settings.software else 'NCCL, AMP'}"
    kind = [*NONE]
    if not settings.software:
        # As much for each card as on one; the loaders of all ranks share the processors.
        each = str(max(1, available_cpus() // count - 1))
        kind += [*AMP, "--batch-size", str(256 * count), "--workers", each]
    yield {"runs": {name: _run(settings, "ranks", size, lambda: tuple(kind), count)}}


def line(found: dict[str, Any]) -> str:
    """The runs in words."""
    rows = []
    for name, run in found["runs"].items():
        text = run.get("error") or (
            f"{run['steps_per_s']:.2f} steps/s, {run['images_per_s']:.1f} images/s, "
            f"{100 * run['data_share']:.0f} % of the time waiting for data"
        )
        rows.append(f"{name:28} {text}")
    return "\n".join(rows)


def _kinds(settings: Settings, size: int) -> dict[str, Options]:
    sides = ("--texture-size", str(size), "--patch-size", str(patch_sizes(size)[0]))
    texture = ("--negatives", "texture", *AMP)
    return {
        "none, AMP": lambda: (*NONE, *AMP),
        "built": lambda: (*texture, "--textures", str(data_set(settings, size))),
        "fresh, card": lambda: (*texture, "--fresh", *sides, "--texture-device", "gpu"),
        "fresh, processors": lambda: (*texture, "--fresh", *sides),
    }


def _check(settings: Settings) -> None:
    if not settings.software and not _cards():
        raise RuntimeError("torch finds no CUDA, so no training is measured")


def _cards() -> int:
    import torch  # The other parts go without it.

    return torch.cuda.device_count()


def _run(
    settings: Settings, name: str, size: int, options: Options, ranks: int = 0
) -> dict[str, Any]:
    """Trains some steps, and returns the medians of all rows but the first."""
    out = settings.out / "runs" / name.replace(": ", "-").replace(", ", "-").replace(" ", "-")
    shutil.rmtree(out, ignore_errors=True)
    every = max(1, settings.steps // 4)
    try:
        texgen("train", "--src", many_images(settings), "--out", out, "--size", size,
               "--max-steps", settings.steps, "--log-every", every, "--quiet", *settings.train,
               *options(), ranks=ranks, seconds=settings.run_s)  # fmt: skip
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
