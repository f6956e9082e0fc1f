from __future__ import annotations

import os
import signal
import threading

import pytest

from texgen.build.stop import StopRequest

BOTH = pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["Ctrl-C", "SIGTERM"]
)


class LeftAtOnceError(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def handlers(monkeypatch: pytest.MonkeyPatch):
    """Restores the signal handlers after the test; `os._exit` raises `LeftAtOnceError`."""

    def leave(code: int) -> None:
        raise LeftAtOnceError(code)

    monkeypatch.setattr(os, "_exit", leave)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield before
    for number, handler in before.items():
        signal.signal(number, handler)


@BOTH
def test_a_signal_while_shards_are_made_only_asks(number, code):
    with StopRequest() as stop:
        assert stop.exit_code is None
        with stop.deferred():
            signal.raise_signal(number)
            assert stop.exit_code == code
        assert stop.exit_code == code


@BOTH
def test_a_signal_while_nothing_is_made_leaves_at_once_with_a_line(number, code, capfd):
    with pytest.raises(LeftAtOnceError) as caught, StopRequest():
        signal.raise_signal(number)
    assert caught.value.args == (code,)
    assert capfd.readouterr().err.startswith("texgen: stopped while no shard was being made;")


@BOTH
def test_a_signal_after_the_shards_leaves_at_once_again(number, code):
    with StopRequest() as stop:
        with stop.deferred():
            pass
        with pytest.raises(LeftAtOnceError) as caught:
            signal.raise_signal(number)
    assert caught.value.args == (code,)


@BOTH
def test_a_second_signal_leaves_at_once(number, code):
    with StopRequest() as stop, stop.deferred():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(LeftAtOnceError) as caught:
            signal.raise_signal(number)
    assert caught.value.args == (code,)


def test_signals_mean_afterwards_what_they_meant_before(handlers):
    mine = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with StopRequest() as stop, stop.deferred():
        assert signal.getsignal(signal.SIGTERM) != signal.SIG_IGN
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_IGN
    assert signal.getsignal(signal.SIGINT) == handlers[signal.SIGINT]
    signal.signal(signal.SIGTERM, mine)


def test_in_another_thread_signals_are_left_alone(handlers):
    seen = []

    def build() -> None:
        with StopRequest() as stop, stop.deferred():
            seen.append((stop.exit_code, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=build)
    thread.start()
    thread.join()
    assert seen == [(None, handlers[signal.SIGTERM])]
