"""The page's sections with charts of the build: its patches and its times."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import numpy as np

from texgen.core.text import pluralize
from texgen.report.html.markup import Chart, chart_grid, paragraph
from texgen.report.position_test import FINEST, HeatMap
from texgen.report.svg.charts import bars, heat_map, histogram
from texgen.report.tally import ManifestTally
from texgen.report.times import Times

_MIN_P_VALUE = 0.001
"""Below it, positions are reported as not uniform, which happens for one of 1000 sound sets too."""

_MAX_BARS = 8
"""Most patch sizes, or shards, that have a bar each; more are counted in bins."""


def patches(tally: ManifestTally) -> Iterator[str]:
    """Section on sizes and positions of patches."""
    if not tally.patch_sides:
        yield paragraph("There are no textures, so no patches.")
        return
    title = "Shorter side of the images"
    label = "shorter side of the image, px"
    shorter = histogram("short-sides", title, tally.short_sides, label, "textures")
    charts = [_patch_sides(tally), Chart(title, shorter, "It decides which patch size is used.")]
    counts = tally.positions.heat_map()
    if counts is not None:
        charts.append(_positions(counts, tally))
    yield chart_grid(charts)
    if counts is None:
        yield paragraph(
            f"A map of positions needs more random patches with at least {FINEST} positions "
            f"across and down; here are {tally.positions.used:,}."
        )


def _patch_sides(tally: ManifestTally) -> Chart:
    title, total = "Side of the patches", sum(tally.patch_sides.values())
    caption = "Patches are cut out of the image and never resized."
    if len(tally.patch_sides) > _MAX_BARS:
        label = "side of the patches, px"
        chart = histogram("patch-sides", title, tally.patch_sides, label, "textures")
    else:
        entries = [
            (f"{side} px", float(count), f"{count:,} ({100 * count / total:.1f} %)")
            for side, count in sorted(tally.patch_sides.items(), reverse=True)
        ]
        chart = bars("patch-sides", title, entries)
    return Chart(title, chart, caption)


def _positions(counts: HeatMap, tally: ManifestTally) -> Chart:
    verdict = (
        "no sign that they are not uniform"
        if counts.p_value >= _MIN_P_VALUE
        else "<strong>they are not uniform</strong>"
    )
    cells = len(counts.observed)
    caption = (
        f"{tally.positions.used:,} random patches in {cells} by {cells} cells. Pearson's "
        f"χ² = {counts.chi_square:.1f} at {counts.freedom} degrees of freedom, "
        f"p = {_p_value_text(counts.p_value)}: {verdict}."
    )
    if left_out := tally.positions.left_out:
        caption += f" Left out: {left_out:,} with fewer than {FINEST} positions across or down."
    title = "Positions of the random patches"
    return Chart(title, heat_map("positions", title, counts), caption)


def _p_value_text(p: float) -> str:
    return f"{p:.3f}" if p >= _MIN_P_VALUE else f"{p:.0e}"


def time(times: Times | None) -> Iterator[str]:
    """Section on the times of the build."""
    if times is None:
        yield paragraph(
            "The times of a build are in the records under <code>_build</code>, and none of this "
            "data set are left."
        )
        return
    textures = max(1, times.textures)
    entries = [
        (name, seconds, f"{1e3 * seconds / textures:.1f} ms")
        for name, seconds in (*times.parts.items(), ("rest", times.rest_s))
    ]
    title = "Time per texture"
    caption = (
        "Mean wall clock. Images are decoded while engines run, and a shard may keep several "
        "engines busy. If the parts add up to more than the shards took, the rest is 0."
    )
    yield chart_grid([Chart(title, bars("parts", title, entries), caption), _shards(times)])
    if times.missing:
        yield paragraph(f"Without a record of this data set: {pluralize(times.missing, 'shard')}.")


def _shards(times: Times) -> Chart:
    title = "Wall clock of the shards"
    middle, longest = float(np.median(times.shards)), float(times.shards.max())
    caption = (
        f"{pluralize(len(times.shards), 'shard')}, median {middle:.1f} s, longest {longest:.1f} s."
    )
    if len(times.shards) <= _MAX_BARS:
        named = zip(times.names, times.shards.tolist(), strict=True)
        entries = [(name, seconds, f"{seconds:.1f} s") for name, seconds in named]
        return Chart(title, bars("shards", title, entries), caption)
    counts = Counter(times.shards.round(3).tolist())
    chart = histogram("shards", title, counts, "wall clock of a shard, s", "shards")
    return Chart(title, chart, caption)
