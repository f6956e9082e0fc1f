"""The device, the identity of its textures with the processor's, and their rates."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from machine import facts
from PIL import Image
from settings import Settings, patch_sizes

import texgen
from texgen.core.cpus import available_cpus
from texgen.core.errors import EngineStartError, SampleError
from texgen.core.seeds import texture_seed
from texgen.synthesis import EnginePool, EngineSpec, Job, Texture
from texgen.synthesis.process import running_engine

GPU, CPU = EngineSpec("fast", device="gpu"), EngineSpec("fast")


def device(settings: Settings) -> Iterator[dict[str, Any]]:
    """Names the machine and its cards, and the time of a worker's start with its self-test."""
    found = facts()
    yield found
    started = time.perf_counter()
    try:
        with running_engine(GPU) as process:
            found["start_s"] = time.perf_counter() - started
            found["device"] = process.hello.device
            found["capacity"] = process.hello.capacity
    except EngineStartError as error:
        found["no device"] = str(error)
    yield found


def device_line(found: dict[str, Any]) -> str:
    """The machine and the device in words."""
    cards = found["nvidia-smi"] or ["nvidia-smi finds none"]
    rows = [
        f"{found['processors']} processors, {found['processor']}, {found['memory']}",
        ", ".join(
            f"{name} {found[name] or 'is not there'}"
            for name in ("texgen", "torch", "CUDA", "cuDNN", "NCCL", "vulkan loader")
            if name in found
        ),
        *(f"card: {card}" for card in cards),
    ]
    if "no device" in found:
        rows.append(
            f"{found['no device']}; Vulkan needs libvulkan1 and, in a container, the driver's "
            "graphics part: see 'On a GPU' in docs/engines.md"
        )
    elif "device" in found:
        rows.append(f"textures on {found['device']}, {found['start_s']:.1f} s to start and test it")
    return "\n".join(rows)


def identity(settings: Settings) -> Iterator[dict[str, Any]]:
    """Makes the same textures on the card and on the processor, and compares all bytes."""
    jobs = _jobs(settings, settings.pairs)
    with EnginePool(GPU, 1, timeout_s=600) as gpu, EnginePool(CPU, available_cpus()) as cpu:
        made, wanted = _made(gpu, jobs), _made(cpu, jobs)
    differ = [
        job.name
        for job, a, b in zip(jobs, made, wanted, strict=True)
        if not np.array_equal(a.pixels, b.pixels)  # type: ignore[arg-type]
    ]
    found: dict[str, Any] = {"textures": len(jobs), "size": settings.size, "differ": len(differ)}
    if differ:
        found["error"] = f"{len(differ)} of {len(jobs)} textures differ, such as {differ[0]}"
    yield found


def identity_line(found: dict[str, Any]) -> str:
    """The comparison in words."""
    return (
        f"{found['textures']} textures of {found['size']} px: {found['differ']} differ from the "
        "processor's"
    )


def rates(settings: Settings) -> Iterator[dict[str, Any]]:
    """Textures a second, without encoding, of the processors and by the number of jobs in flight.

    The processors come first, so that they are there without a card too.
    """
    jobs = _jobs(settings, 256)
    per_second: dict[str, float] = {}
    left = [str(count) for count in settings.in_flight]
    found = {"size": settings.size, "processors": available_cpus(),
             "textures_per_s": per_second, "left out": left}  # fmt: skip
    with EnginePool(CPU, available_cpus()) as pool:
        _rate(pool, jobs, 2 * available_cpus())
        per_second["processors"] = _rate(pool, jobs, 16 * available_cpus())
    yield found
    with EnginePool(GPU, 1, timeout_s=600) as pool:
        for count in settings.in_flight:
            pool._window = count
            _rate(pool, jobs, count)
            per_second[left.pop(0)] = _rate(pool, jobs, settings.each * max(count, 4))
            yield found


def rates_line(found: dict[str, Any]) -> str:
    """The rates in words."""
    rows = dict(found["textures_per_s"])
    processors = rows.pop("processors")
    lines = [f"{count:>5} in flight: {rate:8.1f} textures/s" for count, rate in rows.items()]
    return "\n".join(
        [
            f"{found['processors']} processors: {processors:.1f} textures/s ({found['size']} px)",
            *lines,
        ]
    )


def _rate(pool: EnginePool, jobs: list[Job], count: int) -> float:
    started = time.perf_counter()
    _made(pool, [jobs[i % len(jobs)] for i in range(count)])
    return count / (time.perf_counter() - started)


def _made(pool: EnginePool, jobs: list[Job]) -> list[Texture]:
    return list(_textures(pool, jobs))


def _textures(pool: EnginePool, jobs: list[Job]) -> Iterator[Texture]:
    for job, texture in pool.map((job, job) for job in jobs):
        if isinstance(texture, SampleError) or texture is None:
            raise RuntimeError(f"{job.name}: {texture}")
        yield texture


def _jobs(settings: Settings, count: int) -> list[Job]:
    jobs = []
    side, small = patch_sizes(settings.size)
    for number, file in enumerate(settings.image_files(count)):
        seed = texture_seed(0, str(number), 0)
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        pair = texgen.sample_patches(pixels, seed, patch_size=side, small_patch_size=small)
        name = f"{number} ({file.name})"
        jobs.append(Job(name, (pair.center, pair.random), settings.size, seed, wants_raw=True))
    return jobs
