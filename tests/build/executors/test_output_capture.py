from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import os, sys
from texgen.build.executors.output_capture import native_stderr

print("before", file=sys.stderr)
with native_stderr() as lines:
    os.write(2, b"[2026-01-01 12:00:00,000 W 7 7] gcs_client.cc:210: No cluster.\\n\\nmore\\n")
    print("meanwhile", file=sys.stderr)
    print(lines())
os.write(2, b"native again\\n")
print("after", file=sys.stderr)
"""


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_native_lines_are_kept_apart_and_python_goes_on_printing():
    result = run(sys.executable, "-c", SCRIPT)
    assert result.stderr.split("\n") == ["before", "meanwhile", "native again", "after", ""]
    assert result.stdout == "['No cluster.', 'more']\n"


def test_without_standard_error_nothing_is_moved():
    module = "texgen.build.executors.output_capture"
    quiet = f"from {module} import native_stderr\nwith native_stderr() as lines:\n"
    quiet += "    print(lines())"
    result = run("sh", "-c", 'exec "$0" -c "$1" 2>&-', sys.executable, quiet)
    assert (result.returncode, result.stdout) == (0, "[]\n")
