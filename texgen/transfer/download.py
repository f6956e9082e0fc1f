"""`texgen download`: a finished data set, or a part of one, from elsewhere."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import BUILD, DOWNLOAD_FINGERPRINT, INDEX, LOCK, partial_download_path
from texgen.core.text import format_bytes
from texgen.dataset.index import (
    Index,
    ManifestFile,
    ShardFile,
    encode_index,
    parse_index,
    read_index,
)
from texgen.storage import LocalSink, storage_errors
from texgen.storage.remote import Remote
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress, transfer_files
from texgen.transfer.fetch import fetch_file, fetch_index
from texgen.transfer.index_validation import check_index, check_splits

_SPARE_BYTES = 100_000_000

_File = ManifestFile | ShardFile


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """What is to be downloaded.

    Attributes:
        out: A folder, made if need be.
        splits: Names of the splits; empty is all.
        shards: Numbers of the shards of each split, None is all.
        workers: Files that are fetched side by side.
    """

    out: Path
    splits: Sequence[str] = ()
    shards: range | None = None
    workers: int = 8


@dataclass(frozen=True, slots=True)
class DownloadSummary:
    """What a download has brought.

    Attributes:
        files: Files of the data set that are there now, but for the index; those of earlier
            downloads too.
        bytes: Of all of them.
        fetched: Bytes that came in this run.
        samples: Textures in them.
    """

    files: int
    bytes: int
    fetched: int
    samples: int


def download(remote: Remote, request: DownloadRequest, tell: OnTransferProgress) -> DownloadSummary:
    """Downloads what is not there yet; the index is written last.

    Every file is checked against the SHA-256 in the index before it gets its name. What
    is there under its name with the right size was checked when it came, and stays in the
    index, whatever is asked for now.

    Raises:
        ConfigError: If a split or shard is not there, or there is too little room.
        DatasetError: If the index is not to be trusted, or a file is not what it says.
        RemoteError: If a file cannot be had.
        StorageError: If a file cannot be written.
    """
    data = fetch_index(remote)
    whole = _trusted(data, remote)
    asked = _asked(whole, request)
    sink = LocalSink(request.out)
    _check_out(sink, request.out, whole.files, whole.fingerprint)
    with sink.lock():
        sink.write(DOWNLOAD_FINGERPRINT, whole.fingerprint.encode())
        # Not sooner: another download may just have ended.
        index = _with_what_is_there(whole, asked, request.out)
        files = index.files
        missing = [file for file in files if _size(request.out / file.path) != file.bytes]
        counter = _counter(request.out, files, missing, tell)
        begun = counter.done
        if missing:
            _check_room(sink, counter.total - begun)
            sink.remove(INDEX)
            _fetch_all(remote, missing, request, counter)
        sink.write(INDEX, data if index is whole else encode_index(index))
        # With it goes the lock, whose holder this is: a finished data set has no build.
        shutil.rmtree(request.out / BUILD, ignore_errors=True)
    return DownloadSummary(len(files), counter.total, counter.done - begun, index.samples)


def _trusted(data: bytes, remote: Remote) -> Index:
    """The index whose bytes these are, if it may be acted on."""
    try:
        index = parse_index(data, hint="")
        check_index(index)
    except DatasetError as error:
        message = f"{remote.place(INDEX)}: {error}; check URL, or tell whoever publishes it"
        raise DatasetError(message) from error
    return index


def _asked(index: Index, request: DownloadRequest) -> dict[str, Sequence[ShardFile]]:
    """The splits that were asked for, and the shards of each."""
    check_splits(index, request.splits)
    asked = {name: index.splits[name].shards for name in request.splits or index.splits}
    if request.shards is None:
        return asked
    first, end = request.shards.start, request.shards.stop
    if not any(shards[first:end] for shards in asked.values()):
        most = max(map(len, asked.values()), default=0)
        message = f"--shards {first}-{end - 1}: there are {most}"
        raise ConfigError(message)
    return {name: shards[first:end] for name, shards in asked.items()}


def _with_what_is_there(index: Index, asked: Mapping[str, Sequence[ShardFile]], out: Path) -> Index:
    """What was asked for and what has come before; ``index`` itself where that is all.

    A split that has any file has its manifests, which stay whole.
    """
    splits = {}
    for name, split in index.splits.items():
        wanted = {shard.path for shard in asked.get(name, ())}
        there = {file.path for file in split.files if _size(out / file.path) >= 0}
        if name in asked or there:
            shards = [shard for shard in split.shards if shard.path in wanted | there]
            textures = sum(shard.samples for shard in shards)
            cut = len(shards) < len(split.shards)
            splits[name] = replace(split, shards=shards, textures=textures) if cut else split
    if splits == index.splits:
        return index
    partial = index.partial or any(splits[name] != index.splits[name] for name in splits)
    return replace(index, splits=splits, partial=partial)


def _check_out(sink: LocalSink, out: Path, files: Sequence[_File], fingerprint: str) -> None:
    """Refuses an OUT that holds something else, or whose links lead elsewhere."""
    there = sink.list("") if out.is_dir() else {}
    held = None
    if INDEX in there:
        held = read_index(sink).fingerprint
    elif DOWNLOAD_FINGERPRINT in there:
        held = sink.open(DOWNLOAD_FINGERPRINT).read().decode("ascii", "replace")
    elif there.keys() - {LOCK}:
        message = f"{out} is not empty and no download of this data set; name a new folder"
        raise ConfigError(message)
    if held is not None and held != fingerprint:
        message = f"{out} holds another data set ({held[:12]}…); name a new folder"
        raise ConfigError(message)
    for folder in {out / BUILD, *((out / file.path).parent for file in files)}:
        if folder.is_symlink():
            message = f"{folder} is a link, which a download does not follow; name another folder"
            raise ConfigError(message)


def _check_room(sink: LocalSink, needed: int) -> None:
    free = sink.free_bytes()
    if free is not None and needed + _SPARE_BYTES > free:
        message = (
            f"{format_bytes(needed)} are to come and there are {format_bytes(free)} free; make "
            "room, name a folder on another disk, or take fewer with --split or --shards"
        )
        raise ConfigError(message)


def _fetch_all(
    remote: Remote, missing: Sequence[_File], request: DownloadRequest, counter: ByteCounter
) -> None:
    def fetch(file: _File) -> None:
        part, place = _part(request.out, file.path), request.out / file.path
        fetch_file(remote, file.path, file.bytes, file.sha256, part, counter.add)
        with storage_errors("write", place):
            with part.open("rb") as done:
                os.fsync(done.fileno())
            place.parent.mkdir(parents=True, exist_ok=True)
            part.replace(place)

    # What came of other files stays for the next run, whatever ends this one.
    transfer_files(fetch, missing, request.workers, counter)


def _counter(
    out: Path, files: Sequence[_File], missing: Sequence[_File], tell: OnTransferProgress
) -> ByteCounter:
    total = sum(file.bytes for file in files)
    there = total - sum(file.bytes for file in missing)
    parts = sum(max(0, _size(_part(out, file.path))) for file in missing)
    return ByteCounter(total, there + parts, tell)


def _part(out: Path, path: str) -> Path:
    return out / partial_download_path(path)


def _size(path: Path) -> int:
    """Bytes of a file, -1 where there is none."""
    try:
        status = path.stat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
