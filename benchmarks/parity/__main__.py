"""Tests whether the engine `fast` is the same as `embark`; exit code 1 if it is not.

    python benchmarks/parity SRC [--known-bad] [--pairs 20] [--textures 10]

Cuts pairs of patches from images below SRC, synthesises textures of each with both engines, and
compares their statistics and the sources of their pixels. `--known-bad` also tests variants of
`fast` that are known to differ, and fails if one of them is not detected. The textures of
`embark`, 3 core-seconds each, are kept in `--work`; all others are synthesised again.
"""

from __future__ import annotations

import argparse
import datetime
import json
import subprocess
import sys
from pathlib import Path

from compare import Measured, compare, halves
from measure import measure
from pairs import Pair, cut
from report import Comparison, around, as_json, markdown, table
from textures import RUST, Shelf, program

VARIANTS = {
    "25 random candidates": ("--random-candidates", "25"),
    "32 neighbours": ("--neighbours", "32"),
    "upright random candidates": ("--upright",),
}


def main() -> int:
    """Reads the command line, compares and prints; returns the exit code."""
    arguments = parsed()
    try:
        return run(arguments)
    except (OSError, ValueError) as error:
        print(f"parity: {error}", file=sys.stderr)
        return 2


def run(arguments: argparse.Namespace) -> int:
    """Synthesises, measures, compares and reports."""
    if arguments.results:
        around(arguments.results)  # Fails now rather than at the end.
    made = Made(arguments, cut(arguments.src, arguments.pairs))
    embark = made.measured("embark", ("embark",), kept=True)
    chance = halves(embark)
    variants = {"fast": ()} | (VARIANTS if arguments.known_bad else {})
    comparisons = []
    for name, options in variants.items():
        rows = compare(embark, made.measured(name, ("fast", *options), kept=False))
        comparisons.append(Comparison(name, rows))
        if not arguments.json:
            print(table(comparisons[-1], chance), flush=True)
    if arguments.json:
        print(json.dumps(as_json(comparisons, chance), indent=1))
    if arguments.results:
        text = markdown(comparisons, chance, conditions(arguments))
        arguments.results.write_text(text.join(around(arguments.results)))
    return verdict(comparisons)


class Made:
    """Textures of the pairs, synthesised if they are missing, and their figures."""

    def __init__(self, arguments: argparse.Namespace, pairs: list[Pair]) -> None:
        """Builds the program that synthesises them."""
        self.arguments = arguments
        self.pairs = pairs
        self.program = program()

    def measured(self, name: str, options: tuple[str, ...], kept: bool) -> list[Measured]:
        """Returns the figures of an engine's textures; earlier textures count only if ``kept``."""
        size, textures = self.arguments.size, self.arguments.textures
        shelf = Shelf(self.arguments.work, name.replace(" ", "-"), size, options)
        if not kept:
            shelf.empty()
        shelf.fill(self.pairs, textures, self.program)
        return measure(shelf, self.pairs, textures)


def parsed() -> argparse.Namespace:
    """Parser of the command line."""
    parser = argparse.ArgumentParser(prog="parity", description=__doc__.splitlines()[0])
    parser.add_argument("src", type=Path, metavar="SRC", help="a folder of images")
    parser.add_argument("--pairs", type=int, default=20, help="images to take, 2 or more")
    parser.add_argument("--textures", type=int, default=10, help="of each pair, 4 or more")
    parser.add_argument("--size", type=int, default=224, help="of the textures, px")
    parser.add_argument("--known-bad", action="store_true", help="also variants that differ")
    parser.add_argument("--json", action="store_true", help="for programs")
    parser.add_argument("--results", type=Path, metavar="FILE", help="a RESULTS.md to put it in")
    work = Path(__file__).with_name(".work")
    parser.add_argument("--work", type=Path, default=work, help="where textures are kept")
    arguments = parser.parse_args()
    if arguments.pairs < 2 or arguments.textures < 4:
        # Fewer have no spread, between pairs and within half of the textures.
        parser.error("at least 2 --pairs and 4 --textures are needed")
    return arguments


def verdict(comparisons: list[Comparison]) -> int:
    """Returns the exit code, and prints a line on standard error for each reason to fail."""
    first, *bad = comparisons
    reasons = [] if first.passed else [f"{first.name} differs from embark"]
    reasons += [f"{each.name}: not told apart from embark" for each in bad if each.passed]
    for reason in reasons:
        print(f"parity: {reason}", file=sys.stderr)
    return 1 if reasons else 0


def conditions(arguments: argparse.Namespace) -> str:
    """Machine and versions with which the figures in RESULTS.md were measured."""
    flags = " --known-bad" if arguments.known_bad else ""
    commit = ["git", "describe", "--always", "--dirty"]
    done = subprocess.run(commit, cwd=RUST, stdout=subprocess.PIPE, text=True, check=False)
    return (
        f"`python benchmarks/parity SRC{flags} --pairs {arguments.pairs} "
        f"--textures {arguments.textures} --size {arguments.size}`, "
        f"{datetime.date.today()}, commit {done.stdout.strip() or 'unknown'}:"
    )


if __name__ == "__main__":
    sys.exit(main())
