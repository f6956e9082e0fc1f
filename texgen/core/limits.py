"""What the system says where a limit of the user's, the container's or the machine's is reached."""

from __future__ import annotations

import errno

from texgen.core.errors import LimitError

_MEMORY = (
    "memory is used up: raise the limit (`ulimit -v`, or the memory of the container or job), or "
    "take fewer --workers"
)
_PROCESSES = (
    "the system starts no more threads or processes for this user: raise the limit (`ulimit -u`, "
    "the pids limit of the container or job, or `ulimit -v`), or take fewer --workers"
)
_FILES = "too many files are open: raise the limit (`ulimit -n`)"
_BY_NUMBER = {
    errno.EAGAIN: _PROCESSES,
    errno.ENOMEM: _MEMORY,
    errno.EMFILE: _FILES,
    errno.ENFILE: "too many files are open on this machine: raise the limit (`sysctl fs.file-max`)",
}
_BY_WORDS = {
    "can't start new thread": _PROCESSES,
    "failed to launch worker thread": _PROCESSES,
    "cannot allocate memory": _MEMORY,
    "failed to map segment": _MEMORY,
    "out of memory": _MEMORY,
}
"""What Python, Arrow and the loader of programs say in errors without a type or number."""


def limit_error(error: BaseException) -> LimitError | None:
    """The limit that is behind an error; None where it is another one's.

    Arrow's and NumPy's errors of too little memory are `MemoryError` too.
    """
    if isinstance(error, MemoryError):
        return LimitError(_MEMORY)
    if isinstance(error, OSError) and error.errno:
        mend = _BY_NUMBER.get(error.errno)
    else:
        text = str(error).lower()
        mend = next((mend for words, mend in _BY_WORDS.items() if words in text), None)
    return None if mend is None else LimitError(mend)
