"""Which texgen made the shards that are there, so that no data set is of two."""

from __future__ import annotations

from collections.abc import Iterable

from texgen.core.errors import ConfigError
from texgen.core.identity import code_identity
from texgen.core.text import pluralize
from texgen.core.types import ShardRecord


def check_same_texgen(finished: Iterable[ShardRecord]) -> str | None:
    """Refuses to add shards to those of another version; bytes are promised for one alone.

    Args:
        finished: Records of the shards that are there.

    Returns:
        A line about shards of the same version and other code, such as another commit's; None
        where there are none. They are kept.

    Raises:
        ConfigError: If some were made by another version.
    """
    this, finished = code_identity(), list(finished)
    if others := sorted(versions(finished) - {this.version}):
        message = (
            f"OUT's finished shards were made by texgen {others[0]}, and this is texgen "
            f"{this.version}: build with that version to add what is missing, or add --overwrite "
            "to make all of them again"
        )
        raise ConfigError(message)
    other_code = [record.code for record in finished if record.code not in {None, this.digest}]
    if not other_code:
        return None
    return (
        f"{pluralize(len(other_code), 'finished shard')} came from other code of texgen "
        f"{this.version} ({other_code[0]}; this is {this.digest}) and will be kept; --overwrite "
        "makes them again"
    )


def versions(records: Iterable[ShardRecord]) -> set[str]:
    """Versions of texgen that made shards; those that records do not tell are left out."""
    return {record.texgen for record in records if record.texgen is not None}


def one_version(records: Iterable[ShardRecord]) -> str | None:
    """The version of texgen that made a data set; None where the records do not tell.

    Raises:
        ConfigError: If its parts were made by several.
    """
    found = sorted(versions(records))
    if len(found) > 1:
        message = (
            f"parts of OUT were made by texgen {' and '.join(found)}: install one version on all "
            "machines, and add --overwrite to one of them"
        )
        raise ConfigError(message)
    return found[0] if found else None
