"""The machine and the programs on it that the figures depend on."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
from typing import Any

import texgen
from texgen.core.cpus import available_cpus, processor_name
from texgen.core.text import format_bytes

_QUERY = "name,driver_version,memory.total,power.limit,clocks.max.sm,pci.bus_id"


def facts() -> dict[str, Any]:
    """Versions, processors, memory and cards, by name."""
    return {
        "texgen": texgen.__version__,
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": processor_name() or platform.machine(),
        "processors": available_cpus(),
        "memory": format_bytes(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")),
        "nvidia-smi": nvidia_cards(),
        "vulkan loader": _vulkan_loader(),
        **_torch(),
    }


def nvidia_cards() -> list[str]:
    """Name, driver, memory, power limit, clock and place of each card of NVIDIA's."""
    line = ["nvidia-smi", f"--query-gpu={_QUERY}", "--format=csv,noheader"]
    try:
        done = subprocess.run(line, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return done.stdout.splitlines()


def _vulkan_loader() -> str | None:
    """Version of the library that finds the drivers; None where there is none, as on a Mac."""
    version = ctypes.c_uint32()
    try:
        # The driver's own version is part of the device's name.
        ctypes.CDLL("libvulkan.so.1").vkEnumerateInstanceVersion(ctypes.byref(version))
    except (OSError, AttributeError):
        return None
    number = version.value
    return f"{number >> 22}.{number >> 12 & 0x3FF}.{number & 0xFFF}"


def _torch() -> dict[str, Any]:
    os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
    try:
        import torch
    except ImportError:
        return {"torch": None}
    found: dict[str, Any] = {"torch": torch.__version__, "CUDA": torch.version.cuda}
    if torch.version.cuda:
        found["cuDNN"] = torch.backends.cudnn.version()
        found["NCCL"] = ".".join(map(str, torch.cuda.nccl.version()))
        found["torch's cards"] = torch.cuda.device_count()
    return found
