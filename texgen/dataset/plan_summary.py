"""What a plan says of its photographs: a sample, their bytes, how another plan's differ."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
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
    """At most ``count`` photographs, spread evenly over a plan whose files lie in ``folder``."""
    total = sum(split.images for split in plan.splits)
    wanted = sorted({number * total // count for number in range(count)})
    found, first = [], 0
    for split in plan.splits:
        numbers = [n - first for n in wanted if first <= n < first + split.images]
        reader = _in_passing(folder, split)
        found += list(_entries_at(reader, numbers))
        first += split.images
    return found


def _in_passing(folder: Path, split: SplitPlan) -> Any:  # noqa: ANN401 - pyarrow
    # Not mapped: read from end to end, all of it would count as this process's memory.
    return pa.ipc.open_file(pa.OSFile(str(folder / f"{split.name}.arrow")))


def _entries_at(reader: Any, numbers: list[int]) -> Iterator[ImageEntry]:  # noqa: ANN401 - pyarrow
    """Entries by their number among all rows; an image in two shards is in both."""
    first = 0
    left = iter(numbers)
    number = next(left, None)
    for index in range(reader.num_record_batches):
        batch = reader.get_batch(index)
        while number is not None and number < first + batch.num_rows:
            yield ImageEntry(**batch.slice(number - first, 1).to_pylist()[0])
            number = next(left, None)
        first += batch.num_rows


def source_bytes(split: SplitPlan, folder: Path) -> int | None:
    """Bytes of a split's photographs, of a plan whose files lie in ``folder``.

    Photographs whose textures run over a shard's end count once for each shard. None where
    no size is known before a photograph is read, as in Parquet.
    """
    reader = _in_passing(folder, split)
    batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
    known = [b["size"].filter(pc.greater_equal(b["size"], 0)) for b in batches]
    if split.images and not any(map(len, known)):
        return None
    return sum(pc.sum(sizes).as_py() or 0 for sizes in known)


def source_differences(old: Plan, new: Plan, sink: Sink, folder: Path) -> Iterator[str]:
    """What differs between the photographs of a plan in OUT and of one in ``folder``."""
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
    for before, after in itertools.zip_longest(_digestible(old), _digestible(new)):
        if before == after:
            continue
        if before is None:
            return f"{after[0]} is new"
        if after is None:
            return f"{before[0]} is gone"
        if before[0] == after[0]:
            return f"{before[0]} had {_about(*before[1:])}; now {_about(*after[1:])}"
        return f"{before[0]} then, {after[0]} now"
    return "none that the plan shows"


def _digestible(file: ArrowFile) -> Iterator[tuple[Any, ...]]:
    reader = pa.ipc.open_file(file)
    for index in range(reader.num_record_batches):
        for row in reader.get_batch(index).to_pylist():
            yield row["source"], row["size"], row["label"]


def _about(size: int, label: int | None) -> str:
    labelled = "no label" if label is None else f"label {label}"
    return f"{format_image_size(size)}, {labelled}"


def format_image_size(size: int) -> str:
    """`ImageEntry.size` in words."""
    return f"{size} bytes" if size >= 0 else "no size (a link to nothing, or in Parquet)"
