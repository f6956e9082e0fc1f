"""What `texgen doctor` finds out: facts of this installation and machine, and problems in them.

No value is a secret or the name of a user's image. Nothing is asked over a network, except that
boto3 looks for the role of a cloud machine at that machine's own metadata service.
"""

from __future__ import annotations

import importlib.util
import os
import platform
import resource
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from urllib.parse import urlsplit

from texgen.core.cpus import available_cpus, processor_name
from texgen.core.errors import TexgenError
from texgen.core.identity import code_identity
from texgen.core.temporary import temporary_root
from texgen.core.text import format_bytes
from texgen.source.tar.cache import cache_folder
from texgen.storage.network.certificates import bundle, check_bundle
from texgen.synthesis.devices import try_gpus
from texgen.synthesis.engine_spec import EngineSpec, worker_path
from texgen.synthesis.process import running_engine
from texgen.train.loader_errors import ENLARGE, SHARED_MEMORY

PACKAGES = ("boto3", "click", "numpy", "pillow", "pyarrow", "ray", "rich", "urllib3", "webdataset")
OPTIONAL = ("huggingface_hub", "datasets", "torch", "torchvision", "lightly", "matplotlib")
"""Packages of which texgen or its examples use a part, if they are installed."""

FEW_FILES = 256
"""Limit of open files below which a build on a few processors already fails."""
LITTLE_SPACE = 1_000_000_000
"""Free bytes below which a folder for temporary files is reported."""
LITTLE_SHARED_MEMORY = 256_000_000
"""Bytes of shared memory below which data loaders of torch fail; Docker gives 64 MB."""

GPU_TIMEOUT_S = 60.0
"""Seconds in which each GPU must have passed its self-test; a driver compiles the kernel first."""

_PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
_SETTINGS = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL_S3",
             "AWS_ENDPOINT_URL", "HF_ENDPOINT", "HF_HOME", "HF_HUB_OFFLINE", "RAY_ADDRESS",
             "TEXGEN_GPU", "TEXGEN_KERNEL", "TEXGEN_WORKER", "CUDA_VISIBLE_DEVICES",
             "OMP_NUM_THREADS", "PYTHONPATH")  # fmt: skip
"""Variables that change what texgen does, and that hold no secrets."""


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Facts and problems.

    Attributes:
        facts: Values by name, by section.
        problems: A sentence for each problem, which says what to do.
    """

    facts: dict[str, dict[str, str]] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


Facts = Iterator[tuple[str, str]]
Report = Callable[[str], None]
"""Takes a problem."""


def diagnose() -> Diagnosis:
    """Finds out about this installation and machine."""
    diagnosis = Diagnosis()
    for name, collect in _SECTIONS.items():
        facts = diagnosis.facts.setdefault(name, {})
        try:
            facts.update(collect(diagnosis.problems.append))
        except TexgenError as error:
            diagnosis.problems.append(str(error))
        except Exception as error:  # noqa: BLE001 - a broken package may raise anything
            diagnosis.problems.append(f"{name}: {type(error).__name__}: {error}")
    return diagnosis


def _texgen(_: Report) -> Facts:
    identity = code_identity()
    yield "version", f"{identity.version} (code {identity.digest})"
    yield "folder", str(Path(__file__).parents[1])
    yield "python", f"{platform.python_version()} ({sys.executable})"
    yield "system", f"{platform.platform()}, {' '.join(platform.libc_ver())}".rstrip(", ")


def _engine(_: Report) -> Facts:
    yield "worker", str(worker_path())
    with running_engine(EngineSpec("fast")) as process:
        hello = process.hello
    yield "fast", f"version {hello.engine_version}, kernel {hello.kernel}, worker {hello.worker}"
    yield "encoders", ", ".join(hello.encoders.values())
    yield from _gpus()


def _gpus() -> Facts:
    """Yields each GPU, usable or not, with the number that ``TEXGEN_GPU`` takes."""
    engine = EngineSpec("fast")
    usable = set()
    for gpu in try_gpus(engine, GPU_TIMEOUT_S):
        if gpu.number is None:
            yield "GPU", f"none for --device gpu: {gpu.reason}"
        elif gpu.name is None:
            yield f"GPU {gpu.number}", f"cannot be used: {gpu.reason}"
        else:
            usable.add(str(gpu.number))
            tested = f"passes its self-test (start: {gpu.start_s:.1f} s)"
            yield f"GPU {gpu.number}", f"{gpu.name}, {tested}"
    chosen = engine.gpu_number
    if usable and chosen != "0":
        which = f"takes number {chosen}, as TEXGEN_GPU or LOCAL_RANK says"
        yield "--device gpu", which + ("" if chosen in usable else ", which cannot be used")


def _machine(report: Report) -> Facts:
    model = f"{processor_name() or 'unknown'} ({platform.machine()})"
    yield "processors", f"{available_cpus()} usable of {os.cpu_count()}, {model}"
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limit = _memory_limit()
    yield "memory", format_bytes(total) + (f", limited to {format_bytes(limit)}" if limit else "")
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    yield "open files", "unlimited" if files == resource.RLIM_INFINITY else str(files)
    if 0 < files < FEW_FILES:
        report(f"a process may open only {files} files: raise the limit (`ulimit -n 4096`)")
    if SHARED_MEMORY.is_dir():
        size = shutil.disk_usage(SHARED_MEMORY).total
        yield "shared memory", format_bytes(size)
        if size < LITTLE_SHARED_MEMORY:
            report(
                f"{SHARED_MEMORY} has {format_bytes(size)}, too little for Ray (--no-ray needs "
                f"none) and for the loaders of texgen train: {ENLARGE}"
            )


def _memory_limit() -> int | None:
    """Memory in bytes that the control group allows, as containers and jobs have it."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        try:
            text = Path("/sys/fs/cgroup", name).read_text().strip()
        except OSError:
            continue
        # Version 1 writes a number larger than any memory for no limit.
        return int(text) if text.isdigit() and int(text) < 1 << 60 else None
    return None


def _folders(report: Report) -> Facts:
    folders = {
        "current": Path.cwd(),
        "temporary": temporary_root(),
        "archive indexes": cache_folder(),
    }
    for name, folder in folders.items():
        if folder is None:
            yield name, "none, since there is no home folder"
            continue
        existing = next(place for place in (folder, *folder.parents) if place.exists())
        free = shutil.disk_usage(existing).free
        writable = os.access(existing, os.W_OK)
        yield name, f"{folder}, {format_bytes(free)} free" + ("" if writable else ", read-only")
        if name == "temporary" and free < LITTLE_SPACE:
            report(f"{folder} has only {format_bytes(free)} free: set TMPDIR to a folder with more")


def _packages(report: Report) -> Facts:
    versions = {name: _version(name) for name in (*PACKAGES, *OPTIONAL)}
    for name, version in versions.items():
        yield name, version or "not installed"
        if name in PACKAGES and version is None:
            report(f"the package {name} is missing: run `pip install texgen-shards` again")
    from PIL import features

    codecs = {"webp": "WebP", "jpg_2000": "JPEG 2000", "avif": "AVIF"}
    missing = [title for codec, title in codecs.items() if not features.check(codec)]
    yield "codecs", f"Pillow lacks {', '.join(missing)}" if missing else "Pillow has all"


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch(_: Report) -> Facts:
    if importlib.util.find_spec("torch") is None:
        yield "device", "torch is not installed: `pip install 'texgen-shards[train]'`"
        return
    import torch

    devices = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    yield "device", ", ".join(devices) or "cpu only"
    yield "cuda", torch.version.cuda or "not in this build of torch"
    yield "threads", str(torch.get_num_threads())


def _s3(_: Report) -> Facts:
    import boto3

    from texgen.storage.s3.client import credentials_of

    # Settings that contradict each other are an error here.
    found = credentials_of(None)
    yield "credentials", f"from {found.method}" if found else "none: only public buckets"
    yield "region", boto3.Session().region_name or "not set"


def _hub(_: Report) -> Facts:
    if importlib.util.find_spec("huggingface_hub") is None:
        yield "token", "huggingface_hub is not installed: `pip install 'texgen-shards[hub]'`"
        return
    from huggingface_hub import constants, get_token

    yield "token", "found" if get_token() else "none: only public data sets"
    yield "cache", constants.HF_HUB_CACHE


def _network(_: Report) -> Facts:
    for name in _PROXIES:
        value = os.environ.get(name) or os.environ.get(name.upper())
        if value:
            yield name, value if name == "no_proxy" else _without_password(value)
    if named := bundle():
        yield named[0], str(named[1])
    check_bundle()


def _without_password(url: str) -> str:
    """Returns a URL without user and password."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def _settings(_: Report) -> Facts:
    for name in _SETTINGS:
        if value := os.environ.get(name):
            yield name, _without_password(value) if "://" in value else value


_SECTIONS: dict[str, Callable[[Report], Facts]] = {
    "texgen": _texgen,
    "engine": _engine,
    "machine": _machine,
    "folders": _folders,
    "packages": _packages,
    "torch": _torch,
    "S3": _s3,
    "Hugging Face Hub": _hub,
    "network": _network,
    "settings": _settings,
}
