"""Measures all that a graphics card changes; see ``gpu.sh``, which starts it.

Each part runs in a process of its own with a time limit, and prints a JSON object each time that it
has measured something more.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import builds
import textures
import training
from processes import STOPPED, Result, run
from settings import CARD, SOFTWARE, Settings


@dataclass(frozen=True)
class Part:
    """One part of the measurement.

    Attributes:
        measure: Function that measures, and yields the whole result each time that it grows.
        seconds: Share of the time, s. What a part leaves of it is the next one's.
        line: Turns a result, which may be cut off, into lines for a person.
    """

    measure: Callable[[Settings], Iterator[Result]]
    seconds: float
    line: Callable[[Result], str]


PARTS = {
    "device": Part(textures.device, 40, textures.device_line),
    "identity": Part(textures.identity, 40, textures.identity_line),
    "rates": Part(textures.rates, 50, textures.rates_line),
    "build": Part(builds.measure, 70, builds.line),
    "training": Part(training.single, 215, training.line),
    "ranks": Part(training.ranks, 60, training.line),
}
"""The parts by importance. Together they have eight minutes, of which five seconds are for their
ends; on software Vulkan they have ten times as long."""


def main() -> int:
    """Runs all parts, or one of them in this process; returns 1 if a part failed."""
    settings, part = parsed()
    if part:
        for result in PARTS[part].measure(settings):
            print(json.dumps(result), flush=True)
        return 0
    clear(settings.out)
    # As Ctrl-C does, so that the part that runs is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: dict[str, Result] = {}
    about = {
        "date": datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"),
        "settings": settings.as_json(),
        "parts": results,
    }
    end = time.monotonic()
    for name, part_ in PARTS.items():
        started = time.monotonic()
        end += part_.seconds * (10 if settings.software else 1)
        results[name] = result = run(name, end - started)
        result["seconds"] = round(time.monotonic() - started, 1)
        text = told(part_, result).replace("\n", "\n  ")
        print(f"{name} ({result['seconds']:.0f} s)\n  {text}", flush=True)
        # After each part, so that nothing measured is lost.
        (settings.out / "gpu.json").write_text(json.dumps(about, indent=1) + "\n")
        if result.get("error") == STOPPED:
            return 143
    print(f"all figures: {settings.out / 'gpu.json'}")
    return int('"error"' in json.dumps(results) or "no device" in results["device"])


def told(part: Part, result: Result) -> str:
    """A part's result in words, with what is wrong and what was left out."""
    rows = []
    if set(result) - {"error", "seconds"}:
        rows = [row for row in part.line(result).split("\n") if row]
    if "error" in result:
        rows.append(result["error"])
    if left := result.get("left out"):
        rows.append(f"left out: {'; '.join(left)}")
    return "\n".join(rows)


def clear(out: Path) -> None:
    """Deletes what an earlier run of this script has left in its folder, which it makes."""
    out.mkdir(parents=True, exist_ok=True)
    for old in (*(out / name for name in ("gpu", "cpu", "images", "runs")), *out.glob("built-*")):
        shutil.rmtree(old, ignore_errors=True)


def parsed() -> tuple[Settings, str | None]:
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="gpu.sh", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("images", type=Path, help="folder of images")
    parser.add_argument("out", type=Path, help="folder for data sets, runs and gpu.json")
    parser.add_argument("--software", action="store_true", help="use Mesa's software Vulkan")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--pairs", type=int, help="textures that are compared")
    parser.add_argument("--size", type=int, help="side of the textures, px")
    parser.add_argument("--files", type=int, help="images of the whole builds")
    parser.add_argument("--steps", type=int, help="training steps of each run")
    parser.add_argument(
        "--training-sizes", type=sides, metavar="PX,PX,...",
        help="sides of images and textures of the training runs, the most important first "
        "(default: 224,96,64; with --software the one of --size)",
    )  # fmt: skip
    given = parser.parse_args()
    if not given.images.is_dir():
        parser.error(f"no folder {given.images}")
    settings = SOFTWARE if given.software else CARD
    if given.software:
        os.environ["TEXGEN_SOFTWARE_GPU"] = "1"
    names = ("pairs", "size", "files", "steps", "training_sizes")
    changed = {name: value for name in names if (value := getattr(given, name)) is not None}
    return settings.changed(given.images.resolve(), given.out.resolve(), changed), given.part


def sides(text: str) -> tuple[int, ...]:
    """Reads sides such as ``224,96``."""
    return tuple(int(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
