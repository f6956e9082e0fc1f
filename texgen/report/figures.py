"""Everything that the page tells of a data set, gathered."""

from __future__ import annotations

from dataclasses import dataclass

from texgen.dataset.index import Index
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.report.samples import SampledTextures, take_samples
from texgen.report.tally import COLUMNS, ManifestTally, tally
from texgen.report.times import Times, read_times


@dataclass(frozen=True, slots=True)
class Figures:
    """What the page is made of.

    Attributes:
        index: The data set's card.
        tally: Of all manifest rows.
        samples: Of textures spread over the set.
        times: Of the build, where its records are there.
        with_photographs: Whether SRC was named.
    """

    index: Index
    tally: ManifestTally
    samples: SampledTextures
    times: Times | None
    with_photographs: bool


def gather(dataset: Dataset, photographs: OriginalImages | None, count: int) -> Figures:
    """Reads all manifest rows, some textures with their photographs, and the records.

    Args:
        dataset: The data set.
        photographs: Those that it was made of; None leaves them out.
        count: Textures that are shown.

    Raises:
        DatasetError: If a manifest or a texture cannot be read.
        SourceError: If SRC has none of the photographs.
    """
    batches = (
        (split, batch)
        for split in sorted(dataset.index.splits)
        for batch in dataset.batches(split, COLUMNS)
    )
    return Figures(
        dataset.index,
        tally(batches),
        take_samples(dataset, photographs, count),
        read_times(dataset.sink, dataset.index),
        photographs is not None,
    )
