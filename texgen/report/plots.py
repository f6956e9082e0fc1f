"""The page's parts with charts of the build: its patches, and where its time went."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from texgen.core.text import pluralize
from texgen.report.html.markup import Chart, figures, paragraph, section
from texgen.report.position_test import FINEST, HeatMap
from texgen.report.svg.charts import bars, histogram
from texgen.report.svg.heatmap import heat_map
from texgen.report.tally import ManifestTally
from texgen.report.times import Times

_DOUBT = 0.001
"""Below this probability positions are called not uniform; of 1000 sound sets one is so too."""

_FEW = 8
"""Up to so many sizes, or shards, have a bar each; more are counted in bins."""


def patches(tally: ManifestTally) -> str:
    """Sizes and positions."""
    if not tally.patch_sides:
        return section("patches", "Patches", [paragraph("There are no textures, so no patches.")])
    title = "Shorter side of the photographs"
    label = "shorter side of the photograph, px"
    shorter = histogram("short-sides", title, tally.short_sides, label, "textures")
    charts = [_sides(tally), Chart(title, shorter, "It decides which patch size fits.")]
    few = ""
    if (found := tally.positions.heat_map()) is not None:
        charts.append(_positions(found, tally))
    else:
        few = paragraph(
            f"{pluralize(tally.positions.used, 'random patch').replace('patchs', 'patches')} with "
            f"{FINEST} positions or more each way: too few for a map of where they lie."
        )
    return section("patches", "Patches", [figures(charts), few])


def _sides(tally: ManifestTally) -> Chart:
    title, total = "Side of the patches", sum(tally.patch_sides.values())
    caption = "Patches are cut out of the photograph and never resized."
    if len(tally.patch_sides) > _FEW:
        label = "side of the patches, px"
        chart = histogram("patch-sides", title, tally.patch_sides, label, "textures")
    else:
        entries = [
            (f"{side} px", float(count), f"{count:,} ({100 * count / total:.1f} %)")
            for side, count in sorted(tally.patch_sides.items(), reverse=True)
        ]
        chart = bars("patch-sides", title, entries)
    return Chart(title, chart, caption)


def _positions(found: HeatMap, tally: ManifestTally) -> Chart:
    verdict = (
        "no sign that they are not uniform"
        if found.p_value >= _DOUBT
        else "<strong>they are not uniform</strong>"
    )
    cells = len(found.observed)
    words = (
        f"{tally.positions.used:,} random patches in {cells} by {cells} cells. Pearson's "
        f"χ² = {found.chi_square:.1f} at {found.freedom} degrees of freedom, "
        f"p = {_probability(found.p_value)}: {verdict}."
    )
    if out := tally.positions.left_out:
        words += f" Left out: {out:,} with fewer than {FINEST} positions across or down."
    title = "Positions of the random patches"
    return Chart(title, heat_map("positions", title, found), words)


def _probability(p: float) -> str:
    return f"{p:.3f}" if p >= _DOUBT else f"{p:.0e}"


def time(times: Times | None) -> str:
    """Where the build's time went."""
    if times is None:
        words = (
            "The records under <code>_build</code> hold the times of a build; here are none of "
            "this data set."
        )
        return section("time", "Time", [paragraph(words)])
    return section("time", "Time", _time(times))


def _time(times: Times) -> Iterator[str]:
    textures = max(1, times.textures)
    entries = [
        (name, seconds, f"{1e3 * seconds / textures:.1f} ms")
        for name, seconds in (*times.parts.items(), ("rest", times.rest_s))
    ]
    title = "Where it goes, a texture"
    caption = (
        "Mean wall clock. Photographs are decoded while engines run, and a shard may keep several "
        "engines busy: where the parts add up to more than the shards took, the rest is 0."
    )
    yield figures([Chart(title, bars("parts", title, entries), caption), _shards(times)])
    if times.missing:
        yield paragraph(f"Without a record of this data set: {pluralize(times.missing, 'shard')}.")


def _shards(times: Times) -> Chart:
    title = "Wall clock of the shards"
    middle, longest = float(np.median(times.shards)), float(times.shards.max())
    caption = (
        f"{pluralize(len(times.shards), 'shard')}, median {middle:.1f} s, longest {longest:.1f} s."
    )
    if len(times.shards) <= _FEW:
        named = zip(times.names, times.shards.tolist(), strict=True)
        entries = [(name, seconds, f"{seconds:.1f} s") for name, seconds in named]
        return Chart(title, bars("shards", title, entries), caption)
    values, number = np.unique(times.shards.round(3), return_counts=True)
    counts = dict(zip(values.tolist(), number.tolist(), strict=True))
    chart = histogram("shards", title, counts, "wall clock of a shard, s", "shards")
    return Chart(title, chart, caption)
