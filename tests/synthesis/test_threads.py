from __future__ import annotations

import threading
from concurrent.futures import CancelledError

import pytest

from texgen.synthesis.threads import DaemonThreads


def test_results_and_errors_reach_the_caller():
    threads = DaemonThreads(2, "test", lambda x: 6 // x)
    assert [threads.submit(x).result() for x in (1, 2, 3)] == [6, 3, 2]
    with pytest.raises(ZeroDivisionError):
        threads.submit(0).result()
    assert threads.submit(6).result() == 1
    threads.close()


def test_calls_one_after_the_other_need_one_thread():
    threads = DaemonThreads(4, "test", lambda _: threading.get_ident())
    assert len({threads.submit(n).result() for n in range(200)}) == 1
    threads.close()


def test_no_more_threads_than_asked_for_run_side_by_side():
    together = threading.Barrier(3)
    threads = DaemonThreads(3, "test", lambda _: (together.wait(20), threading.get_ident())[1])
    answers = [threads.submit(n) for n in range(9)]
    assert len({answer.result() for answer in answers}) == 3
    threads.close()


def test_at_the_end_what_has_begun_is_finished_and_the_rest_is_cancelled():
    begun, go_on = threading.Event(), threading.Event()
    threads = DaemonThreads(1, "test", lambda n: (begun.set(), go_on.wait(20), n)[2])
    first, second = threads.submit(1), threads.submit(2)
    begun.wait(20)
    closing = threading.Thread(target=threads.close)
    closing.start()
    with pytest.raises(CancelledError):
        second.result(20)
    go_on.set()
    closing.join(20)
    assert first.result(0) == 1
    with pytest.raises(RuntimeError):
        threads.submit(3)


def test_a_thread_that_could_not_be_started_is_no_threads_work(monkeypatch):
    # As under `ulimit -u`: later calls waited for it for good.
    start = threading.Thread.start
    refusals = iter([True, False, True])

    def limited(thread: threading.Thread) -> None:
        if next(refusals, False):
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    release = threading.Event()
    threads = DaemonThreads(2, "test", lambda n: (release.wait(20), n)[1])
    with pytest.raises(RuntimeError, match="start new thread"):
        threads.submit(1)
    second, third = threads.submit(2), threads.submit(3)  # the thread that runs takes both
    release.set()
    assert (second.result(20), third.result(20)) == (2, 3)
    threads.close()
