"""The page's sections that compare textures with what they were made of: colour and spectrum."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from texgen.report.html.markup import Chart, Number, chart_grid, paragraph, table
from texgen.report.image_statistics import ImageStatistics, frequencies, spectral_slope
from texgen.report.samples import SampledTextures
from texgen.report.svg.axes import Axis
from texgen.report.svg.charts import Series, lines, scatter, swatches

_CHANNELS = ("red", "green", "blue")
_MIN_SIDE = 16
"""Least side of windows, px; spectra of smaller ones have no meaningful slope."""

_Values: TypeAlias = dict[str, dict[int, NDArray[np.float64]]]
"""Values by kind and by number of the texture, see `SampledTextures.statistics`."""

_FRACTIONS = {2.0**n: f"1/{2**-n}" if n < 0 else f"{2**n}" for n in range(-8, 9)}


def colour(samples: SampledTextures) -> Iterator[str]:
    """Section on mean colours."""
    groups = _values(samples, lambda one: one.colour)
    if not groups:
        yield paragraph("There are no textures to measure.")
        return
    arrays = {name: np.array(list(group.values())) for name, group in groups.items()}
    charts = [
        Chart(name.capitalize(), swatches(f"colours-{name}", f"Mean colours of {name}", colours))
        for name, colours in arrays.items()
    ]
    rows: list[list[object]] = [["measured", *map(len, groups.values())]]
    for channel, name in enumerate(_CHANNELS):
        values = [colours[:, channel] for colours in arrays.values()]
        rows.append([name, *(Number(f"{v.mean():.0f} ± {v.std():.0f}") for v in values)])
    caption = "Mean colour ± standard deviation over the set (sRGB, 0 to 255)"
    yield paragraph(
        "Each stripe is the mean colour of one image, texture or pair of patches, sorted from "
        "dark to bright."
    )
    yield chart_grid(charts, "swatches")
    yield table(caption, ("", *groups), rows)
    if len(groups) > 1:
        yield chart_grid([_channel(groups, i) for i in range(3)], "charts thirds")
        yield paragraph(
            "Each texture has two marks: a ring against its image, and a cross against its two "
            "patches together. On the dotted diagonal both have the same mean. A texture is "
            "made of the patches, not of the whole image, and may use one patch more than the "
            "other."
        )


def _channel(groups: _Values, channel: int) -> Chart:
    name = _CHANNELS[channel]
    points = {kind: _pairs(groups, kind)[..., channel] for kind in ("images", "patches")}
    labels = (f"mean {name} of image or patches", f"mean {name} of texture")
    title = f"Mean {name}"
    return Chart(title, scatter(f"mean-{name}", title, labels, points))


def spectrum(samples: SampledTextures) -> Iterator[str]:
    """Section on power over spatial frequency."""
    groups = _values(samples, lambda one: one.spectrum)
    if not groups or samples.side < _MIN_SIDE:
        yield paragraph(
            "There are no textures, or the textures or patches are too small for spectra."
        )
        return
    frequency = frequencies(samples.side)
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if t >= frequency[0]]
    x_axis = Axis("spatial frequency, cycles per pixel", float(frequency[0]), 0.5, ticks, log=True)
    means = {name: np.mean(list(group.values()), axis=0) for name, group in groups.items()}
    charts = [_power(means, frequency, x_axis)]
    if len(_pairs(groups, "patches")):
        charts.append(_power_ratios(groups, frequency, x_axis))
    yield chart_grid(charts)
    slopes = [
        [name, len(groups[name]), Number(f"{spectral_slope(mean, samples.side):.2f}")]
        for name, mean in means.items()
    ]
    caption = "Spectral slope: the exponent with which power changes over frequency"
    yield table(caption, ("", "measured", "exponent"), slopes)
    yield paragraph(
        "All spectra are measured in the same way: luminance (0.299 R + 0.587 G + 0.114 B, 0 to 1) "
        f"at full resolution, in windows of {samples.side} px that overlap by about half, minus "
        "the mean, under a Hann window; then the squared Fourier magnitude, averaged over windows "
        "and over rings of equal frequency. If patches are smaller than such a window, the image, "
        "its patches and its texture are left out. The slope is fitted up to a quarter cycle per "
        "pixel; natural images have about -2. Compare textures with patches first, because the "
        "engine sees nothing else of the image."
    )


def _power(
    means: Mapping[str, NDArray[np.float64]], frequency: NDArray[np.float64], x_axis: Axis
) -> Chart:
    """Mean power of each group."""
    low = float(np.floor(min(mean.min() for mean in means.values())))
    high = float(max(np.ceil(max(mean.max() for mean in means.values())), low + 1))
    ticks = list(np.arange(low, high + 1, max(1, round((high - low) / 6))))
    axes = (x_axis, Axis("log₁₀ of power, luminance² px²", low, high, ticks))
    series = [Series(name, name, np.stack([frequency, mean], 1)) for name, mean in means.items()]
    description = "; ".join(
        f"{name}: {mean[0]:.1f} to {mean[-1]:.1f}" for name, mean in means.items()
    )
    title = "Radially averaged power spectrum"
    return Chart(title, lines("spectra", title, description, axes, series), "Mean of log power.")


def _power_ratios(groups: _Values, frequency: NDArray[np.float64], x_axis: Axis) -> Chart:
    """Mean ratio of each texture's power to that of its image and of its patches."""
    series = []
    for kind in ("images", "patches"):
        ratios = np.diff(_pairs(groups, kind), axis=1)[:, 0]
        points = np.stack([frequency, 10 ** ratios.mean(0)], 1)
        band = 10 ** np.percentile(ratios, [25, 75], axis=0).T if kind == "patches" else None
        series.append(Series(f"against {kind}", kind, points, band))
    values = [one.points[:, 1:] for one in series]
    values += [one.band for one in series if one.band is not None]
    least, most = (f([f(v) for v in values]) for f in (np.min, np.max))
    # The axis has whole octaves that hold all values, and 1, which stands for no difference.
    low, high = min(-1, int(np.floor(np.log2(least)))), max(1, int(np.ceil(np.log2(most))))
    ticks = [2.0**n for n in range(low, high + 1)]
    names = [_FRACTIONS.get(tick, f"{tick:.3g}") for tick in ticks]
    axes = (x_axis, Axis("power of textures, times", ticks[0], ticks[-1], ticks, True, names))
    description = "; ".join(
        f"{one.name}: {one.points[0, 1]:.2f} times at the lowest frequency, "
        f"{one.points[-1, 1]:.2f} times at the highest"
        for one in series
    )
    title = "Textures against images and patches"
    caption = (
        "Mean ratio over textures. The band holds the middle half of the ratios against patches."
    )
    return Chart(title, lines("ratios", title, description, axes, series), caption)


def _values(
    samples: SampledTextures, value: Callable[[ImageStatistics], NDArray[np.float64] | None]
) -> _Values:
    """What ``value`` gives for the images that have it; kinds without any are left out."""
    groups: _Values = {}
    for kind, group in samples.statistics.items():
        for number, one in group.items():
            if (found := value(one)) is not None:
                groups.setdefault(kind, {})[number] = found
    return groups


def _pairs(groups: _Values, kind: str) -> NDArray[np.float64]:
    """(N, 2, …) values of images or patches, each with its texture's, where both have one."""
    textures = groups.get("textures", {})
    both = [(one, textures[n]) for n, one in groups.get(kind, {}).items() if n in textures]
    return np.array(both)
