"""The page's sections that compare textures with what they were made of: colour and spectrum."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from texgen.report.html.markup import Chart, Number, chart_grid, paragraph, table
from texgen.report.image_statistics import ImageStatistics, frequencies, spectral_slope
from texgen.report.samples import SampledTextures, pairs
from texgen.report.svg.axes import Axis
from texgen.report.svg.charts import Series, lines, scatter, swatches

_CHANNELS = ("red", "green", "blue")
_MIN_SIDE = 16
"""Least side of windows, px; spectra of smaller ones have no meaningful slope."""

_FRACTIONS = {2.0**n: f"1/{2**-n}" if n < 0 else f"{2**n}" for n in range(-8, 9)}


def colour(samples: SampledTextures) -> Iterator[str]:
    """Section on mean colours."""
    groups = _groups(samples)
    if not groups:
        yield paragraph("There are no textures to measure.")
        return
    charts = [
        Chart(name.capitalize(), swatches(f"colours-{name}", f"Mean colours of {name}", colours))
        for name, colours in ((name, _colours(group)) for name, group in groups)
    ]
    rows: list[list[object]] = [["measured", *(len(group) for _, group in groups)]]
    for channel, name in enumerate(_CHANNELS):
        values = [_colours(group)[:, channel] for _, group in groups]
        rows.append([name, *(Number(f"{v.mean():.0f} ± {v.std():.0f}") for v in values)])
    caption = "Mean colour ± standard deviation over the set (sRGB, 0 to 255)"
    yield paragraph(
        "Each stripe is the mean colour of one image, texture or pair of patches, sorted from "
        "dark to bright."
    )
    yield chart_grid(charts, "swatches")
    yield table(caption, ("", *(name for name, _ in groups)), rows)
    if len(groups) > 1:
        yield chart_grid([_channel(samples, i) for i in range(3)], "charts thirds")
        yield paragraph(
            "Each texture has two marks: a ring against its image, and a cross against its two "
            "patches together. On the dotted diagonal both have the same mean. A texture is "
            "made of the patches, not of the whole image, and may use one patch more than the "
            "other."
        )


def _channel(samples: SampledTextures, channel: int) -> Chart:
    name = _CHANNELS[channel]
    groups = []
    for kind, originals in (("images", samples.images), ("patches", samples.patches)):
        points = [
            (one.colour[channel], texture.colour[channel])
            for one, texture in pairs(originals, samples.textures)
        ]
        groups.append((kind, kind, np.array(points)))
    labels = (f"mean {name} of image or patches", f"mean {name} of texture")
    title = f"Mean {name}"
    return Chart(title, scatter(f"mean-{name}", title, labels, groups))


def spectrum(samples: SampledTextures) -> Iterator[str]:
    """Section on power over spatial frequency."""
    groups = [(name, _spectra(group)) for name, group in _groups(samples)]
    groups = [(name, spectra) for name, spectra in groups if len(spectra)]
    if not groups or samples.side < _MIN_SIDE:
        yield paragraph(
            "There are no textures, or the textures or patches are too small for spectra."
        )
        return
    frequency = frequencies(samples.side)
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if t >= frequency[0]]
    x_axis = Axis("spatial frequency, cycles per pixel", float(frequency[0]), 0.5, ticks, log=True)
    charts = [_power(groups, frequency, x_axis)]
    if len(_ratios(samples.patches, samples.textures)):
        charts.append(_power_ratios(samples, frequency, x_axis))
    yield chart_grid(charts)
    slopes = [
        [name, len(spectra), Number(f"{spectral_slope(spectra.mean(0), samples.side):.2f}")]
        for name, spectra in groups
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
    groups: Sequence[tuple[str, NDArray[np.float64]]], frequency: NDArray[np.float64], x_axis: Axis
) -> Chart:
    """Mean power of each group."""
    means = [(name, spectra.mean(0)) for name, spectra in groups]
    low = float(np.floor(min(mean.min() for _, mean in means)))
    high = float(max(np.ceil(max(mean.max() for _, mean in means)), low + 1))
    ticks = list(np.arange(low, high + 1, max(1, round((high - low) / 6))))
    axes = (x_axis, Axis("log₁₀ of power, luminance² px²", low, high, ticks))
    series = [Series(name, name, np.stack([frequency, mean], 1)) for name, mean in means]
    description = "; ".join(f"{name}: {mean[0]:.1f} to {mean[-1]:.1f}" for name, mean in means)
    title = "Radially averaged power spectrum"
    return Chart(title, lines("spectra", title, description, axes, series), "Mean of log power.")


def _power_ratios(samples: SampledTextures, frequency: NDArray[np.float64], x_axis: Axis) -> Chart:
    """Mean ratio of each texture's power to that of its image and of its patches."""
    series = []
    for kind, originals in (("images", samples.images), ("patches", samples.patches)):
        ratios = _ratios(originals, samples.textures)
        if len(ratios):
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


def _ratios(
    originals: Sequence[ImageStatistics | None], textures: Sequence[ImageStatistics]
) -> NDArray[np.float64]:
    """Differences of log power, for the textures where both were measured."""
    differences = [
        texture.spectrum - original.spectrum
        for original, texture in pairs(originals, textures)
        if original.spectrum is not None and texture.spectrum is not None
    ]
    return np.array(differences)


def _groups(samples: SampledTextures) -> list[tuple[str, list[ImageStatistics]]]:
    """Statistics by name; textures are last, so that they are drawn on top."""
    groups = [
        ("images", [one for one in samples.images if one is not None]),
        ("patches", [one for one in samples.patches if one is not None]),
        ("textures", samples.textures),
    ]
    return [(name, group) for name, group in groups if group]


def _colours(group: Sequence[ImageStatistics]) -> NDArray[np.float64]:
    return np.array([one.colour for one in group])


def _spectra(group: Sequence[ImageStatistics]) -> NDArray[np.float64]:
    return np.array([one.spectrum for one in group if one.spectrum is not None])
