"""`texgen download`: copies a finished data set, or a part of one, to a folder."""

from __future__ import annotations

import shutil
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from texgen.core.errors import ConfigError, DatasetError
from texgen.core.layout import (
    BUILD,
    DOWNLOAD_FINGERPRINT,
    INDEX,
    LOCK,
    is_card_file,
    partial_download_path,
)
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import (
    DataFile,
    Index,
    ShardFile,
    encode_index,
    parse_index,
    read_index,
)
from texgen.storage import Sink, StreamStore, storage_errors
from texgen.transfer.byte_counter import ByteCounter, OnTransferProgress, transfer_files
from texgen.transfer.fetch import fetch_file, fetch_index
from texgen.transfer.index_validation import check_index, check_split_names

_SPARE_BYTES = 100_000_000


@dataclass(frozen=True, slots=True)
class DownloadRequest:
    """Options of a download.

    Attributes:
        out: Folder for the data set, created if it does not exist.
        splits: Names of the splits; empty for all.
        shards: Numbers of the shards of each split; None for all.
        workers: Number of files fetched at once.
    """

    out: Path
    splits: Sequence[str] = ()
    shards: range | None = None
    workers: int = 8


@dataclass(frozen=True, slots=True)
class DownloadSummary:
    """Result of a download.

    Attributes:
        files: Number of files in the folder besides the index, with those of earlier downloads.
        bytes: Bytes of these files.
        fetched: Bytes fetched in this run.
        samples: Number of textures in these files.
    """

    files: int
    bytes: int
    fetched: int
    samples: int


def download(
    remote: StreamStore,
    request: DownloadRequest,
    on_progress: OnTransferProgress,
    *,
    before_index: Callable[[Sink], None] = lambda sink: None,
) -> DownloadSummary:
    """Downloads the files that are missing; the index is written last.

    Every file is checked against the SHA-256 in the index before it gets its name. A file that
    already has its name and the right size was checked by an earlier download. It stays in the
    index, whatever this download selects.

    Args:
        remote: The data set.
        request: What is wanted of it, and where.
        on_progress: See `OnTransferProgress`.
        before_index: Called with OUT when only the index is missing.

    Raises:
        ConfigError: If a split or shard does not exist, or the disk is too full.
        DatasetError: If the index cannot be trusted, or a file differs from it.
        RemoteError: If a file cannot be fetched.
        StorageError: If a file cannot be written.
    """
    data = fetch_index(remote)
    remote_index = _parse_trusted(data, remote)
    selected = _selected_shards(remote_index, request)
    sink = Sink(request.out)
    _check_out(sink, request.out, remote_index.files, remote_index.fingerprint)
    with sink.lock():
        sink.write(DOWNLOAD_FINGERPRINT, remote_index.fingerprint.encode())
        # Read under the lock: another download may just have ended.
        index = _with_present_files(remote_index, selected, request.out)
        files = index.files
        missing = [file for file in files if _size(request.out / file.path) != file.bytes]
        total = sum(file.bytes for file in files)
        parts = sum(max(0, _size(_part(request.out, file.path))) for file in missing)
        done_before = total - sum(file.bytes for file in missing) + parts
        counter = ByteCounter(total, done_before, on_progress)
        if missing:
            _check_room(sink, total - done_before)
            sink.remove(INDEX)
            _fetch_all(remote, sink, missing, request, counter)
        before_index(sink)
        sink.write(INDEX, data if index is remote_index else encode_index(index))
        # A finished data set has no build folder. This removes the lock too, which is held here.
        shutil.rmtree(request.out / BUILD, ignore_errors=True)
    return DownloadSummary(len(files), total, counter.done - done_before, index.samples)


def _parse_trusted(data: bytes, remote: StreamStore) -> Index:
    """Parses an index and checks that it can be trusted."""
    try:
        index = parse_index(data, hint="")
        check_index(index)
    except DatasetError as error:
        raise DatasetError(
            f"{remote.place(INDEX)}: {error}; check URL, or ask its publisher to fix it"
        ) from error
    return index


def _selected_shards(index: Index, request: DownloadRequest) -> dict[str, Sequence[ShardFile]]:
    """Returns the selected splits, and the selected shards of each."""
    check_split_names(index, request.splits)
    selected = {name: index.splits[name].shards for name in request.splits or index.splits}
    if request.shards is None:
        return selected
    first, end = request.shards.start, request.shards.stop
    if not any(shards[first:end] for shards in selected.values()):
        count = max(map(len, selected.values()), default=0)
        raise ConfigError(
            f"--shards {first}-{end - 1}: no split has more than {pluralize(count, 'shard')}, and "
            "their numbers begin at 0"
        )
    return {name: shards[first:end] for name, shards in selected.items()}


def _with_present_files(
    index: Index, selected: Mapping[str, Sequence[ShardFile]], out: Path
) -> Index:
    """Returns the index of the selected files and those in OUT; ``index`` itself if that is all.

    A split with any file has all of its manifests, which list the rows of all shards.
    """
    splits = {}
    for name, split in index.splits.items():
        wanted = {shard.path for shard in selected.get(name, ())}
        present = {file.path for file in split.files if _size(out / file.path) >= 0}
        if name in selected or present:
            shards = [shard for shard in split.shards if shard.path in wanted | present]
            textures = sum(shard.samples for shard in shards)
            partial = len(shards) < len(split.shards)
            splits[name] = replace(split, shards=shards, textures=textures) if partial else split
    if splits == index.splits:
        return index
    lacks_shards = any(splits[name] != index.splits[name] for name in splits)
    return replace(index, splits=splits, partial=index.partial or lacks_shards)


def _check_out(sink: Sink, out: Path, files: Sequence[DataFile], fingerprint: str) -> None:
    """Refuses an OUT that holds something else, or whose links lead elsewhere."""
    paths = sink.list("") if out.is_dir() else {}
    present = None
    if INDEX in paths:
        present = read_index(sink).fingerprint
    elif DOWNLOAD_FINGERPRINT in paths:
        present = sink.open(DOWNLOAD_FINGERPRINT).read().decode("ascii", "replace")
    elif any(path != LOCK and not is_card_file(path) for path in paths):
        raise ConfigError(
            f"{out} is not empty and not a download of this data set; name a new folder"
        )
    if present is not None and present != fingerprint:
        raise ConfigError(f"{out} holds another data set ({present[:12]}…); name a new folder")
    for folder in {out / BUILD, *((out / file.path).parent for file in files)}:
        if folder.is_symlink():
            raise ConfigError(
                f"{folder} is a link, and a download does not follow links; name another folder"
            )


def _check_room(sink: Sink, needed: int) -> None:
    free = sink.free_bytes()
    if free is not None and needed + _SPARE_BYTES > free:
        raise ConfigError(
            f"the download needs {format_bytes(needed)}, and {format_bytes(free)} are free; free "
            "some space, name a folder on another disk, or select fewer with --split or --shards"
        )


def _fetch_all(
    remote: StreamStore,
    sink: Sink,
    missing: Sequence[DataFile],
    request: DownloadRequest,
    counter: ByteCounter,
) -> None:
    def fetch(file: DataFile) -> None:
        part, path = _part(request.out, file.path), request.out / file.path
        fetch_file(remote, file, part, counter.add)
        with storage_errors("write", path):
            sink.store.put(file.path, part)

    # After an error or a signal the parts of other files stay for the next run.
    transfer_files(fetch, missing, request.workers, counter)


def _part(out: Path, path: str) -> Path:
    return out / partial_download_path(path)


def _size(path: Path) -> int:
    """Returns the bytes of a file, or -1 if there is no file."""
    try:
        status = path.stat()
    except OSError:
        return -1
    return status.st_size if stat.S_ISREG(status.st_mode) else -1
