"""Frames between texgen and its engine processes; ``docs/formats.md`` describes them.

The worker's side is in ``rust_bridge/worker/src/`` (wire.rs, job.rs).
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

PROTOCOL = 4
"""Version of the frames; a worker with another version is refused."""

MAX_FRAME = 1 << 30
"""Longest frame that is accepted from a worker, in bytes."""

MAX_JOB = 256 << 20
"""Longest frame that a worker accepts, in bytes."""

LENGTH = struct.Struct("<I")
HELLO, JOB, TEXTURE, ERROR = 1, 2, 3, 4

_JOB = struct.Struct("<BQQIBBBB")
_SIDES = struct.Struct("<II")
_TEXTURE = struct.Struct("<BQIIQQQQI")
_ERROR = struct.Struct("<BQB")
_ANSWERED = struct.Struct("<BQ")
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
    """Request for one texture.

    Attributes:
        name: Name of the texture in the log.
        patches: 1 to 255 example patches, (h, w, 3) uint8 each.
        size: Side of the texture in px.
        seed: Seed of the texture in [0, 2**64).
        image_format: Format of the encoded texture; None for no encoding.
        quality: JPEG quality, 1 to 100.
        wants_raw: Whether the answer holds the pixels too.
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
    """Texture that an engine synthesised for a `Job`.

    Attributes:
        encoded: Image file; empty if none was requested.
        pixels: (size, size, 3) uint8; None if not requested.
        schedule_s: Time in seconds for work that textures of one size share; 0 if done before.
        load_s: Time in seconds to convert the patches to the engine's form.
        synthesis_s: Time in seconds for the rest of the synthesis.
        encoding_s: Time in seconds in the encoder.
    """

    encoded: bytes
    pixels: Pixels | None
    schedule_s: float
    load_s: float
    synthesis_s: float
    encoding_s: float


STEPS = ("schedule_s", "load_s", "synthesis_s", "encoding_s")
"""Fields of a `Texture` that hold the time of a step."""


@dataclass(frozen=True, slots=True)
class Hello:
    """First frame that a worker sends.

    Attributes:
        protocol: Version of the worker's frames.
        worker: Version of the worker.
        engine: Name of its engine.
        engine_version: Version of the algorithm.
        parameters: Parameters of the algorithm, by name.
        encoders: Encoder and its version, by image format.
        kernel: Name of the implementation that runs on this processor; None if the engine has one
            only. Textures do not depend on it.
        device: Name of the GPU that makes the textures; None if the processor makes them.
        capacity: Number of jobs that the worker accepts before it answers the first.
    """

    protocol: int
    worker: str
    engine: str
    engine_version: str
    parameters: dict[str, float]
    encoders: dict[str, str]
    kernel: str | None = None
    device: str | None = None
    capacity: int = 1


def encode_job(job_id: int, job: Job) -> bytes:
    """Returns the frame of a job, preceded by its length.

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


def answered_id(frame: bytes) -> int:
    """Returns the number of the job that a frame answers.

    Raises:
        WorkerGarbageError: If the frame is too short to name one.
    """
    if len(frame) < _ANSWERED.size:
        raise WorkerGarbageError("engine_garbage", f"an answer of {len(frame)} bytes")
    _, job_id = _ANSWERED.unpack_from(frame)
    return int(job_id)


def decode_answer(frame: bytes, job_id: int, job: Job) -> Texture:
    """Parses the answer to ``job``.

    Raises:
        SampleError: If the worker reports an error.
        WorkerGarbageError: If the frame is not a valid answer to this job.
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
    expected = job.size * job.size * 3 if job.wants_raw else 0
    fits = (answered, width, height, raw) == (job_id, job.size, job.size, expected)
    end = _TEXTURE.size + raw
    if not fits or len(frame) < end or (job.image_format is not None) != (len(frame) > end):
        raise WorkerGarbageError("engine_garbage", f"a texture that does not fit job {job_id}")
    pixels: Any = None
    if job.wants_raw:
        view = np.frombuffer(frame, np.uint8, raw, _TEXTURE.size)
        # A copy, since an array of the frame's own bytes could not be written to.
        pixels = view.reshape(height, width, 3).copy()
    return Texture(frame[end:], pixels, *(time / 1e9 for time in times))
