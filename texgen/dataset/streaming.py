"""A ready `webdataset` pipeline over a split's shards."""

from __future__ import annotations

import io
import random
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import webdataset as wds
from webdataset.gopen import gopen_schemes
from webdataset.pytorch import IterableDataset
from webdataset.utils import pytorch_worker_info

from texgen.core.errors import ConfigError
from texgen.core.text import pluralize
from texgen.dataset.reader import open_split
from texgen.storage import place_of


def _open_s3(url: str, mode: str = "rb", bufsize: int = 8192, **_: object) -> BinaryIO:
    """Opens an object for reading, as `webdataset.gopen.gopen_schemes` wants it.

    Raises:
        ValueError: If it is not to be read.
        StorageError: If it cannot be.
    """
    # Where a folder is read, boto3 need not be imported.
    from texgen.storage.s3.address import Address, parse
    from texgen.storage.s3.bucket import Bucket
    from texgen.storage.s3.file import open_object

    if mode[0] != "r":
        message = f"{url} can be read only"
        raise ValueError(message)
    address = parse(url)
    folder, _slash, name = address.prefix.rpartition("/")
    raw = open_object(Bucket(Address(address.bucket, folder)), name)
    return cast(BinaryIO, io.BufferedReader(raw, max(bufsize, io.DEFAULT_BUFFER_SIZE)))


# `webdataset` knows no such scheme, and a pipe to a program would be a shell. It is registered on
# import, so that a worker that is spawned has it as soon as it gets its pipeline.
gopen_schemes.setdefault("s3", _open_s3)


def webdataset(
    location: str | Path,
    split: str = "train",
    *,
    shuffle: int = 1000,
    seed: int = 0,
    decode: str | None = "pil",
    repeat: bool = False,
) -> TexturePipeline:
    """Streams the samples of a split: dictionaries with ``__key__``, ``cls``, ``json``, image.

    Shards are dealt out to the ranks of `torch.distributed` and to the workers of a
    `DataLoader`, in an order that differs from epoch to epoch. With several ranks call
    `TexturePipeline.set_epoch` before each, as with a `DistributedSampler`: all must agree.
    Ranks get as many samples as their shards hold, so with several take ``repeat`` and
    count batches.

    Args:
        location: OUT: a folder, or ``s3://bucket/prefix`` at the endpoint that the
            environment names.
        split: Name of the split.
        shuffle: Samples in the buffer that they are drawn from; 0 keeps everything in order.
        seed: Of the orders.
        decode: For `wds.decode`, or None for bytes.
        repeat: Whether epochs follow each other without an end.

    Raises:
        DatasetError: If there is no finished data set, or none with that split.
        ConfigError: On iterating, if there are fewer shards than readers.
    """
    _, index = open_split(str(location), split)
    # An empty shard is one whose rows all failed.
    files = [file.path for file in index.shards if file.samples]
    urls = [place_of(str(location), path) for path in files]
    shards = _Shards(urls, seed if shuffle else None, repeat=repeat)
    stages: list[Any] = [wds.tarfile_to_samples()]
    if shuffle:
        stages.append(wds.shuffle(shuffle, rng=random.Random(seed)))  # noqa: S311
    if decode is not None:
        stages.append(wds.decode(decode))
    return TexturePipeline(shards, *stages)


class TexturePipeline(wds.DataPipeline):  # type: ignore[misc]
    """See `webdataset`."""

    def set_epoch(self, epoch: int) -> None:
        """Says which epoch comes next, so that all ranks take the same order of shards."""
        self.pipeline[0].epoch = epoch


class _Shards(IterableDataset):  # type: ignore[misc]
    """The shards of one reader, epoch by epoch.

    Args:
        urls: Of all shards.
        seed: Of the orders; None keeps them as they are.
        repeat: Whether epochs follow each other without an end.
    """

    def __init__(self, urls: list[str], seed: int | None, *, repeat: bool) -> None:
        super().__init__()
        self._urls = urls
        self._seed = seed
        self._repeat = repeat
        self._passes = 0
        self.epoch: int | None = None

    def __iter__(self) -> Iterator[dict[str, str]]:
        rank, ranks, worker, workers = pytorch_worker_info()
        if len(self._urls) < ranks * workers:
            readers = f"{ranks * workers} readers ({ranks} ranks of {workers} workers)"
            message = (
                f"{pluralize(len(self._urls), 'shard')} for {readers}: take fewer workers or "
                "ranks, a texgen.TextureStore, or shards of a smaller --samples-per-shard"
            )
            raise ConfigError(message)
        base = self._base(ranks)
        while True:
            # Before the first is read: a pass that is left early was one, too.
            number, self._passes = self._passes, self._passes + 1
            urls = self._order(f"{self._seed} {base} {number}")
            yield from ({"url": url} for url in urls[rank::ranks][worker::workers])
            if not self._repeat:
                return

    def _base(self, ranks: int) -> int:
        """What tells this epoch from others, the same for all workers of all ranks."""
        if self.epoch is not None or self._seed is None:
            return self.epoch or 0
        if ranks > 1:
            message = "several ranks: call set_epoch(epoch) before each epoch, so that they agree"
            raise ConfigError(message)
        # Workers start anew each epoch and do not know how many there were. Theirs does.
        return _loader_seed()

    def _order(self, text: str) -> list[str]:
        if self._seed is None:
            return self._urls
        # A text seeds it by a hash that is the same in all processes.
        return random.Random(text).sample(self._urls, len(self._urls))  # noqa: S311


def _loader_seed() -> int:
    """What a `DataLoader` gives to all its workers, another for each epoch; 0 outside of one."""
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if torch else None
    return 0 if info is None else int(info.seed - info.id)
