"""The page's parts that set textures against what they were made of: colour and spectra."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from texgen.report.html.markup import Chart, Number, figures, paragraph, section, table
from texgen.report.image_statistics import ImageStatistics, frequencies, spectral_slope
from texgen.report.samples import SampledTextures, pairs
from texgen.report.svg.axes import Axis
from texgen.report.svg.charts import Series, lines, scatter, swatches

_CHANNELS = ("red", "green", "blue")
_LEAST_SIDE = 16
"""Of windows, px; smaller ones have no slope to speak of."""

_FRACTIONS = {2.0**n: f"1/{2**-n}" if n < 0 else f"{2**n}" for n in range(-8, 9)}


def colour(found: SampledTextures) -> str:
    """Mean colours."""
    groups = _groups(found)
    if not groups:
        return section("colour", "Mean colour", [paragraph("There are no textures to measure.")])
    charts = [
        Chart(name.capitalize(), swatches(f"colours-{name}", f"Mean colours of {name}", colours))
        for name, colours in ((name, _colours(looks)) for name, looks in groups)
    ]
    rows: list[list[object]] = [["measured", *(len(looks) for _, looks in groups)]]
    for channel, name in enumerate(_CHANNELS):
        values = [_colours(looks)[:, channel] for _, looks in groups]
        rows.append([name, *(Number(f"{v.mean():.0f} ± {v.std():.0f}") for v in values)])
    caption = "Mean colour, ± its standard deviation from picture to picture (sRGB, 0 to 255)"
    parts = [
        paragraph("A stripe is the mean colour of one picture; pictures go from dark to bright."),
        figures(charts, "swatches"),
        table(caption, ("", *(name for name, _ in groups)), rows),
    ]
    if len(groups) > 1:
        parts.append(figures([_channel(found, i) for i in range(3)], "charts thirds"))
        parts.append(
            paragraph(
                "A mark is a texture: on the dotted diagonal it has the mean of its photograph "
                "(ring) or of its two patches together (cross). A texture is made of the patches, "
                "not of the whole photograph, and need not use both alike."
            )
        )
    return section("colour", "Mean colour", parts)


def _channel(found: SampledTextures, channel: int) -> Chart:
    name = _CHANNELS[channel]
    groups = []
    for kind, looks in (("photographs", found.photographs), ("patches", found.patches)):
        points = [(a.colour[channel], b.colour[channel]) for a, b in pairs(looks, found.textures)]
        groups.append((kind, kind, np.array(points)))
    labels = (f"mean {name} of photograph or patches", f"mean {name} of texture")
    title = f"Mean {name}"
    return Chart(title, scatter(f"mean-{name}", title, labels, groups))


def spectrum(found: SampledTextures) -> str:
    """Power over spatial frequency."""
    title = "Power spectrum"
    groups = [(name, _spectra(looks)) for name, looks in _groups(found)]
    groups = [(name, spectra) for name, spectra in groups if len(spectra)]
    if not groups or found.side < _LEAST_SIDE:
        words = "There are no textures, or they or their patches are too small for spectra."
        return section("spectrum", title, [paragraph(words)])
    where = frequencies(found.side)
    ticks = [t for t in (0.01, 0.02, 0.05, 0.1, 0.2, 0.5) if t >= where[0]]
    across = Axis("spatial frequency, cycles per pixel", float(where[0]), 0.5, ticks, log=True)
    charts = [_levels(groups, where, across)]
    if len(_ratios(found.patches, found.textures)):
        charts.append(_against(found, where, across))
    slopes = [
        [name, len(spectra), Number(f"{spectral_slope(spectra.mean(0), found.side):.2f}")]
        for name, spectra in groups
    ]
    rows = table(
        "Spectral slope: power goes with frequency to this exponent",
        ("", "measured", "exponent"),
        slopes,
    )
    return section("spectrum", title, [figures(charts), rows, paragraph(_method(found))])


def _method(found: SampledTextures) -> str:
    return (
        "The same for all: luminance (0.299 R + 0.587 G + 0.114 B, 0 to 1) at the picture's own "
        f"pixels, in windows of {found.side} px that overlap by about half, less its mean, under a "
        "Hann window; squared Fourier magnitude, averaged over windows and over rings of equal "
        "frequency. Where patches are smaller than such a window, photograph, patches and texture "
        "are left out alike. The slope is fitted up to a quarter cycle per pixel; photographs have "
        "about -2. Patches are the fairest measure of a texture: they are all that the engine sees."
    )


def _levels(
    groups: Sequence[tuple[str, NDArray[np.float64]]], where: NDArray[np.float64], across: Axis
) -> Chart:
    means = [(name, spectra.mean(0)) for name, spectra in groups]
    low = float(np.floor(min(mean.min() for _, mean in means)))
    high = float(max(np.ceil(max(mean.max() for _, mean in means)), low + 1))
    ticks = list(np.arange(low, high + 1, max(1, round((high - low) / 6))))
    axes = (across, Axis("log₁₀ of power, luminance² px²", low, high, ticks))
    series = [Series(name, name, np.stack([where, mean], 1)) for name, mean in means]
    said = "; ".join(f"{name}: {mean[0]:.1f} to {mean[-1]:.1f}" for name, mean in means)
    title = "Radially averaged power spectrum"
    return Chart(title, lines("spectra", title, said, axes, series), "Mean of log power.")


def _against(found: SampledTextures, where: NDArray[np.float64], across: Axis) -> Chart:
    """Textures' power in relation to that of what they were made of, texture by texture."""
    series = []
    for kind, looks in (("photographs", found.photographs), ("patches", found.patches)):
        ratios = _ratios(looks, found.textures)
        if len(ratios):
            points = np.stack([where, 10 ** ratios.mean(0)], 1)
            band = 10 ** np.percentile(ratios, [25, 75], axis=0).T if kind == "patches" else None
            series.append(Series(f"against {kind}", kind, points, band))
    values = [one.points[:, 1:] for one in series]
    values += [one.band for one in series if one.band is not None]
    least, most = (f([f(v) for v in values]) for f in (np.min, np.max))
    # Whole octaves that hold all, and 1, which says that nothing differs.
    low, high = min(-1, int(np.floor(np.log2(least)))), max(1, int(np.ceil(np.log2(most))))
    ticks = [2.0**n for n in range(low, high + 1)]
    names = [_FRACTIONS.get(tick, f"{tick:.3g}") for tick in ticks]
    axes = (across, Axis("power of textures, times", ticks[0], ticks[-1], ticks, True, names))
    said = "; ".join(
        f"{one.name}: {one.points[0, 1]:.2f} times at the lowest frequency, "
        f"{one.points[-1, 1]:.2f} times at the highest"
        for one in series
    )
    title = "Textures against what they were made of"
    caption = "Mean ratio, texture by texture; the band holds the middle half against patches."
    return Chart(title, lines("ratios", title, said, axes, series), caption)


def _ratios(
    below: Sequence[ImageStatistics | None], textures: Sequence[ImageStatistics]
) -> NDArray[np.float64]:
    found = [
        texture.spectrum - other.spectrum
        for other, texture in pairs(below, textures)
        if other.spectrum is not None and texture.spectrum is not None
    ]
    return np.array(found)


def _groups(found: SampledTextures) -> list[tuple[str, list[ImageStatistics]]]:
    """What was measured, by name; the textures last, so that they are drawn on top."""
    groups = [
        ("photographs", [looks for looks in found.photographs if looks is not None]),
        ("patches", [looks for looks in found.patches if looks is not None]),
        ("textures", found.textures),
    ]
    return [(name, looks) for name, looks in groups if looks]


def _colours(looks: Sequence[ImageStatistics]) -> NDArray[np.float64]:
    return np.array([one.colour for one in looks])


def _spectra(looks: Sequence[ImageStatistics]) -> NDArray[np.float64]:
    return np.array([one.spectrum for one in looks if one.spectrum is not None])
