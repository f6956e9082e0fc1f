from __future__ import annotations

import io
import sys
import time

import pytest

from texgen.build import BuildProgress
from texgen.cli.progress import (
    build_progress,
    describe_build,
    describe_check,
    training_progress,
    transfer_progress,
    verify_progress,
)
from texgen.verify import VerifyProgress


def status(done: int, total: int = 240, failed: int = 0) -> BuildProgress:
    return BuildProgress(done, total, failed, done // 2, total // 2)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time in seconds, as its only element."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("done", "rate", "text"),
    [
        (24, 0.71, "12/120 images, 0.71 textures/s, 0:05:04 left, 3 failed"),
        (0, 0.0, "0/120 images, 0.00 textures/s, -:--:-- left, 3 failed"),
        (240, 2.0, "120/120 images, 2.00 textures/s, 0:00:00 left, 3 failed"),
        (0, 0.001, "0/120 images, 0.00 textures/s, 66:40:00 left, 3 failed"),
    ],
)
def test_a_status_is_described_in_one_line(done, rate, text):
    assert describe_build(status(done, failed=3), rate) == text


def test_without_a_terminal_a_line_comes_every_half_minute(clock, capsys):
    with build_progress(quiet=False) as view:
        for second in range(100):
            clock[0] = 1000.0 + second
            view.update(status(2 * second))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f"{second}/120 images, 2.00 textures/s, 0:{(240 - 2 * second) // 2 // 60:02d}:"
        f"{(240 - 2 * second) // 2 % 60:02d} left, 0 failed"
        for second in (30, 60, 90)
    ]


def test_the_rate_is_that_of_the_last_minute_and_not_of_earlier_runs(clock, capsys):
    with build_progress(quiet=False) as view:
        view.update(status(100_000, 10**6))
        for second in range(0, 600, 5):
            clock[0] = 1000.0 + second
            view.update(
                status(100_000 + (second if second < 300 else 300 + 3 * (second - 300)), 10**6)
            )
    lines = capsys.readouterr().err.splitlines()
    assert "1.00 textures/s" in lines[2]
    assert "3.00 textures/s" in lines[-1]


def test_without_progress_the_time_left_is_unknown(clock, capsys):
    with build_progress(quiet=False) as view:
        for second in (0, 31):
            clock[0] = 1000.0 + second
            view.update(status(5))
    assert "0.00 textures/s, -:--:-- left" in capsys.readouterr().err


def test_messages_are_shown_at_once_and_never_on_standard_output(capsys):
    with build_progress(quiet=False) as view:
        view.message("folder 'x' is not a split [and] is ignored")
    captured = capsys.readouterr()
    assert captured.err == "folder 'x' is not a split [and] is ignored\n"
    assert captured.out == ""


def test_quiet_shows_nothing(capsys):
    with build_progress(quiet=True) as view:
        view.update(status(24))
        view.message("a note")
    assert capsys.readouterr().err == ""


def test_a_closed_standard_error_shows_nothing(monkeypatch):
    # Python sets it to None for `2>&-`.
    monkeypatch.setattr(sys, "stderr", None)
    with build_progress(quiet=False) as view:
        view.update(status(24))
        view.message("a note")


def test_a_terminal_gets_a_bar_with_messages_above_it(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with build_progress(quiet=False) as view:
        view.update(status(24))
        view.message("[red]not markup[/red]")
    text = terminal.getvalue()
    assert "[red]not markup[/red]" in text
    assert "\r" in text or "\x1b[" in text


def test_a_check_is_described_in_one_line():
    text = "12/240 textures checked, 4.00 textures/s, 0:00:57 left, 1 fault"
    assert describe_check(VerifyProgress(12, 240, 1), 4.0) == text
    text = "0/16 textures rebuilt, 0.00 textures/s, -:--:-- left, 0 faults"
    assert describe_check(VerifyProgress(0, 16, 0, rebuilding=True), 0.0) == text


def test_the_rate_restarts_with_another_count(clock, capsys):
    with verify_progress(quiet=False) as show:
        for second in range(0, 25):
            clock[0] = 1000.0 + second
            show(VerifyProgress(100 * second, 2400, 0))
        for second in range(0, 11):
            clock[0] = 1024.0 + second
            show(VerifyProgress(second, 16, 0, rebuilding=True))
    (line,) = capsys.readouterr().err.splitlines()
    assert line == "6/16 textures rebuilt, 1.00 textures/s, 0:00:10 left, 0 faults"


def test_a_check_shows_nothing_when_quiet_or_without_standard_error(monkeypatch, capsys):
    with verify_progress(quiet=True) as show:
        show(VerifyProgress(1, 2, 0))
    monkeypatch.setattr(sys, "stderr", None)
    with verify_progress(quiet=False) as show:
        show(VerifyProgress(1, 2, 0))
    assert capsys.readouterr().err == ""


def test_a_transfer_is_shown_every_half_minute_in_bytes_or_files(clock, capsys):
    for of_bytes in (True, False):
        clock[0] = 1000.0
        with transfer_progress(quiet=False, of_bytes=of_bytes) as on_progress:
            for second in range(0, 70):
                clock[0] = 1000.0 + second
                on_progress(1000 * second, 100_000)
    lines = ["30.0 kB of 100.0 kB", "60.0 kB of 100.0 kB", "30000 of 100000", "60000 of 100000"]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_training_run_shows_its_first_and_last_step_and_one_every_half_minute(clock, capsys):
    with training_progress(quiet=False) as on_step:
        for step in range(1, 41):
            clock[0] = 1000.0 + step
            on_step(step, 40, {"loss": step / 8, "other": 1.0})
    lines = [f"step {step} of 40: loss {step / 8:.3f}" for step in (1, 31, 40)]
    assert capsys.readouterr().err.splitlines() == lines


def test_a_terminal_gets_a_bar_of_metrics(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "150")
    with training_progress(quiet=False, unit="epoch") as on_epoch:
        on_epoch(1, 2, {"top1": 12.34})
    assert "epoch 1 of 2: top-1 12.3 %" in terminal.getvalue()
