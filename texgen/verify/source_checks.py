"""SRC as that which a data set was made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from texgen.core.config import fingerprint
from texgen.core.errors import ConfigError, SourceError
from texgen.core.layout import INDEX, plan_entries_path
from texgen.core.types import ImageEntry
from texgen.dataset.index import Index, ShardFile, SplitIndex
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.plan import Plan
from texgen.source import Source, SourceSpec, SplitListing, open_source
from texgen.storage import Sink
from texgen.verify.findings import VerifyReport
from texgen.verify.manifests import rows_by_shard
from texgen.verify.source_merge import Roll, planned_entries

ShardRows = tuple[ShardFile, list[ManifestRow], dict[str, ImageEntry]]
"""A shard, its rows, and by key those of their photographs that SRC has as planned."""


class Origin:
    """The photographs of every split beside the rows of it.

    Args:
        spec: Of SRC.
        index: Of the data set.
        plan: Where there still is one.
        report: Takes what SRC and the data set do not agree on.
        limit: Photographs of a split that the build took; None is all.

    Attributes:
        source: SRC.

    Raises:
        ConfigError: Here or later, if SRC has no such splits, or cannot be listed.
    """

    def __init__(
        self,
        spec: SourceSpec,
        index: Index,
        plan: Plan | None,
        report: VerifyReport,
        limit: int | None,
    ) -> None:
        self._index = index
        self._plan = plan
        self._report = report
        self._limit = limit
        self._digests: dict[str, str] = {}
        # What is wrong with splits that are not in the data set is none of its faults.
        there = {listing.name for listing in open_source(spec, lambda _: None).splits()}
        wanted = replace(spec, selected=tuple(sorted(index.splits)))
        self.source: Source = open_source(wanted)
        self._listings = _listings(self.source, spec.location, index)
        # Photographs without split folders are of whatever split they are asked for.
        for name in sorted(there - set(self._listings)) if len(there) > 1 else ():
            report.notes.append(f"SRC's split {name!r} is not in the data set, and not compared")

    def shard_rows(self, name: str, split: SplitIndex, sink: Sink) -> Iterator[ShardRows]:
        """The shards of a split with rows and photographs; then what differs is reported."""
        listing = self._listings[name]
        if list(listing.classes) != list(split.classes):
            self._report.add_sources([_class_fault(name, listing, split)])
        planned = planned_entries(name, sink) if self._plan else iter(())
        roll = Roll(self.source, listing, self._limit, planned)
        for file, rows in rows_by_shard(split, sink):
            found = (roll.find(row) for row in rows)
            yield file, rows, {entry.key: entry for entry in found if entry is not None}
        self._report.add_sources(roll.close())
        self._digests[name] = roll.digest()
        self._take_sizes(name, roll.size_faults())

    def _take_sizes(self, name: str, faults: list[str]) -> None:
        planned = self._plan.splits if self._plan else ()
        whole = any(s.name == name and s.digest == self._digests[name] for s in planned)
        if faults and whole:
            # SRC as a whole is what was planned, so that it is the list which is not.
            self._report.notes.append(
                f"{plan_entries_path(name)} is damaged: some photographs are not compared; "
                "`texgen build` again restores it"
            )
        else:
            self._report.add_sources(faults)

    def check_fingerprint(self) -> None:
        """Reports that SRC or the card is not the fingerprint's, where nothing else tells."""
        index = self._index
        if self._report.sources or set(self._digests) != set(index.splits):
            return
        # A card that differs from the plan is a fault already.
        card = self._plan or index
        if fingerprint(card.config, self._digests) != card.fingerprint:
            self._report.add_sources(
                [
                    f"{INDEX}: its fingerprint is not that of its config and SRC: a photograph "
                    "has another size or name than it had, or the index was edited"
                ]
            )


def _listings(source: Source, location: str, index: Index) -> dict[str, SplitListing]:
    try:
        found = {listing.name: listing for listing in source.splits()}
        return {name: found[name] for name in index.splits}
    except (SourceError, KeyError) as error:
        message = (
            f"--src {location} lacks splits of the data set ({', '.join(sorted(index.splits))}); "
            "name the folder that OUT was built from"
        )
        raise ConfigError(message) from error


def _class_fault(name: str, listing: SplitListing, split: SplitIndex) -> str:
    there, said = set(listing.classes), set(split.classes)
    for what, names in (("lacks", said - there), ("also has", there - said)):
        if names:
            return f"SRC/{name}: {what} the class folder {min(names)} (of {len(names)})"
    return f"SRC/{name}: its class folders are not in the order of the index's classes"
