from __future__ import annotations

import errno

import numpy as np
import pyarrow as pa
import pytest

from texgen.core.limits import limit_error


def numpys() -> BaseException:
    with pytest.raises(MemoryError) as told:
        np.empty(1 << 55, np.uint8)
    return told.value


def arrows() -> BaseException:
    with pytest.raises(pa.ArrowMemoryError) as told:
        pa.allocate_buffer(1 << 60)
    return told.value


SHARED = "libscipy.so: failed to map segment from shared object"
AS_IT_COMES = {
    "Python's own memory": (MemoryError, "ulimit -v"),
    "NumPy's": (numpys, "ulimit -v"),
    "Arrow's": (arrows, "ulimit -v"),
    "a library that does not fit": (lambda: ImportError(SHARED), "ulimit -v"),
    "a thread": (lambda: RuntimeError("can't start new thread"), "ulimit -u"),
    "one of Arrow's": (
        lambda: pa.ArrowException("Unknown error: Failed to launch worker thread: Resource …"),
        "ulimit -u",
    ),
    "a fork": (lambda: BlockingIOError(errno.EAGAIN, "Resource temporarily unavailable"), "-u"),
    "a fork without memory": (lambda: OSError(errno.ENOMEM, "Cannot allocate memory"), "-v"),
    "files": (lambda: OSError(errno.EMFILE, "Too many open files", "/a"), "ulimit -n"),
}


@pytest.mark.parametrize("what", AS_IT_COMES)
def test_a_limit_is_named_with_what_raises_it(what):
    make, mend = AS_IT_COMES[what]
    message = str(limit_error(make()))
    assert mend in message
    assert "\n" not in message


@pytest.mark.parametrize(
    "error",
    [ValueError("x"), RuntimeError("x"), ImportError("No module named 'x'"), OSError(2, "x")],
)
def test_another_error_is_no_limit(error):
    assert limit_error(error) is None
