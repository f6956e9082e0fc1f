"""Every name below OUT: the layout of a data set on disk, as ``docs/formats.md`` has it.

All paths are relative to OUT, with ``/`` as separator. The module stands in `core` and not in
`storage`, since the types of a shard and of its record know their own paths.
"""

from __future__ import annotations

import re

INDEX = "index.json"
MANIFEST = "manifest"
"""Folder of the manifest's Parquet files."""

CARD = "README.md"
"""The data set card, which `texgen publish` writes."""

CARD_IMAGES = "_card"
"""Folder of the textures that the card shows; no split has a name that begins so."""

BUILD = "_build"
"""Folder of all that a build needs and a reader does not."""

PLAN = f"{BUILD}/plan.json"
PLAN_ENTRIES = f"{BUILD}/plan"
RECORDS = f"{BUILD}/records"
EARLIER_RECORDS = f"{BUILD}/retry"
"""Records of shards whose failed rows are retried, until the build is finished."""

STATUS = f"{BUILD}/status"
LOGS = f"{BUILD}/logs"
SCRATCH = f"{BUILD}/tmp"  # noqa: S108 - a folder of OUT
LOCK = f"{BUILD}/lock"
PROBE = f"{BUILD}/probe"
"""Object that is written and deleted to find out what a store can do."""

DOWNLOAD = f"{BUILD}/download"
DOWNLOAD_FINGERPRINT = f"{DOWNLOAD}/fingerprint"
"""File that marks an unfinished download, with the fingerprint of its data set."""

_WRITTEN_BY_TEXGEN = re.compile(
    rf"{re.escape(INDEX)}"
    rf"|{MANIFEST}/[^/]+-\d{{5,}}\.parquet"
    r"|(?P<split>[^/]+)/(?P=split)-\d{6,}\.tar"
    rf"|{BUILD}/.+",
    re.DOTALL,
)
_SHARD = re.compile(r"[^/]+/[^/]+-([0-9]{6,12})\.tar")


def shard_name(split: str, index: int) -> str:
    """File name of a shard without its extension: ``train-000003``."""
    return f"{split}-{index:06d}"


def shard_path(split: str, index: int) -> str:
    """Path of a shard: ``train/train-000003.tar``."""
    return f"{split}/{shard_name(split, index)}.tar"


def shard_number(path: str) -> int:
    """Number of the shard at a path that `shard_path` gives; -1 for any other path."""
    match = _SHARD.fullmatch(path)
    return int(match[1]) if match else -1


def manifest_file_name(split: str, index: int) -> str:
    """File name of one of a split's manifest files: ``train-00000.parquet``."""
    return f"{split}-{index:05d}.parquet"


def manifest_path(split: str, index: int) -> str:
    """Path of a manifest file."""
    return f"{MANIFEST}/{manifest_file_name(split, index)}"


def plan_entries_path(split: str) -> str:
    """Path of a split's part of the plan: its images in key order, an Arrow file."""
    return f"{PLAN_ENTRIES}/{split}.arrow"


def record_path(split: str, index: int) -> str:
    """Path of a shard's record."""
    return f"{RECORDS}/{shard_name(split, index)}.arrow"


def earlier_record_path(split: str, index: int) -> str:
    """Path of the record that a shard had before its failed rows are retried."""
    return f"{EARLIER_RECORDS}/{shard_name(split, index)}.arrow"


def status_path(part: str | None) -> str:
    """Path of the heartbeat of a build, or of one of its parts."""
    return f"{STATUS}/{part or 'build'}.json"


def log_path(part: str | None) -> str:
    """Path of the log of a build, or of one of its parts."""
    return f"{LOGS}/build.{part}.log" if part else f"{LOGS}/build.log"


def partial_download_path(path: str) -> str:
    """Path of a file of the data set while its download is unfinished."""
    return f"{DOWNLOAD}/{path}.part"


def card_image_path(number: int, image_format: str) -> str:
    """Path of one of the textures that the card shows: ``_card/1.png``."""
    return f"{CARD_IMAGES}/{number}.{image_format}"


def is_card_file(path: str) -> bool:
    """Whether a path is that of the data set card, or of a texture that it shows."""
    return path == CARD or path.startswith(f"{CARD_IMAGES}/")


def is_build_file(path: str) -> bool:
    """Whether a path lies in the folder that a reader does not need."""
    return path.startswith(f"{BUILD}/")


def is_written_by_texgen(path: str) -> bool:
    """Whether a path is one that texgen writes below OUT."""
    return _WRITTEN_BY_TEXGEN.fullmatch(path) is not None
