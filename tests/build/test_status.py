"""How far a build is, from the files in OUT alone."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from texgen.build.heartbeat import Heartbeat, RunningShard, encode_heartbeat
from texgen.build.status import read_status
from texgen.cli.main import run
from texgen.core.errors import DatasetError
from texgen.core.layout import record_path, status_path
from texgen.core.system import process_with_id
from texgen.dataset.records import encode_record, read_shard_record
from texgen.storage import Sink

NOW = 1_000_000.0
ROWS = {("train", 0): 3, ("train", 1): 3, ("train", 2): 3, ("train", 3): 3, ("val", 0): 2}


def unfinished(out: Path, *, without: list[tuple[str, int]]) -> None:
    """Deletes the index and some shards; the others ended 10 s after each other."""
    (out / "index.json").unlink()
    for number, shard in enumerate(ROWS):
        path = out / record_path(*shard)
        record = read_shard_record(Sink(out).open(record_path(*shard)))
        timings = replace(record.timings, total_s=10.0, ended=NOW - 100 + 10 * number)
        path.unlink()
        if shard not in without:
            Sink(out).write(
                record_path(*shard), encode_record(replace(record, timings=timings), [])
            )


def test_a_run_that_speaks_seldom_is_not_gone_so_soon(out):
    unfinished(out, without=[("val", 0)])
    for every_s, age, state in (
        (30.0, 150.0, "running"),
        (30.0, 181.0, "gone"),
        (5.0, 31.0, "gone"),
    ):
        said = Heartbeat("running", "host7", 123, NOW - 500, NOW - age, None, (), every_s)
        Sink(out).write(status_path(None), encode_heartbeat(said))
        assert progress(out).state == state


def beat(out: Path, state: str, age: float, *running: RunningShard) -> None:
    heartbeat = Heartbeat(state, "host7", 123, NOW - 500, NOW - age, None, running)
    Sink(out).write(status_path(None), encode_heartbeat(heartbeat))


def making(index: int = 3, seconds: float = 5.0, done: int = 1) -> RunningShard:
    return RunningShard("train", index, 1, seconds, 0.5, done, 0, ("ant/a",))


def progress(out: Path):
    return read_status(Sink(out), NOW)


def test_a_finished_build_is_finished_whatever_the_last_beat_said(out):
    beat(out, "running", 1.0, making())
    found = progress(out)
    assert (found.state, found.rows, found.rows_done, found.failed) == ("finished", 14, 14, 2)
    assert found.splits["val"].shards_done == 1
    assert not found.running


def test_a_finished_data_set_without_its_plan_is_told_from_its_index(out):
    (out / "_build" / "plan.json").unlink()
    found = progress(out)
    assert (found.state, found.rows, found.failed) == ("finished", 14, 2)


def test_a_build_that_runs_has_a_rate_and_an_end(out):
    unfinished(out, without=[("train", 3), ("val", 0)])
    beat(out, "running", 2.0, making())
    found = progress(out)
    assert (found.state, found.rows_done) == ("running", 10)
    # Three shards of three rows ended 10 s after each other, the first after 10 s.
    assert found.per_second == pytest.approx(9 / 30)
    assert found.left_s == pytest.approx(4 / 0.3)
    assert [shard.done for shard in found.running] == [1]
    assert not found.late


def test_a_shard_that_takes_twice_the_usual_time_is_late(out):
    unfinished(out, without=[("train", 3), ("val", 0)])
    beat(out, "running", 2.0, making(seconds=20.5), RunningShard("val", 0, 1, 19.5, 0, 0, 0, ()))
    assert [(shard.split, shard.index) for shard in progress(out).late] == [("train", 3)]


def test_a_shard_that_is_finished_by_now_is_not_counted_twice(out):
    unfinished(out, without=[("val", 0)])
    beat(out, "running", 4.0, making(done=2))
    assert progress(out).rows_done == 12


@pytest.mark.parametrize(
    ("state", "age", "expected"),
    [
        ("running", 0.0, "running"),
        # Another machine's clock may be ahead.
        ("running", -3600.0, "running"),
        ("running", 31.0, "gone"),
        ("stopped", 1.0, "stopped"),
        ("failed", 1.0, "failed"),
        # The end of a part is not the end of the build.
        ("finished", 1.0, "stopped"),
    ],
)
def test_the_last_beat_says_what_became_of_a_run(out, state, age, expected):
    unfinished(out, without=[("val", 0)])
    beat(out, state, age, making())
    assert progress(out).state == expected


def test_a_build_without_a_beat_is_planned(out):
    unfinished(out, without=list(ROWS))
    (out / "_build" / "status" / "build.json").unlink()
    found = progress(out)
    assert (found.state, found.rows_done, found.per_second) == ("planned", 0, None)


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"running": []}', b'{"running": 3}'])
def test_a_damaged_beat_is_left_out(out, data):
    (out / "_build" / "status" / "build.json").write_bytes(data)
    assert progress(out).runs == ()


def empty(place: Path) -> None:
    place.mkdir()


def of_another(place: Path) -> None:
    (place / "_build").mkdir(parents=True)
    (place / "thesis.tex").touch()


def listing(place: Path) -> None:
    (place / "_build").mkdir(parents=True)
    (place / "_build" / "lock").touch()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda place: None, "OUT holds no build and no other files"),
        (empty, "OUT holds no build and no other files"),
        (of_another, "OUT holds no build, but other files, such as thesis.tex"),
        (listing, "OUT holds no build yet. If one is running it is still listing SRC"),
    ],
)
def test_a_place_without_a_build_is_named_with_what_it_holds(make, why, tmp_path, capsys):
    make(tmp_path / "place")
    with pytest.raises(DatasetError, match=why):
        progress(tmp_path / "place")
    assert run(["status", str(tmp_path / "place")]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f"texgen: {tmp_path / 'place'}: {why}")
    assert error.count("\n") == 1


def test_a_place_without_a_build_is_not_searched(tmp_path, monkeypatch):
    """OUT may be a whole disk, given by mistake."""
    of_another(tmp_path)
    listed = []
    look = Sink.list
    monkeypatch.setattr(
        Sink, "list", lambda self, prefix: listed.append(prefix) or look(self, prefix)
    )
    with pytest.raises(DatasetError):
        progress(tmp_path)
    assert "" not in listed


@pytest.mark.parametrize("planned", [True, False])
def test_a_finished_build_that_lost_a_shard_is_not_finished(planned, out, capsys):
    if not planned:
        (out / "_build" / "plan.json").unlink()
    (out / "train" / "train-000001.tar").unlink()
    found = progress(out)
    assert (found.state, found.rows, found.rows_done < 14) == ("damaged", 14, True)
    assert (found.splits["train"].shards_done, found.splits["train"].shards) == (3, 4)
    assert run(["status", str(out)]) == 0
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"{out}: was finished, but files are missing or damaged: see `texgen verify`"


def test_a_run_of_this_machine_that_was_killed_is_gone_at_once(out):
    unfinished(out, without=[("val", 0)])
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        about = process_with_id(sleeper.pid)
        said = Heartbeat("running", started=NOW - 500, beat=NOW, part=None, **about)
        Sink(out).write(status_path(None), encode_heartbeat(said))
        assert progress(out).state == "running"
    finally:
        sleeper.kill()
        sleeper.wait()
    assert progress(out).state == "gone"


def test_what_is_printed_names_late_shards_and_the_run(out, capsys):
    unfinished(out, without=[("train", 3), ("val", 0)])
    beat(out, "running", 0.0, making(seconds=3700))
    # The command line uses the system's clock, which is long after that heartbeat.
    assert run(["status", str(out)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"{out}: not running: its last run ended without notice")
    assert lines[1] == "64.3 %: 9 of 14 textures, 2 failed"
    assert "  train: 3 of 4 shards, 9 of 12, 2 failed, " in lines[2]
    assert "process 123 on host7 since " in lines[-1]
    assert "no heartbeat for " in lines[-1]
    assert run(["status", str(out), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "gone"


def test_a_run_that_was_stopped_by_ctrl_z_is_not_gone_however_long_it_is_silent(out, capsys):
    unfinished(out, without=[("val", 0)])
    sleeper = subprocess.Popen(["sleep", "60"])
    try:
        about = process_with_id(sleeper.pid)
        said = Heartbeat("running", started=NOW - 5000, beat=NOW - 4000, part=None, **about)
        Sink(out).write(status_path(None), encode_heartbeat(said))
        # It is silent. That its process runs proves nothing: another may have its id.
        assert progress(out).state == "gone"
        sleeper.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED | os.WNOWAIT)
        assert progress(out).state == "suspended"
        assert run(["status", str(out)]) == 0
        printed = capsys.readouterr().out
        assert "suspended (Ctrl-Z)" in printed
        assert f"kill -CONT {sleeper.pid}" in printed
        sleeper.send_signal(signal.SIGCONT)
    finally:
        sleeper.kill()
        sleeper.wait()
    assert progress(out).state == "gone"
