"""Rebuilds a random sample of the textures and compares them byte for byte."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from texgen.core.config import sample_timeout_s
from texgen.core.decode import DECODE_RULE, decode
from texgen.core.errors import (
    DatasetError,
    EngineStartError,
    ImageError,
    RetryableEngineError,
    SampleError,
    SourceChangedError,
    SourceReadError,
)
from texgen.core.fingerprint import differences
from texgen.core.types import ImageEntry
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.reader import Dataset
from texgen.source import Source
from texgen.synthesis import EnginePool, EngineSpec, Job, Texture, identify
from texgen.synthesis.patches import make_job
from texgen.verify.findings import VerifyReport
from texgen.verify.textures import TextureSettings


@dataclass(frozen=True, slots=True)
class SampledTexture:
    """A texture of the sample, with the image that it is made of."""

    split: str
    row: ManifestRow
    entry: ImageEntry

    @property
    def key(self) -> str:
        """Key of the texture."""
        return str(self.row["key"])


class TextureSampler:
    """Chooses a uniform sample of textures, whatever their order: those with the least hashes."""

    def __init__(self, count: int, seed: int) -> None:
        self._count = count
        self._seed = seed
        # The first element of a `heapq` is its least; ranks are negated to drop the greatest.
        self._heap: list[tuple[int, int, SampledTexture]] = []
        self._added = 0

    def add(self, split: str, row: ManifestRow, entry: ImageEntry) -> None:
        """Adds a texture to choose from."""
        message = f"{self._seed}\0{split}\0{row['key']}".encode()
        digest = blake2b(message, digest_size=8, person=b"texgen-verify").digest()
        rank = int.from_bytes(digest, "little")
        self._added += 1
        item = (-rank, self._added, SampledTexture(split, row, entry))
        push = heapq.heappush if len(self._heap) < self._count else heapq.heappushpop
        push(self._heap, item)

    def chosen(self) -> list[SampledTexture]:
        """Returns the sample in key order, in which textures of a shard are adjacent."""
        textures = (item[-1] for item in self._heap)
        return sorted(textures, key=lambda texture: (texture.split, texture.key))


def engine_note(config: Mapping[str, Any]) -> str | None:
    """Returns the reason that no texture can be rebuilt, as a note; None if it can."""
    name = config["engine"]
    if not EngineSpec(name).deterministic:
        return f"{name} is threaded, so no texture can be rebuilt for comparison"
    difference = installed_difference(config)
    return f"no texture is rebuilt: {difference}" if difference else None


def installed_difference(config: Mapping[str, Any]) -> str | None:
    """Returns how the installed software differs from the build's; None if it does not."""
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


def rebuild(
    sample: Sequence[SampledTexture],
    dataset: Dataset,
    source: Source,
    settings: TextureSettings,
    report: VerifyReport,
    workers: int,
    engine: EngineSpec,
) -> Iterator[tuple[SampledTexture, str | None]]:
    """Rebuilds textures from SRC, compares their bytes, and yields each with its fault, or None.

    ``report`` counts them, and notes those that could not be rebuilt.
    """
    timeout_s = sample_timeout_s(settings.size)
    with EnginePool(engine, min(workers, len(sample)), timeout_s=timeout_s) as pool:
        jobs = ((texture, _job(texture, source, settings)) for texture in sample)
        for texture, result in pool.map(jobs):
            yield texture, _fault(texture, result, dataset, report)


def _job(texture: SampledTexture, source: Source, settings: TextureSettings) -> Job | None:
    try:
        image = decode(source.read(texture.entry), settings.max_pixels)
    except (ImageError, SourceReadError, SourceChangedError):
        # The check of its row has reported it.
        return None
    seed, size = texture.row["seed"], settings.size
    job, _ = make_job(
        texture.key, image, seed, settings.rule, size, settings.format, settings.quality
    )
    return job


def _fault(
    texture: SampledTexture,
    result: Texture | SampleError | None,
    dataset: Dataset,
    report: VerifyReport,
) -> str | None:
    if result is None:
        return None
    if isinstance(result, RetryableEngineError):
        report.notes.append(f"{texture.key} could not be rebuilt: {result}")
        return None
    if isinstance(result, SampleError):
        return f"cannot be rebuilt: {result}"
    try:
        stored = dataset.image(texture.row)
    except DatasetError:
        # Its shard is damaged, which is reported already.
        return None
    report.remade += 1
    if result.encoded == stored:
        return None
    config = dataset.index.config
    engine = f"{config['engine']} {config['engine_version']}"
    return f"is not the texture that {engine} makes of its patches and seed"
