"""The index against the plan, and against what its files hold."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from texgen.core.errors import StorageError
from texgen.core.hashing import sha256_stream
from texgen.core.layout import INDEX, PLAN, manifest_path, shard_number, shard_path
from texgen.core.types import ArrowFile
from texgen.dataset.index import Index, SplitIndex
from texgen.dataset.plan import Plan, load_plan
from texgen.storage import Sink


def whole_plan(sink: Sink) -> Plan | None:
    """The plan that lies in OUT, or None where there is none or a damaged one."""
    try:
        return load_plan(sink)
    except (ValueError, StorageError):
        return None


def plan_faults(index: Index, plan: Plan) -> Iterator[str]:
    """What the index and the plan do not agree on."""
    splits = {s.name: (s.images, list(s.classes)) for s in plan.splits}
    expected: dict[str, tuple[object, object]] = {
        "name": (plan.name, index.name),
        "fingerprint": (plan.fingerprint, index.fingerprint),
        "config": (plan.config, index.config),
        "splits": (sorted(splits), sorted(index.splits)),
    }
    for name in splits.keys() & index.splits.keys():
        found = index.splits[name]
        expected[f"{name}: images or classes"] = (splits[name], (found.images, list(found.classes)))
    for what, (said, is_) in expected.items():
        if said != is_:
            yield f"{INDEX}: {what} differ from the plan's"


NO_PLAN = f"no whole {PLAN}: name, fingerprint and classes without photographs are not checked"


def order_faults(name: str, split: SplitIndex, *, partial: bool) -> Iterator[str]:
    """Whether the index names a split's files as they are named, in order."""
    manifests = [(file.path, manifest_path(name, i)) for i, file in enumerate(split.manifest)]
    numbers: Iterable[int] = itertools.count()
    if partial:
        # Some were left out of a download; those that are there are in order.
        numbers = sorted({shard_number(file.path) for file in split.shards})
    shards = [(f.path, shard_path(name, i)) for f, i in zip(split.shards, numbers, strict=False)]
    for path, expected in (*manifests, *shards):
        if path != expected:
            yield f"{INDEX}: {name} has {path} where {expected} belongs"
            return


def byte_faults(path: str, size: int, sha256: str, stream: ArrowFile) -> Iterator[str]:
    """Faults of an open file's bytes; leaves it at its begin."""
    found = stream.size()
    if found != size:
        yield f"{path}: {found} bytes, the index says {size}"
        return
    digest = sha256_stream(stream)
    stream.seek(0)
    if digest != sha256:
        yield f"{path}: its bytes are not those of the index"
