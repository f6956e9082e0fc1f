"""`texgen verify --deep`: checks the textures themselves, not only what the index lists."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import PIL

from texgen.core.config import CPU
from texgen.core.decode import DECODE_RULE
from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import shard_path
from texgen.dataset.index import Index, SplitIndex
from texgen.dataset.plan import Plan
from texgen.dataset.reader import Dataset
from texgen.source import SourceSpec
from texgen.storage import Sink
from texgen.synthesis import EngineSpec
from texgen.synthesis.devices import engine_on
from texgen.verify.findings import CheckCounter, OnVerifyProgress, VerifyProgress, VerifyReport
from texgen.verify.manifests import rows_by_shard
from texgen.verify.pixel_checks import ShardInspection
from texgen.verify.remake import TextureSampler, engine_note, rebuild
from texgen.verify.shards import ShardCheck
from texgen.verify.source_checks import ShardWithImages, SourceCheck
from texgen.verify.textures import LOSSLESS, TextureSettings, read_settings

_NO_SOURCE = (
    "textures are only decoded: --src SRC also compares rows and pixels with the images, "
    "and rebuilds some textures"
)


@dataclass(frozen=True, slots=True)
class DeepOptions:
    """Options of a deep check.

    Attributes:
        source: SRC, or None to decode textures only.
        sample: Number of textures that are rebuilt, with SRC.
        sample_seed: Seed that chooses them.
        endpoint: Endpoint of SRC; see `texgen.source.SourceSpec`.
        labels: Path of the labels of flat splits, as in the build; None if there were none.
        device: What rebuilds them, one of `texgen.core.config.DEVICES`.
    """

    source: str | None
    sample: int
    sample_seed: int
    endpoint: str | None = None
    labels: str | None = None
    device: str = CPU


@dataclass
class DeepCheck:
    """Decodes every texture, and compares it with SRC if SRC is given."""

    options: DeepOptions
    index: Index
    settings: TextureSettings
    source_check: SourceCheck | None
    sink: Sink
    report: VerifyReport
    engine: EngineSpec
    counter: CheckCounter = field(default_factory=CheckCounter)

    def __post_init__(self) -> None:
        count = self.options.sample if self.source_check else 0
        self._sampler = TextureSampler(count, self.options.sample_seed)

    def works(self, name: str, split: SplitIndex) -> Iterator[ShardCheck]:
        """Yields a split's shards, each with the inspection of its textures."""
        check = self.source_check
        shards: Iterable[ShardWithImages]
        if check is None:
            shards = ((file, rows, {}) for file, rows in rows_by_shard(split, self.sink))
        else:
            shards = check.shards(name, split, self.sink)
        source = check.source if check else None
        for number, (file, rows, entries) in enumerate(shards):
            inspection = ShardInspection(file.path, self.settings, self.counter, source, entries)
            # A forged index must not name other files for deletion.
            if file.path == shard_path(name, number):
                for row in rows:
                    entry = inspection.entry(row)
                    if entry is not None and row["status"] == "ok":
                        self._sampler.add(name, row, entry)
            yield ShardCheck(file, rows, inspection)

    def finish(self, workers: int, progress: OnVerifyProgress) -> None:
        """Checks the fingerprint and rebuilds the sample, after the last shard."""
        report = self.report
        if self.source_check is not None:
            self.source_check.check_fingerprint()
            self._rebuild(self.source_check, workers, progress)
        report.decoded, report.photographs = self.counter.decoded, self.counter.images
        if self.counter.mismatches:
            report.notes.append(
                "if OUT was built with another Pillow, or embark with another C library, the same "
                f"images may give other pixels; this Pillow is {PIL.__version__}"
            )

    def _rebuild(self, source_check: SourceCheck, workers: int, progress: OnVerifyProgress) -> None:
        sample, report = self._sampler.chosen(), self.report
        if not sample:
            return
        if note := engine_note(self.index.config):
            report.notes.append(note)
            return
        report.sample_seed = self.options.sample_seed
        source, settings = source_check.source, self.settings
        dataset = Dataset(self.sink)
        textures = rebuild(sample, dataset, source, settings, report, workers, self.engine)
        progress(VerifyProgress(0, len(sample), len(report.faults), rebuilding=True))
        for number, (texture, fault) in enumerate(textures):
            if fault:
                report.add([f"{texture.row['shard']}: {texture.key} {fault}"])
                report.unlike_src.append(texture.row["shard"])
                self.counter.add(mismatches=1)
            progress(VerifyProgress(number + 1, len(sample), len(report.faults), rebuilding=True))


def open_deep(
    deep: DeepOptions, index: Index, plan: Plan | None, sink: Sink, report: VerifyReport
) -> DeepCheck | None:
    """Prepares a deep check; returns None if the index lacks settings that it needs.

    Raises:
        ConfigError: If SRC does not have the splits of the data set, or cannot be listed.
        EngineStartError: If no GPU can rebuild textures and one must.
    """
    try:
        settings = read_settings(index.config)
    except DatasetError as error:
        report.add([str(error)])
        report.notes.append("no texture is decoded, since the index lacks settings of the textures")
        return None
    source_check = _open_source(deep, index, plan, settings, report)
    rebuilds = source_check is not None and deep.sample > 0
    # It is found out before hours of decoding; kept until then, it would hold the card's memory.
    chosen = engine_on(EngineSpec(index.config["engine"]), deep.device if rebuilds else CPU)
    if chosen.note:
        report.notes.append(chosen.note)
    return DeepCheck(deep, index, settings, source_check, sink, report, chosen.engine)


def _open_source(
    deep: DeepOptions,
    index: Index,
    plan: Plan | None,
    settings: TextureSettings,
    report: VerifyReport,
) -> SourceCheck | None:
    """Opens SRC; returns None, which a note explains, if nothing can be compared with it."""
    if deep.source is None:
        report.notes.append(_NO_SOURCE)
        return None
    rule = index.config.get("decode_rule")
    try:
        spec = SourceSpec.from_card(deep.source, index.config, deep.endpoint)
        if rule != DECODE_RULE:
            report.notes.append(
                f"images were decoded by {rule!r}, this texgen decodes by {DECODE_RULE!r}: "
                "nothing is compared with SRC"
            )
            return None
        if settings.format not in LOSSLESS:
            report.notes.append(
                f"{settings.format} changes colours slightly: only textures that are rebuilt are "
                "compared with their patches"
            )
        spec = replace(spec, labels=deep.labels)
        return SourceCheck(spec, index, plan, report, settings.limit)
    except ConfigError as error:
        # If the index is damaged, SRC may well be right.
        if not report.faults:
            raise
        report.notes.append(f"nothing is compared with SRC: {error}")
        return None
