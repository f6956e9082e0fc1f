"""Which texgen this process runs, so that processes and nodes can be told to run the same."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from texgen.core.errors import CodeDiffersError
from texgen.core.version import VERSION

_SUFFIXES = {".py", ".css", ".txt"}
"""Code and data of the package; what editors and compilers leave beside them does not count."""


@dataclass(frozen=True, slots=True)
class CodeIdentity:
    """A texgen.

    Attributes:
        version: As ``texgen --version`` prints it.
        digest: The first 12 hex digits of the SHA-256 over the package's own files.
    """

    version: str
    digest: str

    def __str__(self) -> str:
        return f"texgen {self.version} (code {self.digest})"


@lru_cache(maxsize=1)
def code_identity() -> CodeIdentity:
    """The texgen of this process, read from its files when it is first asked for."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in _SUFFIXES):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return CodeIdentity(VERSION, digest.hexdigest()[:12])


def code_differs(found: str, wanted: str) -> CodeDiffersError:
    """The error of a process or node whose texgen is another than the command's.

    Args:
        found: The `CodeIdentity` there, as text.
        wanted: The command's.
    """
    message = (
        f"it has {found}, and this command is {wanted}: install the same texgen on every node "
        "(`pip install` of one checkout or wheel), then run the same command again"
    )
    return CodeDiffersError(message)
