"""Version and code of this process's texgen, which all processes and nodes of a build share."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from texgen.core.errors import CodeDiffersError

DISTRIBUTION = "texgen-shards"
"""Name on PyPI; "texgen" is another project there."""

_SUFFIXES = {".py", ".css", ".txt"}
"""Suffixes of the package's code and data; other files, such as compiled ones, do not count."""


@lru_cache(maxsize=1)
def version() -> str:
    """Version of the installed texgen, "0+uninstalled" in a checkout that is not.

    `rust_bridge/Cargo.toml` sets it for all parts.
    """
    # Imported here because it takes longer than the rest of `texgen --help`.
    from importlib import metadata

    try:
        return metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return "0+uninstalled"


@dataclass(frozen=True, slots=True)
class CodeIdentity:
    """Identity of a texgen.

    Attributes:
        version: Version that ``texgen --version`` prints.
        digest: First 12 hex digits of the SHA-256 over the package's own files.
    """

    version: str
    digest: str

    def __str__(self) -> str:
        return f"texgen {self.version} (code {self.digest})"


@lru_cache(maxsize=1)
def code_identity() -> CodeIdentity:
    """Identity of this process's texgen, computed from its files at the first call."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(p for p in root.rglob("*") if p.suffix in _SUFFIXES):
        data = path.read_bytes()
        digest.update(f"{path.relative_to(root).as_posix()}\0{len(data)}\0".encode())
        digest.update(data)
    return CodeIdentity(version(), digest.hexdigest()[:12])


def code_differs(found: str, wanted: str) -> CodeDiffersError:
    """Returns the error of a process or node whose `CodeIdentity` differs from the command's."""
    message = (
        f"it has {found}, and this command is {wanted}: install the same texgen on every node "
        "(`pip install` of one checkout or wheel), then run the same command again"
    )
    return CodeDiffersError(message)
