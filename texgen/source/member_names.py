"""Names of members as paths, whatever a tar says."""

from __future__ import annotations


def member_path(name: bytes) -> bytes | None:
    """A member's path without ``.`` and empty steps; None where a step begins with a dot.

    Such files are ignored in folders too. ``..`` is one of them; nothing is ever opened
    by a member's name, so a path from the root is only a name as well.
    """
    steps = [step for step in name.split(b"/") if step not in (b"", b".")]
    if not steps or any(step.startswith(b".") for step in steps):
        return None
    return b"/".join(steps)


def stem(path: bytes) -> bytes:
    """A path without its extension."""
    folder, slash, name = path.rpartition(b"/")
    without, dot, _ = name.rpartition(b".")
    return folder + slash + (without if dot else name)


def join_bytes(folder: bytes, name: bytes) -> bytes:
    """A path below a folder; either may be empty."""
    return folder + b"/" + name if folder and name else folder or name
