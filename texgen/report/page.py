"""The report: the data that it shows, and one HTML page of them that loads and runs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from texgen.dataset.index import Index
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.report import comparison, plots, sections
from texgen.report.gallery import gallery
from texgen.report.html.markup import document, text
from texgen.report.samples import SampledTextures, take_samples
from texgen.report.tally import TALLY_COLUMNS, ManifestTally
from texgen.report.times import Times, read_times


@dataclass(frozen=True, slots=True)
class ReportData:
    """Everything that the page shows about a data set.

    Attributes:
        index: Index of the data set.
        tally: Counts over all manifest rows.
        samples: Textures that are spread over the set.
        times: Times of the build, None if its records are missing.
        with_images: Whether SRC was named.
    """

    index: Index
    tally: ManifestTally
    samples: SampledTextures
    times: Times | None
    with_images: bool


def collect_report(dataset: Dataset, originals: OriginalImages | None, count: int) -> ReportData:
    """Reads all manifest rows, some textures with their images, and the build's records.

    Args:
        dataset: The data set.
        originals: Images that the textures were made of; None leaves them out.
        count: Number of textures that the page shows.

    Raises:
        DatasetError: If a manifest or a texture cannot be read.
        SourceError: If SRC has none of the images.
    """
    tally = ManifestTally()
    for split in sorted(dataset.index.splits):
        for batch in dataset.batches(split, TALLY_COLUMNS):
            tally.add(split, batch)
    return ReportData(
        dataset.index,
        tally,
        take_samples(dataset, originals, count),
        read_times(dataset.sink, dataset.index),
        originals is not None,
    )


def render_report(data: ReportData) -> str:
    """Renders the page."""
    shown = [
        ("counts", "Counts", sections.counts(data.index)),
        ("failures", "Failures", sections.failures(data.tally)),
        ("pictures", "Images", gallery(data.samples, with_images=data.with_images)),
        ("patches", "Patches", plots.patches(data.tally)),
        ("colour", "Mean colour", comparison.colour(data.samples)),
        ("spectrum", "Power spectrum", comparison.spectrum(data.samples)),
        ("time", "Time", plots.time(data.times)),
        ("provenance", "Provenance", sections.provenance(data.index)),
    ]
    return document(text(data.index.name), _lead(data.index), shown)


def _lead(index: Index) -> str:
    """One sentence on what the data set is."""
    splits, config = index.splits.values(), index.config
    textures = sum(split.textures for split in splits)
    images = sum(split.images for split in splits)
    failed = sum(split.failed for split in splits)
    words = (
        f"{textures:,} textures of {images:,} images, {text(config.get('size'))} px, "
        f"{text(config['format'])}, made by the engine {text(config['engine'])} "
        f"{text(config['engine_version'])}; {failed:,} failed."
    )
    return f'<p class="lead">{words}</p>'
