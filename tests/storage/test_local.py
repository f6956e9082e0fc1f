from __future__ import annotations

import errno
import hashlib
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from texgen.core.config import Part
from texgen.core.errors import ConfigError, LockedError, ShardConflictError, StorageError
from texgen.core.system import current_process
from texgen.storage import Sink, locks, storage_errors


@pytest.fixture
def sink(tmp_path: Path) -> Sink:
    (tmp_path / "out").mkdir()
    return Sink(tmp_path / "out")


def draft(sink: Sink, data: bytes, name: str = "draft.part") -> tuple[Path, str]:
    path = sink.scratch() / name
    path.write_bytes(data)
    return path, hashlib.sha256(data).hexdigest()


def names(sink: Sink) -> set[str]:
    return set(sink.list(""))


def test_what_is_written_can_be_listed_and_opened(sink):
    sink.write("manifest/a.parquet", b"abc")
    sink.write("train/x.tar", b"")
    assert sink.list("") == {"manifest/a.parquet": 3, "train/x.tar": 0}
    assert sink.list("manifest") == {"manifest/a.parquet": 3}
    assert sink.list("nothing") == {}
    assert sink.open("manifest/a.parquet").read() == b"abc"
    assert sink.open("train/x.tar").read() == b""


def test_a_write_replaces_what_is_there(sink):
    sink.write("index.json", b"old and longer")
    sink.write("index.json", b"new")
    assert sink.open("index.json").read() == b"new"
    assert names(sink) == {"index.json"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(sink, monkeypatch):
    sink.write("index.json", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"index\.json.*No space left"):
        sink.write("index.json", b"new")
    assert sink.open("index.json").read() == b"old"
    assert not list(sink.scratch().iterdir())


def test_a_commit_moves_the_draft_to_its_name(sink):
    path, sha256 = draft(sink, b"tar")
    sink.commit(path, "train/train-000000.tar", sha256)
    assert sink.open("train/train-000000.tar").read() == b"tar"
    assert names(sink) == {"train/train-000000.tar"}


def test_a_commit_of_the_same_bytes_is_done_already(sink):
    for _ in range(2):
        path, sha256 = draft(sink, b"tar")
        sink.commit(path, "train/a.tar", sha256)
    assert names(sink) == {"train/a.tar"}


def test_a_commit_of_other_bytes_is_a_conflict_and_changes_nothing(sink):
    sink.write("train/a.tar", b"first")
    path, sha256 = draft(sink, b"second")
    with pytest.raises(ShardConflictError, match=r"train/a\.tar"):
        sink.commit(path, "train/a.tar", sha256)
    assert sink.open("train/a.tar").read() == b"first"


def test_a_commit_may_be_told_to_replace(sink):
    sink.write("train/a.tar", b"first")
    path, sha256 = draft(sink, b"second")
    sink.commit(path, "train/a.tar", sha256, replace=True)
    assert sink.open("train/a.tar").read() == b"second"
    assert names(sink) == {"train/a.tar"}


@pytest.mark.parametrize("code", [errno.EPERM, errno.ENOTSUP])
def test_file_systems_without_hard_links_commit_and_refuse_alike(sink, monkeypatch, code):
    def no_links(*_: object) -> None:
        raise OSError(code, "no hard links")

    monkeypatch.setattr(os, "link", no_links)
    path, sha256 = draft(sink, b"tar")
    sink.commit(path, "train/a.tar", sha256)
    assert sink.open("train/a.tar").read() == b"tar"
    path, sha256 = draft(sink, b"other")
    with pytest.raises(ShardConflictError):
        sink.commit(path, "train/a.tar", sha256)
    assert sink.open("train/a.tar").read() == b"tar"


def test_file_systems_that_cannot_sync_a_folder_are_good_enough(sink, monkeypatch):
    sync = os.fsync

    def files_only(descriptor: int) -> None:
        if Path(f"/proc/self/fd/{descriptor}").resolve().is_dir():
            raise OSError(errno.EINVAL, "Invalid argument")
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", files_only)
    sink.write("index.json", b"new")
    assert sink.open("index.json").read() == b"new"


def test_a_file_that_is_not_there_is_a_storage_error_that_names_it(sink):
    with pytest.raises(StorageError, match=r"train/a\.tar"):
        sink.open("train/a.tar")


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    sink = Sink(tmp_path / "file")
    for action in (lambda: sink.write("a", b""), sink.scratch, sink.log_path):
        with pytest.raises(StorageError, match="file"):
            action()
    with pytest.raises(StorageError, match="file"), sink.lock():
        pass


def test_remove_deletes_and_forgives_what_is_gone(sink):
    sink.write("index.json", b"x")
    for _ in range(2):
        sink.remove("index.json")
        assert names(sink) == set()


def test_clearing_scratch_deletes_drafts_alone(sink):
    path, _ = draft(sink, b"left behind")
    sink.write("_build/records/train-000000.arrow", b"kept")
    sink.clear_scratch()
    assert not path.exists()
    assert names(sink) == {"_build/records/train-000000.arrow"}
    sink.clear_scratch()


def test_a_second_writer_is_refused_with_the_holders_name(sink, tmp_path):
    with sink.lock():
        other = Sink(tmp_path / "out")
        with (
            pytest.raises(LockedError, match=rf"process {os.getpid()} on .+") as caught,
            other.lock(),
        ):
            pass
        assert caught.value.exit_code == 2
        # The refused attempt must not have taken the holder's name away.
        with pytest.raises(LockedError, match=f"process {os.getpid()} "), other.lock():
            pass


@pytest.mark.parametrize("left", [b"", b"null", b"[1]", b"{", b'{"pid": 5}', b"\xff"])
def test_a_damaged_lock_file_still_locks(sink, tmp_path, left):
    with sink.lock():
        (tmp_path / "out" / "_build" / "lock").write_bytes(left)
        with pytest.raises(LockedError, match="out"), Sink(tmp_path / "out").lock():
            pass


def part_sink(tmp_path: Path, number: int, count: int) -> Sink:
    return Sink(tmp_path / "out", Part(number, count))


def test_parts_of_one_count_write_side_by_side_and_nobody_else_does(sink, tmp_path):
    with part_sink(tmp_path, 1, 3).lock(), part_sink(tmp_path, 3, 3).lock():
        with pytest.raises(LockedError, match=r"since .* \(part 1-of-3\)"):
            part_sink(tmp_path, 1, 3).lock().__enter__()
        with pytest.raises(LockedError, match=r"\(part 1-of-3\)"):
            part_sink(tmp_path, 1, 2).lock().__enter__()
        with pytest.raises(LockedError, match="of-3"):
            sink.lock().__enter__()
    with sink.lock(), pytest.raises(LockedError, match="process"):
        part_sink(tmp_path, 1, 3).lock().__enter__()


def test_parts_of_another_count_may_come_once_the_former_are_gone(tmp_path):
    with part_sink(tmp_path, 1, 3).lock():
        pass
    with part_sink(tmp_path, 1, 2).lock(), part_sink(tmp_path, 2, 2).lock():
        pass


def test_a_part_clears_its_own_scratch_and_no_other(sink, tmp_path):
    files = [part_sink(tmp_path, number, 2).scratch() / "a.part" for number in (1, 2)]
    for file in files:
        file.write_bytes(b"x")
    part_sink(tmp_path, 1, 2).clear_scratch()
    assert [file.exists() for file in files] == [False, True]
    sink.clear_scratch()
    assert not files[1].exists()


def test_parts_finish_one_after_the_other(tmp_path):
    order = []

    def finish() -> None:
        with part_sink(tmp_path, 2, 2).finish_lock():
            order.append("second")

    with part_sink(tmp_path, 1, 2).finish_lock():
        thread = threading.Thread(target=finish)
        thread.start()
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]


def test_a_lock_is_free_again_after_an_error(sink):
    with pytest.raises(ZeroDivisionError), sink.lock():
        _ = 1 / 0
    with sink.lock():
        pass


def test_a_killed_holder_is_not_named_in_the_place_of_the_one_that_holds_the_lock(
    sink, tmp_path, monkeypatch
):
    monkeypatch.setattr(locks, "_SIGNS_WITHIN_S", 0.1)
    with subprocess.Popen(["true"]) as ended:
        pass
    about = {**current_process(), "pid": ended.pid, "since": 0}
    with sink.lock():
        lock = tmp_path / "out" / "_build" / "lock"
        own = lock.read_text()
        lock.write_text(json.dumps(about))
        with pytest.raises(LockedError, match="by another process;"), sink.lock():
            pass
        monkeypatch.setattr(locks.time, "sleep", lambda _: lock.write_text(own))
        with pytest.raises(LockedError, match=f"process {os.getpid()} "), sink.lock():
            pass


def test_a_build_that_was_killed_before_its_lock_leaves_nothing_foreign(sink, tmp_path):
    build = tmp_path / "out" / "_build"
    build.mkdir(parents=True)
    assert sink.first_unknown_file() is None
    (build / "other").touch()
    assert sink.first_unknown_file() == "_build"
    (build / "other").unlink()
    build.rmdir()
    build.touch()
    assert sink.first_unknown_file() == "_build"


def test_a_new_holder_leaves_nothing_of_the_former_ones_name(sink, tmp_path):
    lock = tmp_path / "out" / "_build" / "lock"
    lock.parent.mkdir()
    lock.write_text("x" * 5000)
    with sink.lock():
        assert b"x" * 10 not in lock.read_bytes()


def test_free_space_is_that_of_the_disk(sink, tmp_path):
    status = os.statvfs(tmp_path)
    free = sink.free_bytes()
    assert abs(free - status.f_bavail * status.f_frsize) < 1 << 30


def test_the_url_of_no_known_storage_is_refused_as_out():
    with pytest.raises(ConfigError, match="gs:// is not known here; name a folder, or s3://"):
        Sink("gs://bucket/x")


def test_links_back_and_to_nothing_are_listed_as_files_without_a_size(sink, tmp_path):
    out = tmp_path / "out"
    sink.write("train/a.tar", b"abc")
    (out / "train" / "up").symlink_to("..")
    (out / "self").symlink_to(".")
    (out / "x").symlink_to("y")
    (out / "y").symlink_to("x")
    (out / "gone").symlink_to("nowhere")
    (out / "other").symlink_to("train")
    assert sink.list("") == {
        "gone": -1, "self": -1, "x": -1, "y": -1, "train/a.tar": 3, "train/up": -1,
        "other/a.tar": 3, "other/up": -1,
    }  # fmt: skip


def test_a_folder_that_cannot_be_listed_is_an_error_and_not_empty(sink, monkeypatch):
    sink.write("train/a.tar", b"abc")
    scan = os.scandir

    def denied(path: str) -> object:
        if str(path).endswith("train"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(StorageError, match=r"cannot list .*train: Permission denied; change its"):
        sink.list("")


@pytest.mark.parametrize(
    ("code", "hint"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EDQUOT, "make room"),
        (errno.EXDEV, "one disk"),
        (errno.EROFS, "mount it writable"),
        (errno.EACCES, "permissions"),
    ],
)
def test_what_the_system_says_comes_with_the_place_and_a_hint(tmp_path, code, hint):
    with (
        pytest.raises(StorageError, match=rf"cannot write .*x: {os.strerror(code)}; .*{hint}"),
        storage_errors("write", tmp_path / "x"),
    ):
        raise OSError(code, f"[errno {code}] Arrow says much")


def test_a_full_disk_is_a_storage_error_of_the_lock(sink, monkeypatch):
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match=r"lock.*make room"), sink.lock():
        pass
    monkeypatch.undo()
    with sink.lock():
        pass


def test_a_place_that_may_not_be_looked_into_is_a_storage_error(sink, monkeypatch):
    def denied(*_: object) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "scandir", denied)
    with pytest.raises(StorageError, match=r"cannot look into .*permissions"):
        sink.first_unknown_file()
