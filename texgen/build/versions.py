"""Checks that one version of texgen makes all shards of a data set."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.core.errors import ConfigError
from texgen.core.identity import code_identity
from texgen.core.text import pluralize
from texgen.core.types import ShardRecord


def check_same_texgen(finished: Iterable[ShardRecord]) -> str | None:
    """Refuses to add shards to those of another version: only one version gives the same bytes.

    Returns:
        A line about shards that other code of the same version made, such as another commit,
        and that are kept; None where there are none.

    Raises:
        ConfigError: If another version made some of them.
    """
    this, finished = code_identity(), list(finished)
    if others := sorted(_versions(finished) - {this.version}):
        raise ConfigError(
            f"OUT's finished shards were made by texgen {others[0]}, and this is texgen "
            f"{this.version}: install that version to add what is missing, or add --overwrite "
            "to make all shards again"
        )
    other_code = [record.code for record in finished if record.code not in {None, this.digest}]
    if not other_code:
        return None
    return (
        f"{pluralize(len(other_code), 'finished shard')} came from other code of texgen "
        f"{this.version} ({other_code[0]}; this is {this.digest}) and will be kept; --overwrite "
        "makes them again"
    )


def single_version(records: Iterable[ShardRecord]) -> str | None:
    """The version of texgen that made a data set; None where the records hold no version.

    Raises:
        ConfigError: If several versions made it.
    """
    found = sorted(_versions(records))
    if len(found) > 1:
        raise ConfigError(
            f"parts of OUT were made by texgen {' and '.join(found)}: install one version on all "
            "machines, and add --overwrite to one of them"
        )
    return found[0] if found else None


def _versions(records: Iterable[ShardRecord]) -> set[str]:
    """Versions of texgen that made shards; records without a version are left out."""
    return {record.texgen for record in records if record.texgen is not None}
