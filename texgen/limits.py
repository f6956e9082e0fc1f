"""What the system says where a limit of the user's, the container's or the machine's is reached."""

from __future__ import annotations

import errno

from texgen.errors import LimitError

_MEMORY = (
    "memory is used up: raise the limit (`ulimit -v`, or the memory of the container or job), or "
    "take fewer --workers"
)
_PROCESSES = (
    "the system starts no more threads or processes for this user: raise the limit (`ulimit -u`, "
    "or the pids limit of the container or job), or take fewer --workers"
)
_FILES = "too many files are open: raise the limit (`ulimit -n`)"
_BY_NUMBER = {
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: "too many files are open on this machine: raise the limit (`sysctl fs.file-max`)",
}
_NO_THREAD = "can't start new thread"
_NO_MEMORY = ("cannot allocate memory", "failed to map segment", "out of memory")
"""What a program says that cannot be loaded, in an `ImportError` like any other."""


def limit_error(error: BaseException) -> LimitError | None:
    """The limit that is behind an error; None where it is another one's.

    Arrow's and NumPy's errors of too little memory are `MemoryError` too.
    """
    text = str(error).lower()
    mend = None
    if isinstance(error, MemoryError):
        mend = _MEMORY
    elif isinstance(error, OSError):
        mend = _BY_NUMBER.get(error.errno or 0)
    elif isinstance(error, RuntimeError) and _NO_THREAD in text:
        # Python has no type for it.
        mend = _PROCESSES
    elif isinstance(error, ImportError) and any(words in text for words in _NO_MEMORY):
        mend = _MEMORY
    return None if mend is None else LimitError(mend)
