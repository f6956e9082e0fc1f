"""Compares SRC with the data set that was built from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TypeAlias

from texgen.core.errors import ConfigError, SourceError
from texgen.core.fingerprint import fingerprint
from texgen.core.layout import INDEX, plan_entries_path
from texgen.core.types import ImageEntry
from texgen.dataset.index import Index, ShardFile, SplitIndex
from texgen.dataset.manifest import ManifestRow
from texgen.dataset.plan import Plan
from texgen.source import Source, SourceSpec, SplitListing, open_source
from texgen.storage import Sink
from texgen.verify.findings import VerifyReport
from texgen.verify.manifests import rows_by_shard
from texgen.verify.source_merge import SourceMatcher, planned_entries

ShardWithImages: TypeAlias = tuple[ShardFile, list[ManifestRow], dict[str, ImageEntry]]
"""A shard, its rows, and by key those of its images that SRC has as planned."""


class SourceCheck:
    """Finds the images of every split's rows in SRC and reports what differs.

    Raises:
        ConfigError: On creation or later, if SRC does not have the splits of the data set, or
            cannot be listed.
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
        # Problems of splits that are not in the data set are not its faults.
        all_splits = {listing.name for listing in open_source(spec, lambda _: None).splits()}
        wanted = replace(spec, selected=tuple(sorted(index.splits)))
        self.source: Source = open_source(wanted)
        self._listings = _listings(self.source, spec.location, index)
        # Images without split folders belong to whatever single split is selected.
        for name in sorted(all_splits - set(self._listings)) if len(all_splits) > 1 else ():
            report.notes.append(f"SRC's split {name!r} is not in the data set, and not compared")

    def shards(self, name: str, split: SplitIndex, sink: Sink) -> Iterator[ShardWithImages]:
        """Yields the shards of a split with rows and images, then reports what differs."""
        listing = self._listings[name]
        if list(listing.classes) != list(split.classes):
            self._report.add_sources([_class_fault(name, listing, split)])
        planned = planned_entries(name, sink) if self._plan else iter(())
        matcher = SourceMatcher(self.source, listing, self._limit, planned)
        for file, rows in rows_by_shard(split, sink):
            entries = (matcher.find(row) for row in rows)
            yield file, rows, {entry.key: entry for entry in entries if entry is not None}
        self._report.add_sources(matcher.finish())
        self._digests[name] = matcher.digest.hexdigest()
        sizes = list(matcher.size_faults.lines())
        planned_splits = self._plan.splits if self._plan else ()
        if sizes and any(
            s.name == name and s.digest == self._digests[name] for s in planned_splits
        ):
            # SRC has the planned digest, so the plan's list of images is what is wrong.
            self._report.notes.append(
                f"{plan_entries_path(name)} is damaged: some images are not compared; "
                "run `texgen build` again to restore it"
            )
        else:
            self._report.add_sources(sizes)

    def check_fingerprint(self) -> None:
        """Reports a fingerprint that SRC or the index does not fit, if nothing else is reported."""
        index = self._index
        if self._report.sources or set(self._digests) != set(index.splits):
            return
        # An index that differs from the plan is a fault already.
        expected = self._plan or index
        if fingerprint(expected.config, self._digests) != expected.fingerprint:
            self._report.add_sources(
                [
                    f"{INDEX}: its fingerprint does not fit its config and SRC: the size or name "
                    "of an image has changed, or the index was edited"
                ]
            )


def _listings(source: Source, location: str, index: Index) -> dict[str, SplitListing]:
    try:
        listings = {listing.name: listing for listing in source.splits()}
        return {name: listings[name] for name in index.splits}
    except (SourceError, KeyError) as error:
        raise ConfigError(
            f"--src {location} lacks splits of the data set ({', '.join(sorted(index.splits))}); "
            "name the folder that OUT was built from"
        ) from error


def _class_fault(name: str, listing: SplitListing, split: SplitIndex) -> str:
    in_src, in_index = set(listing.classes), set(split.classes)
    for verb, names in (("lacks", in_index - in_src), ("also has", in_src - in_index)):
        if names:
            more = f" (and {len(names) - 1} more)" if len(names) > 1 else ""
            return f"SRC/{name}: {verb} the class folder {min(names)}{more}"
    return f"SRC/{name}: its class folders are not in the order of the index's classes"
