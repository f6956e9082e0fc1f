from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys

import pytest

from texgen.core import signals

LEAVE = "import signal, texgen.core.signals as s; s.leave(signal.SIGINT, 'stopped at once')"


def test_leaving_shows_the_cursor_that_a_progress_bar_has_hidden():
    ours, theirs = pty.openpty()
    process = subprocess.run([sys.executable, "-c", LEAVE], stderr=theirs, check=False)
    os.close(theirs)
    text = os.read(ours, 1000)
    os.close(ours)
    assert process.returncode == 130
    assert b"\x1b[?25h" in text
    assert text.endswith(b"texgen: stopped at once\r\n")


def test_leaving_writes_plain_text_where_there_is_no_terminal():
    process = subprocess.run([sys.executable, "-c", LEAVE], stderr=subprocess.PIPE, check=False)
    assert (process.returncode, process.stderr) == (130, b"texgen: stopped at once\n")


def test_leaving_without_standard_error_writes_into_no_other_file(tmp_path):
    script = f"open({str(tmp_path / 'file')!r}, 'w'); file = open({str(tmp_path / 'other')!r}, 'w')"
    command = f'exec "$0" -c "{script}; {LEAVE}" 2>&-'
    process = subprocess.run(["sh", "-c", command, sys.executable], check=False)
    assert process.returncode == 130
    assert (tmp_path / "other").read_bytes() == b""


@pytest.mark.parametrize("number", signals.SIGNALS)
def test_handlers_are_put_back_whoever_has_changed_them(number):
    before = signal.getsignal(number)
    with signals.kept() as put_back:
        signal.signal(number, signal.SIG_IGN)
        put_back()
        assert signal.getsignal(number) == before
        signal.signal(number, signal.SIG_IGN)
    assert signal.getsignal(number) == before
