"""Options of a build: what it makes (fingerprinted), and how it runs (free to change on resume).

A field that is an option of `texgen build` holds its help text, range and choices in its metadata.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from texgen.core.keys import MAX_TEXTURES
from texgen.core.options import option

FORMAT_VERSION = 1
"""Version of the data set's files."""

FORMATS = ("png", "webp", "jpg")

JPEG_QUALITY = 95
"""Quality of JPEG textures unless ``--quality`` is given."""

ENGINES = ("fast", "embark", "embark-cli")
"""Engines that help texts and error messages list."""

DEFAULT_ENGINE = "fast"

UPSTREAM_ENGINE = "embark-cli"
"""Engine that runs a program which the user may name."""

STUB = "stub"
"""Engine that takes no time, for tests and benchmarks of everything else; it is not listed."""

CPU = "cpu"
GPU = "gpu"
DEVICES = (CPU, GPU, "auto")
"""What may make the textures of the engine `DEFAULT_ENGINE`; they are the same with each."""

TEXTURE_SIZE = 224
PATCH_SIZE = 96
SMALL_PATCH_SIZE = 48
MIN_SIZE = 16
MAX_SIZE = 4096
"""Largest side of a texture of any engine, px."""

_MAX_SIZES = {"fast": 1024}

SAMPLES_PER_SHARD = 512

MAX_WORKERS = 4096
"""More engine processes than any machine can use."""

_TIMEOUT_S = 120.0
"""Two orders of magnitude above the slowest engine's usual time for a texture of 224 px."""


@dataclass(frozen=True, slots=True)
class EngineIdentity:
    """What an engine's textures depend on, as the engine process itself reports it.

    Attributes:
        name: Value of ``--engine``.
        version: Version of the algorithm.
        parameters: All parameters by name.
        encoders: Name, version and settings of the encoder by image format.
    """

    name: str
    version: str
    parameters: Mapping[str, float]
    encoders: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class DatasetConfig:
    """Everything except the images that a data set's bytes depend on.

    Attributes:
        engine: Identity of the engine.
        decode_rule: Name of the rule by which files become pixels.
        quality: JPEG quality; None for the other formats.
        classes: Classes that are taken, sorted; None takes all.
        source_options: Options of SRC (`texgen.source.SOURCE_OPTIONS`) that are not the default.
    """

    engine: EngineIdentity
    decode_rule: str
    max_pixels: int = field(
        metadata={
            "help": "Number of pixels above which an image is not decoded and becomes a failed "
            "row.",
            "min": 1,
        }
    )
    size: int = option(
        TEXTURE_SIZE,
        f"Side of a texture, px; --engine fast makes up to {_MAX_SIZES['fast']} px.",
        min=MIN_SIZE,
        max=MAX_SIZE,
    )
    patch_size: int = option(PATCH_SIZE, "Side of the example patches, px.", min=1)
    small_patch_size: int = option(
        SMALL_PATCH_SIZE,
        "Side of the example patches of an image that is smaller than --patch-size, px.",
        min=1,
    )
    textures_per_image: int = option(1, "Number of textures per image.", min=1, max=MAX_TEXTURES)
    format: str = option(
        "png",
        "Image format of the textures. webp is lossless, jpg is stored as 4:4:4.",
        choices=FORMATS,
    )
    quality: int | None = option(
        None,
        f"JPEG quality, 1 to 100; only for jpg.  [default: {JPEG_QUALITY}]",
        min=1,
        max=100,
    )
    samples_per_shard: int = option(
        SAMPLES_PER_SHARD, "Number of textures in a shard, failed rows included.", min=1
    )
    seed: int = option(0, "Seed of the data set, from which each texture's seed is derived.")
    classes: tuple[str, ...] | None = option(
        None,
        "Classes to take: a file with one class per line, or imagenet100.  [default: all]",
    )
    limit: int | None = option(
        None,
        "Number of images to take from each split, in the order of their keys.  [default: all]",
        min=1,
    )
    source_options: Mapping[str, str] = field(default_factory=dict)

    def canonical(self) -> dict[str, Any]:
        """Returns the configuration as JSON types, for the fingerprint and the card."""
        config = asdict(self)
        engine = config.pop("engine")
        encoder = engine.pop("encoders")[self.format]
        if not config["source_options"]:
            # Data sets that were built before these options existed keep their fingerprints.
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
    """One of several independent builds that share one OUT.

    Attributes:
        number: Number of this part, 1 to ``count``.
        count: Number of parts.
    """

    number: int
    count: int

    @property
    def name(self) -> str:
        """Name of the part in file names, such as ``2-of-8``."""
        return f"{self.number}-of-{self.count}"

    def holds(self, position: int) -> bool:
        """Whether the shard at ``position`` among all shards belongs to this part."""
        # Parts take turns, so that all of them share a split whose images cost more.
        return position % self.count == self.number - 1


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a build runs; none of it changes a byte of the data set.

    Attributes:
        workers: Engine processes on each node; None starts one per processor.
        ray: Whether to run on Ray; otherwise the build runs in plain processes.
        ray_address: Address of a running cluster; None starts a local Ray.
        engine_bin: The upstream program, for ``embark-cli``.
        device: What makes the textures, one of `DEVICES`.
        gpus: Number of GPUs that work at once if ``device`` is not ``cpu``.
        sample_timeout_s: Time limit for one texture, s.
        sample_retries: Further attempts after an engine process failed on a sample.
        shard_attempts: Times that a shard is started before it counts as failed.
        stall_s: A shard without progress for this long is reported, and for twice as long
            started again, s.
        max_failures: Images that may fail: a number if an int, a share if a float.
        part: Part of the shards to build; None builds all of them.
        s3_endpoint: URL of the S3-compatible store that holds SRC or OUT; None is Amazon's.
    """

    workers: int | None = option(
        None,
        "Number of engine processes on each node.  [default: one per processor]",
        min=1,
        max=MAX_WORKERS,
    )
    ray: bool = True
    ray_address: str | None = option(
        None,
        "Address of a running Ray cluster: auto, ray://host:port or host:port.  "
        "[default: start a local Ray]",
    )
    engine_bin: str | None = option(
        None,
        f"Path of the program that --engine {UPSTREAM_ENGINE} runs.  "
        "[default: texture-synthesis on PATH]",
    )
    device: str = option(
        CPU,
        "What makes the textures: cpu, gpu (needs Vulkan or Metal), or auto: a GPU if one passes "
        "its self-test. The textures are the same.",
        choices=DEVICES,
    )
    gpus: int = option(1, "Number of GPUs of this machine to use.", min=1, max=64)
    sample_timeout_s: float = option(
        _TIMEOUT_S,
        f"Time limit for one texture, seconds.  [default: {_TIMEOUT_S:g} at {TEXTURE_SIZE} px, in "
        "proportion to the area]",
    )
    sample_retries: int = 2
    shard_attempts: int = 5
    stall_s: float = 600.0
    max_failures: int | float = option(
        0.01, "Number or percentage of images that may fail; if more fail, the exit code is 1."
    )
    part: Part | None = option(  # noqa: RUF009 - a field
        None,
        "Part of the shards to build, such as 2/8 for the second of eight; each part may run on "
        "its own machine.  [default: all shards]",
    )
    retry_failed: bool = option(
        False,
        "Retry the failed rows of earlier runs, for example after permissions or the engine were "
        "repaired. Finished textures stay. Images whose bytes changed need a new OUT.",
    )
    overwrite: bool = option(
        False, "Delete what texgen wrote in OUT before the build starts; asks first, unless --yes."
    )
    s3_endpoint: str | None = option(
        None,
        "URL of an S3-compatible store.  [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS]",
    )

    def failures_allowed(self, images: int) -> int:
        """Returns how many of ``images`` images may fail."""
        limit = self.max_failures
        # As a float 0.29 is a little less than 0.29; 29 of 100 images may fail nevertheless.
        return limit if isinstance(limit, int) else math.floor(images * limit + 1e-9)


def max_size(engine: str) -> int:
    """Returns the largest side of a texture that an engine makes, px."""
    return _MAX_SIZES.get(engine, MAX_SIZE)


def sample_timeout_s(size: int) -> float:
    """Returns the default time limit for a texture of ``size`` px, s; it grows with the area."""
    return max(_TIMEOUT_S, _TIMEOUT_S * (size / TEXTURE_SIZE) ** 2)
