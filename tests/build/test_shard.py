"""One shard, made of a source that records its reads."""

from __future__ import annotations

import io
import tarfile
import threading
from pathlib import Path

import pytest

from tests.conftest import synthetic_image
from texgen.build.plan import BuildRequest
from texgen.build.shard import ShardTask, generate_shard
from texgen.core.config import DatasetConfig, RunOptions
from texgen.core.errors import ImageError, SourceChangedError
from texgen.core.types import ImageEntry, ShardPlan, ShardRecord
from texgen.source import SourceSpec
from texgen.storage import Sink
from texgen.synthesis import EnginePool, EngineSpec, identify

STUB = EngineSpec("stub")
NAMES = [f"{number:02d}" for number in range(12)]


class FarAway:
    """A source that answers only once ``parallel`` images are requested at the same time."""

    def __init__(self, parallel: int) -> None:
        self.parallel = parallel
        self.read_by: list[str] = []
        self._together = threading.Barrier(parallel)
        held = io.BytesIO()
        synthetic_image(1, (60, 50)).save(held, "PNG")
        self._data = held.getvalue()

    def read(self, entry: ImageEntry) -> bytes:
        self._together.wait(timeout=20)
        self.read_by.append(threading.current_thread().name)
        if entry.key == "gone":
            raise SourceChangedError("gone is gone")
        if entry.key == "05":
            raise ImageError("image_missing", entry.source)
        return self._data


def make(source: FarAway, out: Path, names: list[str]) -> ShardRecord:
    entries = tuple(ImageEntry(name, f"{name}.png", b"", 1, None, None) for name in names)
    config = DatasetConfig(
        engine=identify(STUB), decode_rule="pillow-rgb-v1", max_pixels=10**6, size=16
    )
    plan = ShardPlan("train", 0, entries, 0, len(entries))
    request = BuildRequest(SourceSpec("/src"), str(out), "name", config, RunOptions())
    task = ShardTask(plan, 1, request, "f" * 64, 1)
    with EnginePool(STUB, 1) as pool:
        return generate_shard(task, pool, source, Sink(out), lambda *_: None)  # type: ignore[arg-type]


def members(out: Path) -> list[str]:
    with tarfile.open(out / "train" / "train-000000.tar") as tar:
        return [name for name in tar.getnames() if name.endswith(".png")]


def test_images_are_read_side_by_side_and_stay_in_order(tmp_path):
    record = make(FarAway(4), tmp_path, NAMES)
    assert (record.rows, record.failed) == (12, 1)
    assert members(tmp_path) == [f"{name}.png" for name in NAMES if name != "05"]


def test_a_source_on_this_machine_is_read_without_threads(tmp_path):
    source = FarAway(1)
    make(source, tmp_path, NAMES)
    assert set(source.read_by) == {threading.current_thread().name}


def test_an_image_that_changed_ends_the_shard_and_leaves_nothing(tmp_path):
    others = set(threading.enumerate())  # of other tests
    with pytest.raises(SourceChangedError, match="gone is gone"):
        make(FarAway(2), tmp_path, ["01", "gone"])
    assert not list(tmp_path.rglob("*.tar*"))
    assert not [t for t in threading.enumerate() if t not in others and "ThreadPool" in t.name]
