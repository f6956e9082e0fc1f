from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.fake_executor import FakeExecutor, Plan
from texgen.build.executors import Failed, Logged, Progressed, ShardAttempt, ShardFinished
from texgen.build.heartbeat import RunningShard
from texgen.build.schedule import Policy, Scheduler
from texgen.core.errors import (
    EngineStartError,
    MissingCodecError,
    ShardConflictError,
    SourceChangedError,
    StorageError,
    TexgenError,
)
from texgen.core.types import Shard, ShardRecord, Timings


def makes(attempt: ShardAttempt, seconds: float = 1.0, rows: int = 10) -> Plan:
    record = ShardRecord(attempt.split, attempt.index, 1, "", rows, 0, "f", Timings(seconds))
    return [(0.0, Progressed(attempt, 0, 0, ())), (seconds, ShardFinished(attempt, record))]


def fails(attempt: ShardAttempt, error: Exception, *, seconds: float = 1.0) -> Plan:
    return [(0.0, Progressed(attempt, 0, 0, ())), (seconds, Failed(attempt, error))]


def hangs(attempt: ShardAttempt, done: int = 3, busy: tuple[str, ...] = ("ant/7",)) -> Plan:
    return [(0.0, Progressed(attempt, done, 1, busy))]


def run(
    executor: FakeExecutor,
    shards: int,
    policy: Policy,
    pulse: Callable[[list[RunningShard]], bool] = lambda _: True,
) -> SimpleNamespace:
    """Runs the scheduler; fails where it would never end."""
    seen = SimpleNamespace(made=[], lines=[], warnings=[], pulses=[], given_up={})

    def watched(running: list[RunningShard]) -> bool:
        assert executor.now < 100_000, "the scheduler does not end"
        done, failed = (sum(getattr(s, what) for s in running) for what in ("done", "failed"))
        seen.pulses.append((done, failed, len(running)))
        return pulse(running)

    scheduler = Scheduler(
        executor,
        lambda shard, attempt: ShardAttempt(*shard, attempt),
        policy,
        lambda record: seen.made.append((record.split, record.index)),
        seen.lines.append,
        seen.warnings.append,
        executor.clock,
    )
    seen.given_up = scheduler.run(all_shards(shards), watched)
    return seen


def all_shards(count: int) -> list[Shard]:
    return [("train", index) for index in range(count)]


PLAIN = Policy(attempts=3, stall_s=100.0, duplicate=False)
LOST = TexgenError("its process ended: signal 9")


@settings(max_examples=30)
@given(st.integers(0, 12), st.integers(1, 4), st.integers(0, 3))
def test_every_shard_is_made_once_in_order_and_in_bounds(shards, slots, queue):
    executor = FakeExecutor(slots, makes, queue)
    seen = run(executor, shards, PLAIN)
    assert sorted(seen.made) == all_shards(shards)
    assert executor.submitted == [ShardAttempt(*shard, 1) for shard in all_shards(shards)]
    assert executor.most <= slots
    assert seen.given_up == {}
    assert seen.warnings == []


def test_a_lost_attempt_is_tried_again_with_the_next_number():
    def play(attempt: ShardAttempt) -> Plan:
        return fails(attempt, LOST) if attempt.number < 3 else makes(attempt)

    executor = FakeExecutor(1, play)
    seen = run(executor, 1, PLAIN)
    assert seen.made == [("train", 0)]
    assert [attempt.number for attempt in executor.submitted] == [1, 2, 3]
    assert any("attempt 1" in line and "signal 9" in line for line in seen.lines)


def test_a_shard_that_always_fails_is_given_up_and_the_others_are_made():
    def play(attempt: ShardAttempt) -> Plan:
        return fails(attempt, LOST) if attempt.index == 1 else makes(attempt)

    executor = FakeExecutor(2, play)
    seen = run(executor, 5, PLAIN)
    assert sorted(seen.made) == [s for s in all_shards(5) if s != ("train", 1)]
    assert seen.given_up == {("train", 1): LOST}
    assert [t.number for t in executor.submitted if t.index == 1] == [1, 2, 3]
    assert any("train-000001" in warning for warning in seen.warnings)


def test_the_trace_of_a_bug_goes_to_the_log_alone():
    error = TexgenError("KeyError: 'x'")
    error.trace = "Traceback of the bug"
    seen = run(FakeExecutor(1, lambda t: fails(t, error)), 1, PLAIN)
    assert any("Traceback of the bug" in line for line in seen.lines)
    assert not any("Traceback" in warning for warning in seen.warnings)


def test_a_changed_source_gives_up_its_shard_at_once_and_makes_the_others():
    changed = SourceChangedError("train/ant/1.jpg has changed")

    def play(attempt: ShardAttempt) -> Plan:
        return fails(attempt, changed) if attempt.index == 0 else makes(attempt)

    executor = FakeExecutor(1, play)
    seen = run(executor, 3, PLAIN)
    assert sorted(seen.made) == [("train", 1), ("train", 2)]
    assert seen.given_up == {("train", 0): changed}
    assert len(executor.submitted) == 3


@pytest.mark.parametrize(
    "kind", [EngineStartError, MissingCodecError, StorageError, ShardConflictError]
)
def test_what_would_meet_every_shard_ends_the_run(kind):
    executor = FakeExecutor(1, lambda attempt: fails(attempt, kind("the disk is full")))
    with pytest.raises(kind, match="the disk is full"):
        run(executor, 3, PLAIN)
    assert len(executor.submitted) == 1


def test_a_pulse_that_says_no_stops_the_run():
    executor = FakeExecutor(2, lambda attempt: makes(attempt, 50.0))
    seen = run(executor, 9, PLAIN, lambda _: executor.now < 1010)
    assert executor.now < 1012
    assert seen.made == []
    assert len(executor.submitted) == 2


def test_the_pulse_counts_what_is_in_flight():
    executor = FakeExecutor(2, lambda t: [*hangs(t, done=4 + t.index), *makes(t, 5.0)[1:]])
    seen = run(executor, 2, PLAIN)
    assert seen.pulses[0] == (0, 0, 0)
    assert (9, 2, 2) in seen.pulses
    assert seen.pulses[-1] == (0, 0, 0)


def test_lines_of_other_processes_go_to_the_log():
    seen = run(FakeExecutor(1, lambda t: [(0.0, Logged("WARNING ant")), *makes(t)]), 1, PLAIN)
    assert "WARNING ant" in seen.lines
    assert seen.warnings == []


def test_lines_that_arrive_after_the_last_shard_go_to_the_log():
    assert run(FakeExecutor(1, makes), 1, PLAIN).lines == ["the last line"]


def test_a_warning_is_shown():
    event = Logged("node b has a full disk", warning=True)
    seen = run(FakeExecutor(1, lambda t: [(0.0, event), *makes(t)]), 1, PLAIN)
    assert "node b has a full disk" in seen.warnings


DUPLICATE = Policy(attempts=3, stall_s=1000.0, duplicate=True)


def straggler(attempt: ShardAttempt) -> Plan:
    slow = attempt.index == 3 and attempt.number == 1
    return makes(attempt, 300.0 if slow else 10.0)


def test_an_idle_worker_tries_a_late_shard_too_and_the_first_to_finish_counts():
    executor = FakeExecutor(2, straggler)
    seen = run(executor, 4, DUPLICATE)
    assert sorted(seen.made) == all_shards(4)
    assert executor.submitted[-1] == ShardAttempt("train", 3, 2)
    assert ShardAttempt("train", 3, 1) in executor.cancelled
    # The metrics count each shard once as well.
    assert len(executor.counted) == 4
    assert executor.now < 1060
    assert any("train-000003" in line for line in seen.lines)


def test_an_engine_that_is_not_deterministic_gets_no_duplicates():
    executor = FakeExecutor(2, straggler)
    seen = run(executor, 4, Policy(3, 1000.0, duplicate=False))
    assert sorted(seen.made) == all_shards(4)
    assert len(executor.submitted) == 4


def test_no_duplicate_is_made_while_shards_wait_or_workers_are_busy():
    executor = FakeExecutor(2, lambda t: makes(t, 300.0 if t.index == 0 else 10.0))
    run(executor, 20, DUPLICATE)
    doubled = executor.submitted.index(ShardAttempt("train", 0, 2))
    assert doubled == 20
    assert executor.most == 2


def test_a_shard_has_at_most_two_attempts_at_once():
    executor = FakeExecutor(4, lambda t: makes(t, 300.0 if t.index == 0 else 10.0))
    run(executor, 4, Policy(9, 1000.0, duplicate=True))
    assert len([t for t in executor.submitted if t.index == 0]) == 2


def test_a_duplicate_that_fails_leaves_the_first_attempt_alone():
    def play(attempt: ShardAttempt) -> Plan:
        slow = attempt.index == 3
        if slow and attempt.number == 2:
            return fails(attempt, LOST)
        return makes(attempt, 100.0 if slow else 10.0)

    executor = FakeExecutor(2, play)
    seen = run(executor, 4, Policy(2, 1000.0, duplicate=True))
    assert sorted(seen.made) == all_shards(4)
    assert seen.given_up == {}


STALL = Policy(attempts=2, stall_s=100.0, duplicate=False)


def test_a_stuck_shard_is_named_then_given_out_again():
    executor = FakeExecutor(1, lambda t: hangs(t) if t.number == 1 else makes(t))
    seen = run(executor, 1, STALL)
    assert seen.made == [("train", 0)]
    assert executor.cancelled[0] == ShardAttempt("train", 0, 1)
    named = [warning for warning in seen.warnings if "train-000000" in warning]
    assert len(named) == 1
    assert all(part in named[0] for part in ("3 textures", "ant/7", "100 s"))
    assert 1200 <= executor.now < 1205


def test_a_shard_that_always_hangs_is_given_up():
    executor = FakeExecutor(1, lambda t: hangs(t) if t.index == 0 else makes(t))
    seen = run(executor, 2, STALL)
    assert seen.made == [("train", 1)]
    assert set(seen.given_up) == {("train", 0)}
    assert len([t for t in executor.submitted if t.index == 0]) == 2


def test_slow_progress_is_no_stall():
    def play(attempt: ShardAttempt) -> Plan:
        steps = [(90.0 * i, Progressed(attempt, i, 0, ())) for i in range(10)]
        return [*steps, *makes(attempt, 900.0)[1:]]

    executor = FakeExecutor(1, play)
    seen = run(executor, 1, STALL)
    assert (seen.made, seen.warnings) == ([("train", 0)], [])
    assert len(executor.submitted) == 1


def test_reports_without_progress_are_a_stall():
    def play(attempt: ShardAttempt) -> Plan:
        if attempt.number == 2:
            return makes(attempt)
        return [(float(i), Progressed(attempt, 5, 0, ("ant/7",))) for i in range(0, 900, 3)]

    executor = FakeExecutor(1, play)
    seen = run(executor, 1, STALL)
    assert seen.made == [("train", 0)]
    assert executor.now < 1205
    assert any("5 textures" in warning for warning in seen.warnings)


def test_a_shard_that_waits_in_a_queue_is_named_and_kept():
    executor = FakeExecutor(1, lambda t: makes(t, 10.0) if t.index else progressing(t), queue=1)
    seen = run(executor, 2, STALL)
    assert sorted(seen.made) == all_shards(2)
    assert len(executor.submitted) == 2
    assert any("train-000001" in w and "waits" in w for w in seen.warnings)


def progressing(attempt: ShardAttempt) -> Plan:
    steps = [(50.0 * i, Progressed(attempt, i, 0, ())) for i in range(10)]
    return [*steps, *makes(attempt, 500.0)[1:]]
