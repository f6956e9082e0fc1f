"""A random sample of the textures, made anew and compared byte for byte."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

from texgen.core.config import differences, sample_timeout_s
from texgen.core.errors import (
    DatasetError,
    EngineStartError,
    ImageError,
    RetryableEngineError,
    SampleError,
    SourceChangedError,
    SourceReadError,
)
from texgen.core.types import ImageEntry
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.reader import Dataset
from texgen.source import Source
from texgen.source.decode import DECODE_RULE
from texgen.synthesis import EnginePool, EngineSpec, Job, Texture, identify
from texgen.synthesis.patches import mirror_to_minimum
from texgen.verify.pixel_checks import DecodedOriginals, patches_of
from texgen.verify.textures import Settings


@dataclass(frozen=True, slots=True, order=True)
class SampledTexture:
    """A texture that is to be made anew; sorted by a hash of seed and key."""

    rank: int
    split: str
    key: str
    row: ManifestRow = field(compare=False)
    entry: ImageEntry = field(compare=False)


class TextureSample:
    """Draws textures evenly, whatever their order: those whose hashes are least.

    Args:
        count: How many.
        seed: Another one draws others.
    """

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        # `heapq` has its least element first; here the greatest must go.
        self._heap: list[tuple[int, int, SampledTexture]] = []
        self._offered = 0

    def offer(self, split: str, row: ManifestRow, entry: ImageEntry) -> None:
        """Takes the next texture in."""
        message = f"{self._seed}\0{split}\0{row['key']}".encode()
        digest = blake2b(message, digest_size=8, person=b"texgen-verify").digest()
        rank = int.from_bytes(digest, "little")
        self._offered += 1
        item = (-rank, self._offered, SampledTexture(rank, split, row["key"], row, entry))
        if len(self._heap) < self._count:
            heapq.heappush(self._heap, item)
        elif self._heap and item > self._heap[0]:
            heapq.heapreplace(self._heap, item)

    def drawn(self) -> list[SampledTexture]:
        """The sample, in key order, in which a shard's textures lie side by side."""
        return sorted((item[-1] for item in self._heap), key=lambda drawn: (drawn.split, drawn.key))


def engine_note(config: Mapping[str, Any]) -> str | None:
    """Why no texture can be made anew as the data set's were, or None where it can."""
    name = config["engine"]
    if not EngineSpec(name).deterministic:
        return f"{name} is threaded, so that no texture can be made anew for comparison"
    why = installed_difference(config)
    return f"no texture is made anew: {why}" if why else None


def installed_difference(config: Mapping[str, Any]) -> str | None:
    """Why a build with what is installed here is not the same, or None where it is."""
    name = config["engine"]
    try:
        identity = identify(EngineSpec(name))
    except EngineStartError as error:
        return str(error)
    installed = {
        "engine_version": identity.version,
        "engine_parameters": dict(identity.parameters),
        "encoder": identity.encoders.get(config["format"]),
        "decode_rule": DECODE_RULE,
    }
    changes = differences({field: config.get(field) for field in installed}, installed)
    return f"the installed texgen's {name} is another: {'; '.join(changes)}" if changes else None


class Remaker:
    """Makes textures anew from SRC and compares their bytes.

    Args:
        dataset: OUT.
        source: SRC.
        settings: Of the data set.

    Attributes:
        made: Textures compared so far.
        notes: Of those that could not be.
    """

    def __init__(self, dataset: Dataset, source: Source, settings: Settings) -> None:
        self._dataset = dataset
        self._source = source
        self._settings = settings
        self.made = 0
        self.notes: list[str] = []

    def compare(
        self, drawn: Sequence[SampledTexture], workers: int
    ) -> Iterator[tuple[SampledTexture, str | None]]:
        """Each of the drawn textures with what is wrong with it, or None."""
        spec = EngineSpec(self._dataset.index.config["engine"])
        timeout_s = sample_timeout_s(self._settings.size)
        with EnginePool(spec, min(workers, len(drawn)), timeout_s=timeout_s) as pool:
            for item, result in pool.map((item, self._job(item)) for item in drawn):
                yield item, self._difference(item, result)

    def _job(self, drawn: SampledTexture) -> Job | None:
        settings = self._settings
        entries = {drawn.entry.key: drawn.entry}
        try:
            image = DecodedOriginals(self._source, settings, entries).pixels(drawn.entry)
        except (SourceReadError, SourceChangedError):
            return None
        # Whatever keeps a photograph from being read was found when its row was checked.
        if isinstance(image, ImageError):
            return None
        seed = drawn.row["seed"]
        patches = patches_of(image, seed, settings)
        examples = (mirror_to_minimum(patches.center), mirror_to_minimum(patches.random))
        return Job(drawn.key, examples, settings.size, seed, settings.format, settings.quality)

    def _difference(
        self, drawn: SampledTexture, result: Texture | SampleError | None
    ) -> str | None:
        if result is None:
            return None
        if isinstance(result, RetryableEngineError):
            self.notes.append(f"{drawn.key} could not be made anew: {result}")
            return None
        if isinstance(result, SampleError):
            return f"cannot be made anew: {result}"
        try:
            there = self._dataset.image(drawn.row)
        except DatasetError:
            # Its shard is damaged, which has been told.
            return None
        self.made += 1
        if result.encoded == there:
            return None
        config = self._dataset.index.config
        engine = f"{config['engine']} {config['engine_version']}"
        return f"is not the texture that {engine} makes of its patches and seed"
