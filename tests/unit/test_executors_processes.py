"""Task processes without Ray."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def test_sigterm_ends_a_task_wherever_it_strikes():
    # In a finaliser an exception would be printed and lost, and the process would live on.
    script = """
        import os, signal
        from texgen.executors import processes

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
