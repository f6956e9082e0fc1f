"""Frames against bytes packed by hand, as ``wire.rs`` and ``serve.rs`` lay them out."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.core.errors import (
    EngineSampleError,
    RetryableEngineError,
    SampleError,
    WorkerGarbageError,
)
from texgen.synthesis.protocol import Hello, Job, decode_answer, decode_hello, encode_job

U64 = st.integers(0, 2**64 - 1)


def u32(number: int) -> bytes:
    return number.to_bytes(4, "little")


def u64(number: int) -> bytes:
    return number.to_bytes(8, "little")


def patch(height: int, width: int, first: int = 0) -> np.ndarray:
    numbers = np.arange(first, first + height * width * 3) % 256
    return numbers.astype(np.uint8).reshape(height, width, 3)


@given(
    U64, U64, st.integers(0, 2**32 - 1),
    st.sampled_from([(None, 0), ("png", 1), ("webp", 2), ("jpg", 3)]),
    st.none() | st.integers(1, 100), st.booleans(),
    st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=4),
)  # fmt: skip
def test_a_job_is_laid_out_as_the_worker_reads_it(job_id, seed, size, kind, quality, raw, sides):
    image_format, number = kind
    patches = tuple(patch(h, w, i) for i, (h, w) in enumerate(sides))
    body = b"\x02" + u64(job_id) + u64(seed) + u32(size)
    body += bytes([number, quality or 0, raw, len(sides)])
    for pixels, (height, width) in zip(patches, sides, strict=True):
        body += u32(width) + u32(height) + bytes(pixels.ravel().tolist())
    job = Job("name", patches, size, seed, image_format, quality, raw)
    assert encode_job(job_id, job) == u32(len(body)) + body


def test_a_patch_that_is_a_view_is_sent_in_row_order():
    whole = patch(6, 8)
    view = whole[1:5:2, ::-1]
    frame = encode_job(1, Job("n", (view,), 16, 0))
    assert frame[-len(view.tobytes()) :] == bytes(view.copy().ravel().tolist())


def test_as_many_patches_as_fit_the_count_are_sent():
    frame = encode_job(1, Job("n", (patch(1, 1),) * 255, 16, 0))
    assert frame[4 + 24] == 255
    assert len(frame) == 4 + 25 + 255 * 11


def texture(
    job_id: int,
    side: tuple[int, int],
    raw: bytes,
    encoded: bytes,
    times: tuple[int, ...] = (0,) * 4,
) -> bytes:
    head = b"\x03" + u64(job_id) + u32(side[0]) + u32(side[1]) + b"".join(map(u64, times))
    return head + u32(len(raw)) + raw + encoded


TIMES = (3_000_000_000, 20_000_000, 1_500_000_000, 250_000)


WITH_IMAGE = st.sampled_from(["png", "webp", "jpg"])


@given(U64, st.integers(1, 6), st.booleans(), st.none() | WITH_IMAGE, st.binary(min_size=1))
def test_a_texture_comes_back_as_the_worker_sent_it(job_id, size, raw, image_format, encoded):
    pixels = patch(size, size, 7)
    encoded = encoded if image_format else b""
    frame = texture(job_id, (size, size), pixels.tobytes() if raw else b"", encoded, TIMES)
    job = Job("n", (pixels,), size, 0, image_format, None, raw)
    found = decode_answer(frame, job_id, job)
    assert found.encoded == encoded
    assert (found.schedule_s, found.load_s) == (3, 0.02)
    assert (found.synthesis_s, found.encoding_s) == (1.5, 0.000_25)
    assert np.array_equal(found.pixels, pixels) if raw else found.pixels is None


def test_pixels_can_be_written_to():
    frame = texture(1, (2, 2), patch(2, 2).tobytes(), b"")
    decode_answer(frame, 1, Job("n", (), 2, 0, wants_raw=True)).pixels[0, 0] = 255


RAW = patch(4, 4).tobytes()
BOTH = Job("n", (), 4, 0, "png", None, True)
IMAGE = Job("n", (), 4, 0, "png")


@pytest.mark.parametrize(
    ("job", "frame"),
    [
        (BOTH, texture(8, (4, 4), RAW, b"png")),
        (BOTH, texture(7, (4, 5), RAW, b"png")),
        (BOTH, texture(7, (5, 4), RAW, b"png")),
        (BOTH, texture(7, (4, 4), RAW[:-1], b"png")),
        (BOTH, texture(7, (4, 4), RAW, b"")),
        (BOTH, texture(7, (4, 4), b"", b"png")),
        (BOTH, texture(7, (4, 4), RAW, b"")[:-1]),
        (IMAGE, texture(7, (4, 4), RAW, b"png")),
        (IMAGE, texture(7, (4, 4), b"", b"")),
        (Job("n", (), 4, 0, None, None, True), texture(7, (4, 4), RAW, b"png")),
        (Job("n", (), 4, 0, None, None, True), texture(7, (4, 4), RAW, b"")[:-1]),
        (IMAGE, texture(7, (4, 4), b"", b"png")[:30]),
        (IMAGE, b"\x03"),
        (IMAGE, b"\x04" + u64(7)),
        (IMAGE, b"\x04" + u64(8) + b"\x02text"),
        (IMAGE, b"\x04" + u64(7) + b"\x00text"),
        (IMAGE, b"\x04" + u64(7) + b"\x06text"),
        (IMAGE, b"\x01{}"),
        (IMAGE, b"\x02" + bytes(40)),
        (IMAGE, b"\x63" + bytes(40)),
        (IMAGE, b""),
    ],
)
def test_an_answer_that_does_not_fit_the_job_is_garbage(job, frame):
    with pytest.raises(WorkerGarbageError):
        decode_answer(frame, 7, job)


@given(st.binary(max_size=80))
def test_bytes_are_never_anything_but_a_sample_error(frame):
    with pytest.raises(SampleError):
        decode_answer(frame, 1, IMAGE)


@pytest.mark.parametrize(
    ("code", "kind", "name", "retryable"),
    [
        (1, WorkerGarbageError, "engine_garbage", True),
        (2, EngineSampleError, "engine_rejected", False),
        (3, EngineSampleError, "engine_panicked", False),
        (4, RetryableEngineError, "engine_failed", True),
        (5, EngineSampleError, "encoding_failed", False),
    ],
)
def test_a_workers_fault_is_an_error_of_its_kind(code, kind, name, retryable):
    frame = b"\x04" + u64(7) + bytes([code]) + "zu groß\xff".encode("latin-1")
    with pytest.raises(kind) as caught:
        decode_answer(frame, 7, IMAGE)
    assert caught.value.code == name
    assert caught.value.detail.startswith("zu gro")
    assert isinstance(caught.value, RetryableEngineError) == retryable


HELLO = {
    "protocol": 1, "worker": "0.1.0", "engine": "stub", "engine_version": "1",
    "parameters": {"k": 50.0}, "encoders": {"png": "png 1"},
}  # fmt: skip


def test_a_hello_tells_what_the_worker_is():
    found = decode_hello(b"\x01" + json.dumps(HELLO).encode())
    assert found == Hello(1, "0.1.0", "stub", "1", {"k": 50.0}, {"png": "png 1"}, None)
    found = decode_hello(b"\x01" + json.dumps({**HELLO, "kernel": "avx2"}).encode())
    assert found.kernel == "avx2"


@pytest.mark.parametrize(
    "frame",
    [
        b"", b"\x02{}", b"\x01", b"\x01{}", b"\x01[]", b"\x01\xff", b"\x01null",
        b"\x01" + json.dumps({**HELLO, "extra": 1}).encode(),
        b"\x01" + json.dumps({k: v for k, v in HELLO.items() if k != "engine"}).encode(),
    ],
)  # fmt: skip
def test_what_is_no_hello_is_garbage(frame):
    with pytest.raises(WorkerGarbageError):
        decode_hello(frame)
