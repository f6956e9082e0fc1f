"""Frames between texgen and its engine processes; ``docs/formats.md`` has the layout.

The other side is ``rust_bridge/worker/src/`` (wire.rs, job.rs).
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np

from texgen.core.errors import (
    EngineSampleError,
    RetryableEngineError,
    SampleError,
    WorkerGarbageError,
)
from texgen.core.types import Pixels

PROTOCOL = 2
"""Version of the frames; another one in a worker's hello is refused."""

MAX_FRAME = 1 << 30
"""Longest frame that is believed, in bytes."""

MAX_JOB = 256 << 20
"""Longest frame that a worker takes, in bytes."""

LENGTH = struct.Struct("<I")
HELLO, JOB, TEXTURE, ERROR = 1, 2, 3, 4

_JOB = struct.Struct("<BQQIBBBB")
_SIDES = struct.Struct("<II")
_TEXTURE = struct.Struct("<BQIIQQQQI")
_ERROR = struct.Struct("<BQB")
_FORMATS = {None: 0, "png": 1, "webp": 2, "jpg": 3}

_FAULTS: dict[int, tuple[type[SampleError], str]] = {
    1: (WorkerGarbageError, "engine_garbage"),
    2: (EngineSampleError, "engine_rejected"),
    3: (EngineSampleError, "engine_panicked"),
    4: (RetryableEngineError, "engine_failed"),
    5: (EngineSampleError, "encoding_failed"),
}


@dataclass(frozen=True, slots=True)
class Job:
    """One texture to make.

    Attributes:
        name: For the log.
        patches: (h, w, 3) uint8 each, 1 to 255 of them.
        size: Side of the texture, px.
        seed: Of the texture, in [0, 2**64).
        image_format: Encoding wanted, or None.
        quality: Of JPEG, 1 to 100.
        wants_raw: Whether the pixels are wanted too.
    """

    name: str
    patches: tuple[Pixels, ...]
    size: int
    seed: int
    image_format: str | None = None
    quality: int | None = None
    wants_raw: bool = False


@dataclass(frozen=True, slots=True)
class Texture:
    """What the engine made of a `Job`.

    Attributes:
        encoded: The image file; empty where none was wanted.
        pixels: (size, size, 3) uint8, or None where not wanted.
        schedule_s: Time for what textures of the same sides share; 0 where it was there.
        load_s: Time to bring the patches into the engine's form.
        synthesis_s: Time in the engine beyond these.
        encoding_s: Time in the encoder.
    """

    encoded: bytes
    pixels: Pixels | None
    schedule_s: float
    load_s: float
    synthesis_s: float
    encoding_s: float


@dataclass(frozen=True, slots=True)
class Hello:
    """A worker's first frame.

    Attributes:
        protocol: Version of its frames.
        worker: Its version.
        engine: Name of its engine.
        engine_version: Version of the algorithm.
        parameters: Of the algorithm.
        encoders: Image format to encoder.
    """

    protocol: int
    worker: str
    engine: str
    engine_version: str
    parameters: dict[str, float]
    encoders: dict[str, str]


def encode_job(job_id: int, job: Job) -> bytes:
    """The frame of a job, with its length in front.

    Raises:
        EngineSampleError: If the patches are too large for a frame.
    """
    image_format = _FORMATS[job.image_format]
    head = _JOB.pack(
        JOB, job_id, job.seed, job.size, image_format, job.quality or 0, job.wants_raw,
        len(job.patches),
    )  # fmt: skip
    parts = [head]
    for patch in job.patches:
        height, width = patch.shape[:2]
        parts += [_SIDES.pack(width, height), np.ascontiguousarray(patch).tobytes()]
    length = sum(map(len, parts))
    if length > MAX_JOB:
        raise EngineSampleError(
            "engine_rejected", f"{length >> 20} MiB of patches, {MAX_JOB >> 20} at most"
        )
    return b"".join([LENGTH.pack(length), *parts])


def decode_hello(frame: bytes) -> Hello:
    """Parses a worker's first frame.

    Raises:
        WorkerGarbageError: If it is not a hello.
    """
    if frame[:1] != bytes([HELLO]):
        raise WorkerGarbageError("engine_garbage", "no hello")
    try:
        return Hello(**json.loads(frame[1:]))
    except (ValueError, TypeError) as error:
        raise WorkerGarbageError("engine_garbage", f"hello: {error}") from error


def decode_answer(frame: bytes, job_id: int, job: Job) -> Texture:
    """Parses the answer to ``job``.

    Raises:
        SampleError: What the worker says went wrong.
        WorkerGarbageError: If the frame is not an answer to this job.
    """
    try:
        if frame[:1] == bytes([TEXTURE]):
            return _texture(frame, job_id, job)
        fault = _fault(frame, job_id)
    except struct.error as error:
        raise WorkerGarbageError("engine_garbage", str(error)) from error
    raise fault


def _fault(frame: bytes, job_id: int) -> SampleError:
    kind, answered, code = _ERROR.unpack_from(frame)
    text = frame[_ERROR.size :].decode("utf-8", "replace")
    if kind != ERROR or answered != job_id or code not in _FAULTS:
        return WorkerGarbageError("engine_garbage", f"frame {kind}, code {code}, job {answered}")
    error, name = _FAULTS[code]
    return error(name, text)


def _texture(frame: bytes, job_id: int, job: Job) -> Texture:
    _, answered, width, height, *times, raw = _TEXTURE.unpack_from(frame)
    body = frame[_TEXTURE.size :]
    expected = job.size * job.size * 3 if job.wants_raw else 0
    fits = (answered, width, height, raw) == (job_id, job.size, job.size, expected)
    if not fits or len(body) < raw or (job.image_format is not None) != (len(body) > raw):
        raise WorkerGarbageError("engine_garbage", f"a texture that does not fit job {job_id}")
    pixels: Any = None
    if job.wants_raw:
        pixels = np.frombuffer(body[:raw], np.uint8).reshape(height, width, 3).copy()
    return Texture(body[raw:], pixels, *(time / 1e9 for time in times))
