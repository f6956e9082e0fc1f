"""Recognizes files that are compressed or packed as a whole, by first bytes or names."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.core.errors import SourceError
from texgen.core.text import pluralize

_COMPRESSED = "compressed, so that no part can be read alone; decompress it with"
_MAGIC = {
    b"\x1f\x8b": f"{_COMPRESSED} gunzip",
    b"\x28\xb5\x2f\xfd": f"{_COMPRESSED} unzstd",
    b"BZh": f"{_COMPRESSED} bunzip2",
    b"\xfd7zXZ": f"{_COMPRESSED} unxz",
    b"PK\x03\x04": "a zip archive; unpack it into a folder",
}
PACKED_TARS = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def describe_packed(head: bytes) -> str | None:
    """The kind of a file that begins with ``head``, and a hint; None if it is not packed."""
    return next((text for magic, text in _MAGIC.items() if head.startswith(magic)), None)


def refuse_packed_files(location: str, names: Iterable[str]) -> None:
    """Refuses a folder whose tars are compressed, or whose images are in Arrow files.

    Raises:
        SourceError: If any of the names is that of such a file.
    """
    names = list(names)
    if arrow := sorted(name for name in names if name.endswith(".arrow")):
        raise SourceError(
            f"--src {location}: {pluralize(len(arrow), 'Arrow file')} such as {arrow[0]}, as "
            "Dataset.save_to_disk writes them; write Parquet instead: "
            "datasets.load_from_disk(…).to_parquet(…), a file for each split"
        )
    if tars := sorted(name for name in names if name.endswith(PACKED_TARS)):
        raise SourceError(
            f"--src {location}: {pluralize(len(tars), 'compressed tar')} such as {tars[0]}, of "
            "which no part can be read alone; decompress them first"
        )
