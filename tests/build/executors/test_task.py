from __future__ import annotations

import errno
import os
from types import SimpleNamespace

import pytest

from texgen.build.executors import task
from texgen.build.executors.task import TaskError, run_task
from texgen.core.errors import ScratchError, SourceReadError, StorageError
from texgen.core.types import ShardPlan

SHARD = ShardPlan("train", 3, (), 0, 0)


def into(out: str) -> SimpleNamespace:
    return SimpleNamespace(request=SimpleNamespace(out=out), shard=SHARD)


def raised(monkeypatch: pytest.MonkeyPatch, error: Exception) -> Exception:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(task, "_run", fail)
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the type is what is asked
        run_task(into("/out"), lambda _: None)
    return caught.value


@pytest.mark.parametrize(
    ("number", "mend"), [(errno.ENOSPC, "make room"), (errno.EACCES, "change its permissions")]
)
def test_an_error_of_the_system_names_the_shard_and_the_mend(monkeypatch, number, mend):
    error = raised(monkeypatch, OSError(number, os.strerror(number)))
    assert isinstance(error, StorageError)
    shard = "cannot write /out/train/train-000003.tar: "
    assert str(error).startswith(f"{shard}{os.strerror(number)}; {mend}")


def test_where_out_is_a_bucket_a_full_disk_is_one_machine_s(monkeypatch):
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(task, "_run", fail)
    with pytest.raises(ScratchError, match=r"No space left on device; .* set TMPDIR"):
        run_task(into("s3://bucket/out"), lambda _: None)


def test_an_error_of_texgen_stays_what_it_is(monkeypatch):
    error = SourceReadError("cannot read a.jpg")
    assert raised(monkeypatch, error) is error


def test_what_nobody_foresaw_keeps_its_traceback(monkeypatch):
    error = raised(monkeypatch, KeyError("x"))
    assert isinstance(error, TaskError)
    assert "Traceback" in error.trace
