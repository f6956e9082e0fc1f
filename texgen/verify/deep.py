"""`texgen verify --deep`: what the textures are, not only what the index says of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import PIL

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import shard_path
from texgen.dataset.index import Index, SplitIndex
from texgen.dataset.plan import Plan
from texgen.dataset.reader import Dataset
from texgen.source import SourceSpec
from texgen.source.decode import DECODE_RULE
from texgen.storage import Sink
from texgen.verify.findings import CheckCounter, Checked, OnChecked, VerifyReport
from texgen.verify.manifests import rows_by_shard
from texgen.verify.pixel_checks import DecodedOriginals, DeepInspection
from texgen.verify.remake import Remaker, TextureSample, engine_note
from texgen.verify.shards import ShardWork
from texgen.verify.source_checks import Origin
from texgen.verify.textures import LOSSLESS, Settings, read_settings

_NO_SOURCE = (
    "textures are only decoded: --src SRC also compares rows and pixels with the photographs, "
    "and makes some textures anew"
)


@dataclass(frozen=True, slots=True)
class Deep:
    """What is checked beyond the index.

    Attributes:
        source: SRC, or None: then textures are only decoded.
        sample: Textures that are made anew, with SRC.
        sample_seed: Chooses them.
        endpoint: Of SRC; see `texgen.source.SourceSpec`.
        labels: Of flat splits, as in the build; None where there were none.
    """

    source: str | None
    sample: int
    sample_seed: int
    endpoint: str | None = None
    labels: str | None = None


class DeepCheck:
    """Decodes every texture, and compares with SRC where that is given.

    Args:
        deep: What is wanted.
        index: Of the data set.
        settings: In its config.
        origin: SRC, or None.
        sink: OUT.
        report: Takes what is found beside the shards.
    """

    def __init__(
        self,
        deep: Deep,
        index: Index,
        settings: Settings,
        origin: Origin | None,
        sink: Sink,
        report: VerifyReport,
    ) -> None:
        self._index = index
        self._settings = settings
        self._origin = origin
        self._sink = sink
        self._report = report
        self._seed = deep.sample_seed
        self._draw = TextureSample(deep.sample if origin else 0, deep.sample_seed)
        self.tally = CheckCounter()

    def works(self, name: str, split: SplitIndex) -> Iterator[ShardWork]:
        """A split's shards, each with what looks into it."""
        if self._origin is None:
            for file, rows in rows_by_shard(split, self._sink):
                yield ShardWork(file, rows, DeepInspection(file, self._settings, None, self.tally))
            return
        shards = self._origin.shard_rows(name, split, self._sink)
        for number, (file, rows, entries) in enumerate(shards):
            photographs = DecodedOriginals(self._origin.source, self._settings, entries)
            # An index that was tampered with must not name other files to delete.
            if file.path == shard_path(name, number):
                for row in rows:
                    entry = photographs.entry(row)
                    if entry is not None and row["status"] == "ok":
                        self._draw.offer(name, row, entry)
            yield ShardWork(
                file, rows, DeepInspection(file, self._settings, photographs, self.tally)
            )

    def finish(self, workers: int, progress: OnChecked) -> None:
        """What comes after the last shard: the fingerprint, and textures made anew."""
        report = self._report
        if self._origin is not None:
            self._origin.check_fingerprint()
            self._remake(self._origin, workers, progress)
        report.decoded, report.photographs = self.tally.decoded, self.tally.photographs
        if self.tally.first_unknown_file:
            report.notes.append(
                "where OUT was built with another Pillow, or embark with another C library, the "
                f"same photographs may give other pixels; this Pillow is {PIL.__version__}"
            )

    def _remake(self, origin: Origin, workers: int, progress: OnChecked) -> None:
        drawn, report = self._draw.drawn(), self._report
        if not drawn:
            return
        if note := engine_note(self._index.config):
            report.notes.append(note)
            return
        report.sample_seed = self._seed
        remaker = Remaker(Dataset(self._sink), origin.source, self._settings)
        progress(Checked(0, len(drawn), len(report.faults), anew=True))
        for number, (item, fault) in enumerate(remaker.compare(drawn, workers)):
            if fault:
                report.add([f"{item.row['shard']}: {item.key} {fault}"])
                report.unlike_src.append(item.row["shard"])
                self.tally.add(foreign=1)
            progress(Checked(number + 1, len(drawn), len(report.faults), anew=True))
        report.remade = remaker.made
        report.notes += remaker.notes


def open_deep(
    deep: Deep, index: Index, plan: Plan | None, sink: Sink, report: VerifyReport
) -> DeepCheck | None:
    """A deep check that is ready to begin; None where the card does not say what to expect.

    Raises:
        ConfigError: If SRC has no such splits, or cannot be listed.
    """
    try:
        settings = read_settings(index.config)
    except DatasetError as error:
        report.add([str(error)])
        report.notes.append("no texture is decoded: the index does not say what to expect")
        return None
    origin = None
    if deep.source is None:
        report.notes.append(_NO_SOURCE)
    else:
        try:
            place = SourceSpec.of_card(deep.source, index.config, deep.endpoint)
            place = replace(place, labels=deep.labels)
            origin = _open_origin(place, index, plan, settings, report)
        except ConfigError as error:
            # Where the card is damaged, SRC may well be right.
            if not report.faults:
                raise
            report.notes.append(f"nothing is compared with SRC: {error}")
    return DeepCheck(deep, index, settings, origin, sink, report)


def _open_origin(
    source: SourceSpec, index: Index, plan: Plan | None, settings: Settings, report: VerifyReport
) -> Origin | None:
    """SRC; None where its pixels are not those that the data set was made of."""
    rule = index.config.get("decode_rule")
    if rule != DECODE_RULE:
        report.notes.append(
            f"photographs were decoded by {rule!r}, this texgen decodes by {DECODE_RULE!r}: "
            "nothing is compared with SRC"
        )
        return None
    if settings.format not in LOSSLESS:
        report.notes.append(
            f"{settings.format} changes colours a little: only those textures that are made "
            "anew are compared with their patches"
        )
    return Origin(source, index, plan, report, settings.limit)
