"""A build into a finished OUT repairs its manifests and index."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import tree
from tests.support.builds import request
from tests.support.damage import check, edit_index, flip
from texgen.build import BuildProgress, BuildSummary, build
from texgen.core.layout import record_path

MANIFEST = "manifest/train-00000.parquet"


class Heard:
    """A monitor that keeps the messages."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def update(self, status: BuildProgress) -> None:
        pass

    def message(self, message: str) -> None:
        self.lines.append(message)


def again(source: Path, out: Path) -> tuple[BuildSummary, str]:
    view = Heard()
    return build(request(source, out), view), "\n".join(view.lines)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a flipped byte in a manifest": lambda out: flip(out, MANIFEST),
    "no manifest": lambda out: (out / MANIFEST).unlink(),
    "no index": lambda out: (out / "index.json").unlink(),
    "an edited name": lambda out: edit_index(out, lambda card: card.update(name="x")),
    "an edited fingerprint": lambda out: edit_index(
        out, lambda card: card.update(fingerprint="0" * 64)
    ),
    "other white space": lambda out: edit_index(out, lambda _: None),
    "a deep index": lambda out: (out / "index.json").write_bytes(b"[" * 100_000),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_manifests_and_index_are_put_right_from_the_records(out, small_source, finished, damage):
    DAMAGE[damage](out)
    summary, said = again(small_source, out)
    assert tree(out) == tree(finished)
    assert summary.made == 0
    assert "rewritten from the records" in said


def test_a_finished_data_set_is_not_written_again(out, small_source):
    files = [out / "index.json", *out.rglob("*.parquet"), *out.rglob("*.tar")]
    before = {path: path.stat().st_mtime_ns for path in files}
    _, said = again(small_source, out)
    assert {path: path.stat().st_mtime_ns for path in files} == before
    assert "rewritten" not in said


def test_a_record_cut_in_its_rows_costs_its_shard_alone(out, small_source, finished):
    path = out / record_path("train", 1)
    path.write_bytes(path.read_bytes()[:-200])
    summary, _ = again(small_source, out)
    assert summary.made <= 3
    assert tree(out) == tree(finished)
    assert check(out).faults == []


def test_textures_made_do_not_count_failed_rows(small_source, tmp_path):
    summary, _ = again(small_source, tmp_path / "out")
    assert (summary.plan.rows, summary.failures.rows, summary.made) == (14, 2, 12)


def test_files_that_verify_calls_strays_are_named_and_left_alone(out, small_source):
    (out / "train" / "notes\n.txt").touch()
    _, said = again(small_source, out)
    assert "1 file that the data set does not name, such as train/notes\\n.txt" in said
    assert (out / "train" / "notes\n.txt").exists()
