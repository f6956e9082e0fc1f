"""What a build makes (fingerprinted) and how it runs (free to change on resume)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from json.encoder import encode_basestring_ascii as _quoted
from typing import Any

FORMAT_VERSION = 1
"""Version of what is on disk."""

FORMATS = ("png", "webp", "jpg")

ENGINES = ("fast", "embark", "embark-cli")
"""Those that users are offered, wherever a list of them is shown."""

DEFAULT_ENGINE = "fast"

UPSTREAM_ENGINE = "embark-cli"
"""The one that runs a program which the user may name."""

STUB = "stub"
"""Not offered: it takes no time, for tests and benchmarks of everything else."""

MAX_SIZE = 4096
"""Largest side of a texture of any engine, px."""

_MAX_SIZES = {"fast": 1024}

_SECONDS_AT_224 = 120.0
"""Two orders of magnitude above the slowest engine's usual time for a 224 px texture."""


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What an engine's textures depend on, as the engine process itself reports it.

    Attributes:
        name: As given to ``--engine``.
        version: Of the algorithm.
        parameters: Every parameter by name.
        encoders: Image format to the encoder's name, version and settings.
    """

    name: str
    version: str
    parameters: Mapping[str, float]
    encoders: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DatasetConfig:
    """Everything but the photographs that a data set's bytes depend on.

    Attributes:
        engine: Identity of the engine.
        size: Side of the textures, px.
        patch_size: Side of the example patches, px.
        small_patch_size: Side where the photograph is too small for ``patch_size``.
        textures_per_image: T.
        format: ``png``, ``webp`` or ``jpg``.
        quality: Of JPEG, 1 to 100; None for the other formats.
        samples_per_shard: Rows planned a shard.
        seed: Run seed.
        max_pixels: A larger photograph is a failed row.
        decode_rule: Name of the rule from files to pixels.
        classes: Those that are taken, sorted; None is all.
        limit: First photographs in key order that are taken of each split; None is all.
        source_options: How SRC is read, where that is not as usual.
    """

    engine: EngineIdentity
    decode_rule: str
    max_pixels: int
    size: int = 224
    patch_size: int = 96
    small_patch_size: int = 48
    textures_per_image: int = 1
    format: str = "png"
    quality: int | None = None
    samples_per_shard: int = 512
    seed: int = 0
    classes: tuple[str, ...] | None = None
    limit: int | None = None
    source_options: Mapping[str, str] = field(default_factory=dict)

    def canonical(self) -> dict[str, Any]:
        """The configuration as JSON types, for the fingerprint and the card."""
        config = asdict(self)
        engine = config.pop("engine")
        encoder = engine.pop("encoders")[self.format]
        if not config["source_options"]:
            # Data sets of before there were any keep their fingerprints.
            del config["source_options"]
        return {
            **config,
            "classes": None if self.classes is None else list(self.classes),
            "format_version": FORMAT_VERSION,
            "engine": engine["name"],
            "engine_version": engine["version"],
            "engine_parameters": engine["parameters"],
            "encoder": encoder,
        }


@dataclass(frozen=True, slots=True)
class Part:
    """One of several builds, each without the others' knowledge, that share one OUT.

    Attributes:
        number: 1 to ``count``.
        count: How many there are.
    """

    number: int
    count: int

    @property
    def name(self) -> str:
        """``2-of-8``, for files."""
        return f"{self.number}-of-{self.count}"

    def holds(self, position: int) -> bool:
        """Whether the shard at ``position`` among all of them is this part's."""
        # In turn, so that a split whose photographs cost more is shared by all parts.
        return position % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a build runs; none of it changes a byte of the data set.

    Attributes:
        workers: Engine processes on each node; None is one for each processor.
        ray: Whether to run on Ray, or in plain processes.
        ray_address: Of a running cluster; None starts a local Ray.
        engine_bin: The upstream program, for ``embark-cli``.
        sample_timeout_s: For one texture.
        sample_retries: Further tries after an engine process failed on a sample.
        shard_attempts: Times that a shard is given out before it counts as failed.
        stall_s: A shard without progress for this long is named, and for twice as long
            given out again.
        max_failures: Photographs that may fail: a number if an int, a share if a float.
        part: Of the shards; None is all of them.
        retry_failed: Whether failed rows of earlier runs are tried again.
        overwrite: Whether what OUT holds is thrown away first.
        s3_endpoint: URL of an S3-compatible store that SRC or OUT is in; None is Amazon's.
    """

    workers: int | None = None
    ray: bool = True
    ray_address: str | None = None
    engine_bin: str | None = None
    sample_timeout_s: float = 120.0
    sample_retries: int = 2
    shard_attempts: int = 5
    stall_s: float = 600.0
    max_failures: int | float = 0.01
    part: Part | None = None
    retry_failed: bool = False
    overwrite: bool = False
    s3_endpoint: str | None = None

    def failures_allowed(self, images: int) -> int:
        """Photographs out of ``images`` that may fail."""
        limit = self.max_failures
        # A share of 0.29 is a little less than that as a float; 29 of 100 may fail all the same.
        return limit if isinstance(limit, int) else math.floor(images * limit + 1e-9)


def max_size(engine: str) -> int:
    """Largest side of a texture that an engine makes, px."""
    return _MAX_SIZES.get(engine, MAX_SIZE)


def sample_timeout_s(size: int) -> float:
    """Time-out for one texture of ``size`` px where none is named: it grows with the area."""
    return max(_SECONDS_AT_224, _SECONDS_AT_224 * (size / 224) ** 2)


def canonical_json(value: Any) -> bytes:  # noqa: ANN401 - any JSON value
    """JSON with sorted keys, without white space, in ASCII: one text for one value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def fingerprint(config: Mapping[str, Any], sources: Mapping[str, str]) -> str:
    """SHA-256, hex, of what a data set is made of.

    Args:
        config: `DatasetConfig.canonical`.
        sources: Split name to the digest of its photographs (`SourceDigest`).
    """
    return hashlib.sha256(canonical_json({"config": config, "sources": sources})).hexdigest()


class SourceDigest:
    """SHA-256 over the (key, source, bytes, label) of a split's photographs, in key order."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, key: str, source: str, size: int, label: int | None) -> None:
        """Takes the next photograph in."""
        # `canonical_json` of the list; that would set up an encoder for each photograph.
        number = "null" if label is None else label
        line = f"[{_quoted(key)},{_quoted(source)},{size},{number}]\n"
        self._hash.update(line.encode("ascii"))

    def hexdigest(self) -> str:
        """The digest of all photographs so far."""
        return self._hash.hexdigest()


def differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between two canonical configurations, a plain phrase each."""
    return [
        f"{name} was {_said(old.get(name))} and is now {_said(new.get(name))}"
        for name in sorted({*old, *new})
        if old.get(name) != new.get(name)
    ]


def _said(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return "not set" if value is None else repr(value)
