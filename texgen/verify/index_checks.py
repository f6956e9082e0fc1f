"""Checks the index against the plan, and the bytes of files against the index."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from texgen.core.hashing import sha256_stream
from texgen.core.layout import INDEX, PLAN, manifest_path, shard_number, shard_path
from texgen.core.types import ArrowFile
from texgen.dataset.index import Index, SplitIndex
from texgen.dataset.plan import Plan

NO_PLAN = f"no intact {PLAN}: name, fingerprint and classes without images are not checked"


def plan_faults(index: Index, plan: Plan) -> Iterator[str]:
    """Yields a fault for each field in which the index and the plan differ."""
    planned = {s.name: (s.images, list(s.classes)) for s in plan.splits}
    fields: dict[str, tuple[object, object]] = {
        "name": (plan.name, index.name),
        "fingerprint": (plan.fingerprint, index.fingerprint),
        "config": (plan.config, index.config),
        "splits": (sorted(planned), sorted(index.splits)),
    }
    for name in planned.keys() & index.splits.keys():
        split = index.splits[name]
        fields[f"images or classes of {name}"] = (
            planned[name],
            (split.images, list(split.classes)),
        )
    for field, (in_plan, in_index) in fields.items():
        if in_plan != in_index:
            yield f"{INDEX}: {field} not as in the plan"


def order_faults(name: str, split: SplitIndex, *, partial: bool) -> Iterator[str]:
    """Yields a fault if the index does not list a split's files by their usual names, in order."""
    manifests = [(file.path, manifest_path(name, i)) for i, file in enumerate(split.manifest)]
    numbers: Iterable[int] = itertools.count()
    if partial:
        # A partial download lacks some shards; the others are still in order.
        numbers = sorted({shard_number(file.path) for file in split.shards})
    shards = [(f.path, shard_path(name, i)) for f, i in zip(split.shards, numbers, strict=False)]
    for path, expected in (*manifests, *shards):
        if path != expected:
            yield f"{INDEX}: {name} lists {path} where {expected} belongs"
            return


def byte_faults(path: str, size: int, sha256: str, stream: ArrowFile) -> Iterator[str]:
    """Yields the faults of an open file's bytes; rewinds the file."""
    actual_size = stream.size()
    if actual_size != size:
        yield f"{path}: {actual_size} bytes, {size} in the index"
        return
    digest = sha256_stream(stream)
    stream.seek(0)
    if digest != sha256:
        yield f"{path}: its SHA-256 is not the one in the index"
