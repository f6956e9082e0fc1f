"""Summaries of a plan's images: a sample, their bytes, and how they differ from another plan's."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from texgen.core.errors import StorageError
from texgen.core.layout import plan_entries_path
from texgen.core.types import ArrowFile, ImageEntry
from texgen.dataset.plan import Plan, SplitPlan
from texgen.storage import Sink


def sample_entries(plan: Plan, folder: Path, count: int) -> list[ImageEntry]:
    """Returns at most ``count`` images, evenly spread over a plan with its files in ``folder``."""
    total = sum(split.images for split in plan.splits)
    wanted = sorted({number * total // count for number in range(count)})
    entries, first = list[ImageEntry](), 0
    for split in plan.splits:
        numbers = [n - first for n in wanted if first <= n < first + split.images]
        entries += _entries_at(numbers, _entry_batches(folder, split))
        first += split.images
    return entries


def _entry_batches(folder: Path, split: SplitPlan) -> Iterator[Any]:
    # A mapped file that is read from end to end would count as this process's memory.
    return _batches(pa.OSFile(str(folder / f"{split.name}.arrow")))


def _batches(file: ArrowFile) -> Iterator[Any]:
    reader = pa.ipc.open_file(file)
    return map(reader.get_batch, range(reader.num_record_batches))


def _entries_at(numbers: list[int], batches: Iterable[Any]) -> Iterator[ImageEntry]:
    """Yields entries by their number among all rows; an image in two shards has two rows."""
    first = 0
    for batch in batches:
        if here := [n - first for n in numbers if first <= n < first + batch.num_rows]:
            yield from (ImageEntry(**row) for row in batch.take(pa.array(here)).to_pylist())
        first += batch.num_rows


def source_bytes(split: SplitPlan, folder: Path) -> int | None:
    """Returns the bytes of a split's images, for a plan with its files in ``folder``.

    An image whose textures lie in two shards counts twice. The result is None where no size is
    known before an image is read, as in Parquet.
    """
    sizes = (batch["size"] for batch in _entry_batches(folder, split))
    known = [size.filter(pc.greater_equal(size, 0)) for size in sizes]
    if split.images and not any(map(len, known)):
        return None
    return sum(pc.sum(size).as_py() or 0 for size in known)


def source_differences(old: Plan, new: Plan, sink: Sink, folder: Path) -> Iterator[str]:
    """Yields how the images of a plan in ``folder`` differ from those of an old plan in OUT."""
    before = {split.name: split for split in old.splits}
    after = {split.name: split for split in new.splits}
    for name in sorted({*before, *after}):
        if name not in before or name not in after:
            yield f"split {name!r} is {'new' if name in after else 'gone'}"
        elif before[name].digest != after[name].digest:
            new_entries = pa.memory_map(str(folder / f"{name}.arrow"))
            try:
                first = _first_difference(sink.open(plan_entries_path(name)), new_entries)
            except (pa.ArrowException, OSError, StorageError):
                first = f"unknown, since {plan_entries_path(name)} is gone or damaged"
            counts = f"{before[name].images} images then, {after[name].images} now"
            yield f"split {name!r} has changed ({counts}); first difference: {first}"


def _first_difference(old: ArrowFile, new: ArrowFile) -> str:
    for before, after in itertools.zip_longest(_digested_columns(old), _digested_columns(new)):
        if before == after:
            continue
        if before is None:
            return f"{after[0]} is new"
        if after is None:
            return f"{before[0]} is gone"
        if before[0] == after[0]:
            return f"{before[0]} had {_describe(*before[1:])}; now {_describe(*after[1:])}"
        return f"{before[0]} then, {after[0]} now"
    return "none that the plan shows"


def _digested_columns(file: ArrowFile) -> Iterator[tuple[Any, ...]]:
    """Yields what `SourceDigest` covers of each row, without the key."""
    for batch in _batches(file):
        for row in batch.to_pylist():
            yield row["source"], row["size"], row["label"]


def _describe(size: int, label: int | None) -> str:
    label_text = "no label" if label is None else f"label {label}"
    return f"{format_image_size(size)}, {label_text}"


def format_image_size(size: int) -> str:
    """Returns `ImageEntry.size` in words."""
    return f"{size} bytes" if size >= 0 else "no size (a link to nothing, or in Parquet)"
