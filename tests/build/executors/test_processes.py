"""Task processes without Ray."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
from types import SimpleNamespace

import pytest

from texgen.build.executors import Failed, Progressed, ShardAttempt
from texgen.build.executors import processes as module
from texgen.build.executors.processes import ProcessExecutor
from texgen.core.errors import CodeDiffersError


def test_sigterm_ends_a_task_wherever_it_strikes():
    # In a finaliser an exception would be printed and lost, and the process would live on.
    script = """
        import os, signal
        from texgen.build.executors import processes

        class Dying:
            def __del__(self):
                os.kill(os.getpid(), signal.SIGTERM)

        signal.signal(signal.SIGTERM, processes._end)
        Dying()
        print("lives on")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout, done.stderr) == (143, b"", b"")


def test_an_attempt_has_begun_when_it_is_given_out(monkeypatch: pytest.MonkeyPatch):
    # Its process may be stuck before it can say a word, and must be missed then.
    monkeypatch.setattr(module, "_TASK", "import time; time.sleep(3600)")
    executor = ProcessExecutor(1)
    shard = SimpleNamespace(split="train", index=7)
    executor.submit(SimpleNamespace(shard=shard, attempt=2))
    try:
        assert executor.wait(0.1) == [Progressed(ShardAttempt("train", 7, 2), 0, 0, ())]
        assert executor.wait(0.1) == []
    finally:
        executor.close()


def test_a_process_with_other_code_makes_no_shard(monkeypatch: pytest.MonkeyPatch):
    # As after `pip install` in the middle of a build, when a process is replaced.
    monkeypatch.setattr(module, "code_identity", lambda: "texgen 0.0.0 (code 0)")
    executor = ProcessExecutor(1)
    shard = SimpleNamespace(split="train", index=7)
    executor.submit(SimpleNamespace(shard=shard, attempt=1))
    try:
        events = executor.wait(0)
        deadline = time.monotonic() + 60
        while len(events) < 2 and time.monotonic() < deadline:
            events += executor.wait(0.5)
        assert isinstance(events[1], Failed)
        assert isinstance(events[1].error, CodeDiffersError)
        assert "texgen 0.0.0 (code 0)" in str(events[1].error)
    finally:
        executor.close()


def test_a_process_that_can_run_no_task_is_not_used_again(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "code_identity", lambda: "texgen 0.0.0 (code 0)")
    executor = ProcessExecutor(1)
    try:
        for index in (7, 8):
            executor.submit(
                SimpleNamespace(shard=SimpleNamespace(split="a", index=index), attempt=1)
            )
            deadline = time.monotonic() + 60
            failed = []
            while not failed and time.monotonic() < deadline:
                failed = [event for event in executor.wait(0.5) if isinstance(event, Failed)]
            # Lost, and tried again, is what the second would be in the process that has ended.
            assert [type(event.error) for event in failed] == [CodeDiffersError]
            assert executor.queue_capacity() == 1
    finally:
        executor.close()
