"""The device, the identity of its textures with the processor's, and their rates."""

from __future__ import annotations

import os
import platform
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
from PIL import Image
from settings import Settings

import texgen
from texgen.core.cpus import available_cpus
from texgen.core.errors import EngineStartError, SampleError
from texgen.core.seeds import texture_seed
from texgen.synthesis import EnginePool, EngineSpec, Job, Texture
from texgen.synthesis.process import running_engine

GPU, CPU = EngineSpec("fast", device="gpu"), EngineSpec("fast")
_QUERY = "name,driver_version,memory.total,power.limit,clocks.max.sm"


def device(settings: Settings) -> dict[str, Any]:
    """Names the machine and its cards, and the time of a worker's start with its self-test."""
    found: dict[str, Any] = {
        "texgen": texgen.__version__,
        "python": platform.python_version(),
        "processors": available_cpus(),
        "nvidia-smi": nvidia_cards(),
        "torch": _torch(),
    }
    started = time.perf_counter()
    try:
        with running_engine(GPU) as process:
            found["start_s"] = time.perf_counter() - started
            found["device"] = process.hello.device
            found["capacity"] = process.hello.capacity
    except EngineStartError as error:
        found["no device"] = str(error)
    return found


def device_line(found: dict[str, Any]) -> str:
    """The device in words."""
    cards = found["nvidia-smi"] or ["nvidia-smi finds none"]
    textures = found.get("no device")
    if textures:
        textures += (
            "; Vulkan needs libvulkan1 and, in a container, the driver's graphics part: see "
        )
        textures += "'On a GPU' in docs/engines.md"
    else:
        textures = f"textures on {found['device']}, {found['start_s']:.1f} s to start and test it"
    return "\n".join(
        [
            textures,
            f"{found['processors']} processors; torch {found['torch']}",
            *(f"card: {card}" for card in cards),
        ]
    )


def identity(settings: Settings) -> dict[str, Any]:
    """Makes the same textures on the card and on the processor, and compares all bytes."""
    jobs = _jobs(settings, settings.pairs)
    with EnginePool(GPU, 1, timeout_s=600) as gpu, EnginePool(CPU, available_cpus()) as cpu:
        made, wanted = _made(gpu, jobs), _made(cpu, jobs)
    differ = [
        job.name
        for job, a, b in zip(jobs, made, wanted, strict=True)
        if not np.array_equal(a.pixels, b.pixels)  # type: ignore[arg-type]
    ]
    if differ:
        raise RuntimeError(f"{len(differ)} of {len(jobs)} textures differ, such as {differ[0]}")
    return {"textures": len(jobs), "size": settings.size, "differ": 0}


def identity_line(found: dict[str, Any]) -> str:
    """The comparison in words."""
    return f"{found['textures']} textures of {found['size']} px: 0 differ from the processor's"


def rates(settings: Settings) -> dict[str, Any]:
    """Textures a second, without encoding, by the number of jobs in flight; and the processors'."""
    found = {}
    jobs = _jobs(settings, 256)
    with EnginePool(GPU, 1, timeout_s=600) as pool:
        for count in settings.in_flight:
            pool._window = count
            _rate(pool, jobs, count)
            found[str(count)] = _rate(pool, jobs, settings.each * max(count, 4))
    with EnginePool(CPU, available_cpus()) as pool:
        _rate(pool, jobs, 2 * available_cpus())
        found["processors"] = _rate(pool, jobs, 16 * available_cpus())
    return {"size": settings.size, "processors": available_cpus(), "textures_per_s": found}


def rates_line(found: dict[str, Any]) -> str:
    """The rates in words."""
    rows = dict(found["textures_per_s"])
    processors = rows.pop("processors")
    lines = [f"{count:>5} in flight: {rate:8.1f} textures/s" for count, rate in rows.items()]
    return "\n".join(
        [
            *lines,
            f"{found['processors']} processors: {processors:.1f} textures/s ({found['size']} px)",
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
    for number, file in enumerate(settings.image_files(count)):
        seed = texture_seed(0, str(number), 0)
        with Image.open(file) as image:
            pixels = np.asarray(image.convert("RGB"))
        pair = texgen.sample_patches(
            pixels,
            seed,
            patch_size=settings.patch_size,
            small_patch_size=settings.small_patch_size,
        )
        name = f"{number} ({file.name})"
        jobs.append(Job(name, (pair.center, pair.random), settings.size, seed, wants_raw=True))
    return jobs


def nvidia_cards() -> list[str]:
    """Name, driver, memory, power limit and clock of each card of NVIDIA's."""
    line = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _torch() -> str:
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        import torch
    except ImportError:
        return "is not installed"
    if not torch.cuda.is_available():
        return f"{torch.__version__} without CUDA"
    return f"{torch.__version__} with CUDA {torch.version.cuda}, {torch.cuda.device_count()} cards"
