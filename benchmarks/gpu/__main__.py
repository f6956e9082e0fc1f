"""Measures all that a graphics card changes; see ``gpu.sh``, which starts it.

Each part runs in a process group of its own with a time limit, and prints a JSON object.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import builds
import textures
import training
from settings import CARD, SOFTWARE, Settings

Result = dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One part of the measurement.

    Attributes:
        measure: Function that measures.
        seconds: Time limit, s.
        line: Turns a result into lines for a person.
    """

    measure: Callable[[Settings], Result]
    seconds: float
    line: Callable[[Result], str]


PARTS = {
    "device": Part(textures.device, 60, textures.device_line),
    "identity": Part(textures.identity, 60, textures.identity_line),
    "rates": Part(textures.rates, 90, textures.rates_line),
    "build": Part(builds.measure, 100, builds.line),
    "training": Part(training.single, 150, training.line),
    "ranks": Part(training.ranks, 80, training.line),
}
TOTAL_S = 8 * 60
"""Most seconds of all parts on a card; on software Vulkan the parts have ten times as long."""


def main() -> int:
    """Runs all parts, or one of them in this process; returns 1 if a part failed."""
    settings, part = parsed()
    if part:
        print(json.dumps(PARTS[part].measure(settings)))
        return 0
    settings.out.mkdir(parents=True, exist_ok=True)
    # As Ctrl-C does, so that the part that runs is ended.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    results: dict[str, Result] = {}
    slower = 10 if settings.software else 1
    end = time.monotonic() + slower * TOTAL_S
    for name, about in PARTS.items():
        started = time.monotonic()
        results[name] = run(name, min(slower * about.seconds, end - started))
        text = results[name].get("error") or about.line(results[name])
        results[name]["seconds"] = round(time.monotonic() - started, 1)
        print(
            f"{name} ({results[name]['seconds']:.0f} s)\n  " + text.replace("\n", "\n  "),
            flush=True,
        )
        # After each part, so that nothing measured is lost.
        about_run = {"settings": settings.as_json(), "parts": results}
        (settings.out / "gpu.json").write_text(json.dumps(about_run, indent=1) + "\n")
    print(f"all figures: {settings.out / 'gpu.json'}")
    return int('"error"' in json.dumps(results) or "no device" in results["device"])


def run(name: str, seconds: float) -> Result:
    """Runs a part in a process of its own; its error is part of the result."""
    if seconds <= 0:
        return {"error": "no time is left"}
    line = [sys.executable, str(Path(__file__).parent), *sys.argv[1:], "--part", name]
    process = subprocess.Popen(
        line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        output, errors = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {seconds:.0f} s"}
    finally:
        # Engines, loaders and ranks belong to its group.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    if process.returncode:
        return {"error": builds.reason(errors)}
    result: Result = json.loads(output.splitlines()[-1])
    return result


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
    given = parser.parse_args()
    if not given.images.is_dir():
        parser.error(f"no folder {given.images}")
    settings = SOFTWARE if given.software else CARD
    if given.software:
        os.environ["TEXGEN_SOFTWARE_GPU"] = "1"
    names = ("pairs", "size", "files", "steps")
    changed = {name: value for name in names if (value := getattr(given, name)) is not None}
    return settings.changed(given.images.resolve(), given.out.resolve(), changed), given.part


if __name__ == "__main__":
    sys.exit(main())
