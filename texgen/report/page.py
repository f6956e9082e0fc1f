"""The report: one HTML page about a data set that loads and runs nothing."""

from __future__ import annotations

from texgen.dataset.index import Index
from texgen.dataset.reader import Dataset
from texgen.report import comparison, plots, sections
from texgen.report.gallery import gallery
from texgen.report.html.markup import document, text
from texgen.report.samples import SampledTextures
from texgen.report.tally import TALLY_COLUMNS, ManifestTally
from texgen.report.times import read_times


def render_report(dataset: Dataset, samples: SampledTextures, *, with_images: bool) -> str:
    """Reads all manifest rows and the build's records, and renders the page.

    Raises:
        DatasetError: If a manifest cannot be read.
    """
    index, tally = dataset.index, ManifestTally()
    for split in sorted(index.splits):
        for batch in dataset.batches(split, TALLY_COLUMNS):
            tally.add(split, batch)
    shown = [
        ("counts", "Counts", sections.counts(index)),
        ("failures", "Failures", sections.failures(tally)),
        ("pictures", "Images", gallery(samples, with_images=with_images)),
        ("patches", "Patches", plots.patches(tally)),
        ("colour", "Mean colour", comparison.colour(samples)),
        ("spectrum", "Power spectrum", comparison.spectrum(samples)),
        ("time", "Time", plots.time(read_times(dataset.sink, index))),
        ("provenance", "Provenance", sections.provenance(index)),
    ]
    return document(text(index.name), _lead(index), shown)


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
