"""Streams a split's shards through a `webdataset` pipeline."""

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
from texgen.storage import open_store
from texgen.storage.ranges import open_blocks


def _open_s3(url: str, mode: str = "rb", bufsize: int = 8192, **_: object) -> BinaryIO:
    """Opens an object for reading; has the signature of `webdataset.gopen.gopen_schemes`.

    Raises:
        ValueError: If ``mode`` is not a mode for reading.
        StorageError: If the object cannot be read.
    """
    if mode[0] != "r":
        raise ValueError(f"{url} is read-only: open it with mode 'rb', not {mode!r}")
    raw = open_blocks(open_store(url).open(url), url)
    return cast(BinaryIO, io.BufferedReader(raw, max(bufsize, io.DEFAULT_BUFFER_SIZE)))


# `webdataset` has no scheme for S3; its substitute, a pipe to a program, starts a shell. The scheme
# is registered on import, so that a spawned worker has it as soon as it unpickles its pipeline.
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

    Shards are distributed among the ranks of `torch.distributed` and the workers of a
    `DataLoader`, in an order that differs from epoch to epoch. With several ranks call
    `TexturePipeline.set_epoch` before each epoch, as with a `DistributedSampler`, since all ranks
    must agree on the order. A rank gets as many samples as its shards hold, so with several ranks
    pass ``repeat`` and count batches.

    Args:
        location: OUT: a folder, or ``s3://bucket/prefix`` at the endpoint that the
            environment names.
        split: Name of the split.
        shuffle: Size of the buffer that samples are drawn from; 0 keeps shards and samples in
            order.
        seed: Seed of the orders.
        decode: Argument of `wds.decode`, or None for bytes.
        repeat: Whether epochs follow each other without an end.

    Raises:
        DatasetError: If there is no finished data set, or it has no such split.
        ConfigError: On iterating, if there are fewer shards than readers.
    """
    dataset, index = open_split(str(location), split)
    # An empty shard is one whose rows all failed.
    urls = [dataset.sink.store.place(file.path) for file in index.shards if file.samples]
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
        """Sets the number of the next epoch, so that all ranks use the same order of shards."""
        self.pipeline[0].epoch = epoch


class _Shards(IterableDataset):  # type: ignore[misc]
    """Yields the shards of one reader, epoch by epoch; without a seed in the order of ``urls``."""

    def __init__(self, urls: list[str], seed: int | None, *, repeat: bool) -> None:
        super().__init__()
        self._urls = urls
        self._seed = seed
        self._repeat = repeat
        self._epochs_begun = 0
        self.epoch: int | None = None

    def __iter__(self) -> Iterator[dict[str, str]]:
        rank, ranks, worker, workers = pytorch_worker_info()
        if len(self._urls) < ranks * workers:
            readers = f"{ranks * workers} readers ({ranks} ranks of {workers} workers)"
            raise ConfigError(
                f"{pluralize(len(self._urls), 'shard')} for {readers}: use fewer workers or "
                "ranks, a texgen.TextureStore, or shards of a smaller --samples-per-shard"
            )
        epoch_id = self._epoch_id(ranks)
        while True:
            # Counted before the first shard is read: an epoch that is left early counts too.
            number, self._epochs_begun = self._epochs_begun, self._epochs_begun + 1
            urls = self._ordered_urls(f"{self._seed} {epoch_id} {number}")
            yield from ({"url": url} for url in urls[rank::ranks][worker::workers])
            if not self._repeat:
                return

    def _epoch_id(self, ranks: int) -> int:
        """Returns a number of this epoch that all workers of all ranks agree on."""
        if self.epoch is not None or self._seed is None:
            return self.epoch or 0
        if ranks > 1:
            raise ConfigError(
                "with several ranks call set_epoch(epoch) before each epoch, so they agree"
            )
        # Workers start afresh each epoch and cannot count epochs; the loader's seed changes.
        return _loader_seed()

    def _ordered_urls(self, seed: str) -> list[str]:
        if self._seed is None:
            return self._urls
        # A string seeds `Random` by a hash that is the same in all processes.
        return random.Random(seed).sample(self._urls, len(self._urls))  # noqa: S311


def _loader_seed() -> int:
    """Returns the seed that a `DataLoader` gives all its workers; 0 outside a loader."""
    torch = sys.modules.get("torch")
    info = torch.utils.data.get_worker_info() if torch else None
    return 0 if info is None else int(info.seed - info.id)
