"""Messages for errors that mean a limit of the user, the container or the machine."""

from __future__ import annotations

import errno

from texgen.core.errors import LimitError

_MEMORY = (
    "memory is used up: raise the limit (`ulimit -v`, or the memory of the container or job), or "
    "lower --workers (with texgen train also --batch-size)"
)
_GPU_MEMORY = "the memory of the GPU is used up: lower --batch-size or raise --accumulate"
_PROCESSES = (
    "the system starts no more threads or processes for this user: raise the limit (`ulimit -u`, "
    "the pids limit of the container or job, or `ulimit -v`), or lower --workers"
)
_FILES = "too many files are open: raise the limit (`ulimit -n`), or lower --workers"
_FILES_OF_MACHINE = (
    "too many files are open on this machine: raise the limit (`sysctl fs.file-max`)"
)
_BY_NUMBER = {
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: _FILES_OF_MACHINE,
}
_BY_TEXT = {
    "can't start new thread": _PROCESSES,
    "failed to launch worker thread": _PROCESSES,
    "too many open files": _FILES,
    # Python's error if a file is sent through a socket to a process that cannot open one more.
    "items of ancdata": _FILES,
    "ancillary data": _FILES,
    "cannot allocate memory": _MEMORY,
    "can't allocate memory": _MEMORY,
    "failed to map segment": _MEMORY,
    "cuda out of memory": _GPU_MEMORY,
    "out of memory": _MEMORY,
}
"""Parts of texts of Python, Arrow, torch and the dynamic linker, which give no type or number."""


def limit_error(error: BaseException) -> LimitError | None:
    """Returns the limit that an error means; None if the error means no limit.

    `MemoryError` covers Arrow and NumPy too: their errors for too little memory derive from it.
    """
    if isinstance(error, MemoryError):
        return LimitError(_MEMORY)
    if isinstance(error, OSError) and error.errno:
        message = _BY_NUMBER.get(error.errno)
    else:
        text = str(error).lower()
        message = next((message for part, message in _BY_TEXT.items() if part in text), None)
    return None if message is None else LimitError(message)
