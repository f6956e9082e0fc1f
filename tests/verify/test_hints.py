"""Hints that `verify` prints for faults, and that following them works."""

from __future__ import annotations

import dataclasses
import errno
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.conftest import tree
from tests.support.builds import request
from tests.support.damage import (
    INDEX_EDITS,
    MANIFEST,
    SHARD,
    check,
    edit_index,
    flip,
    members,
    retar,
    trust,
)
from texgen.build import SilentMonitor, build
from texgen.cli.verify import command
from texgen.storage import Sink, storage_errors
from texgen.synthesis import EngineSpec, identify

OTHER = "train/train-000000.tar"
BY_ROWS = ["another seed", "another patch size", "shards in another order", "classes are swapped"]


@pytest.mark.parametrize("edit", BY_ROWS)
def test_an_edited_index_contradicts_its_rows_without_a_plan_too(out, edit):
    shutil.rmtree(out / "_build")
    edit_index(out, INDEX_EDITS[edit])
    report = check(out)
    assert report.faults
    # One fault per manifest, however many rows the edited index affects.
    assert len(report.faults) <= 4
    assert report.delete == []


def test_without_a_plan_a_note_names_the_omitted_checks(out):
    shutil.rmtree(out / "_build")
    report = check(out)
    assert report.faults == []
    assert any("fingerprint" in note for note in report.notes)
    assert not report.mendable


def test_a_flipped_byte_in_a_manifest_is_one_fault(out):
    flip(out, MANIFEST)
    report = check(out)
    assert report.faults == [f"{MANIFEST}: its SHA-256 is not the one in the index"]
    assert report.delete == []


def test_a_shard_is_still_checked_where_the_manifest_is_damaged(out):
    flip(out, MANIFEST)
    flip(out, SHARD)
    report = check(out)
    assert len(report.faults) == 2
    assert report.delete == [SHARD]


@pytest.mark.parametrize("name", [b"a\nb", b"a\x1b[2Jb", b"\xff"])
def test_a_fault_is_one_line_that_prints(out, name):
    (out / os.fsdecode(name)).touch()
    (fault,) = check(out).faults
    assert fault.isprintable()


def test_a_path_that_an_index_was_given_is_never_to_be_deleted(out):
    edit_index(out, lambda card: card["splits"]["train"]["shards"][1].update(path="../precious"))
    assert "../precious" not in check(out).delete


DAMAGE: dict[str, Callable[[Path], object]] = {
    "a shard with a flipped byte": lambda out: flip(out, SHARD),
    "a shard and a manifest": lambda out: (flip(out, SHARD), flip(out, MANIFEST)),
    "a shard cut": lambda out: (out / SHARD).write_bytes(b"x"),
    "a shard gone": lambda out: (out / SHARD).unlink(),
    "a manifest": lambda out: flip(out, MANIFEST),
    "an edited name": lambda out: edit_index(out, INDEX_EDITS["another name"]),
    "classes swapped": lambda out: edit_index(out, INDEX_EDITS["classes are swapped"]),
    "shards reversed": lambda out: edit_index(out, INDEX_EDITS["shards in another order"]),
    "members swapped": lambda out: (retar(out / SHARD, members(out / SHARD)[::-1]),
                                    trust(out, SHARD)),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGE)
def test_the_printed_commands_repair_the_data_set(out, small_source, finished, damage):
    DAMAGE[damage](out)
    printed = CliRunner().invoke(command, [str(out)], standalone_mode=False).output
    assert "the same `texgen build` again" in printed
    for line in printed.splitlines():
        if line.startswith("rm "):
            subprocess.run(["sh", "-c", line], check=True)
    build(request(small_source, out), SilentMonitor())
    assert tree(out) == tree(finished)
    assert check(out).faults == []


@pytest.mark.parametrize("more", [None, "train/train-000001.tar"])
def test_a_shard_that_cannot_be_read_is_not_to_be_deleted(out, more, monkeypatch):
    """It may be intact, and a build would not read it."""
    look = Sink.open

    def denied(self, path):
        if path == OTHER:
            # Raised here, since root could read the file whatever its permissions.
            with storage_errors("read", out / path):
                raise PermissionError(errno.EACCES, "")
        return look(self, path)

    if more:
        flip(out, more)
    monkeypatch.setattr(Sink, "open", denied)
    report = check(out)
    assert (report.unread, report.delete) == ([OTHER], [more] if more else [])
    printed = CliRunner().invoke(command, [str(out)], standalone_mode=False).output
    assert "Permission denied; change its permissions" in printed
    assert "Files that cannot be read were not checked" in printed
    commands = [line for line in printed.splitlines() if line.startswith("rm ")]
    assert commands == ([f"rm -- {out / more}"] if more else [])
    assert ("texgen build" in printed) == bool(more)


def test_a_shard_that_this_texgen_would_not_rebuild_is_not_to_be_deleted(out, monkeypatch):
    flip(out, SHARD)
    identity = identify(EngineSpec("stub"))
    newer = dataclasses.replace(identity, version="2")
    monkeypatch.setattr("texgen.verify.remake.identify", lambda _: newer)
    assert check(out).delete == []
    printed = CliRunner().invoke(command, [str(out)], standalone_mode=False).output
    assert "Delete nothing: a build here would not rebuild it" in printed
    assert "engine_version was '1' and is now '2'" in printed
    assert not any(line.startswith("rm ") for line in printed.splitlines())


def test_a_foreign_file_is_to_be_moved_and_not_deleted(out):
    (out / "thesis.tex").touch()
    printed = CliRunner().invoke(command, [str(out)], standalone_mode=False).output
    assert printed.splitlines()[-1] == f"Move the files that are not in the index out of {out}."


def test_a_single_fault_is_printed_in_the_singular(out):
    flip(out, MANIFEST)
    assert (
        ": 1 fault; 5 shards"
        in CliRunner().invoke(command, [str(out)], standalone_mode=False).output
    )
