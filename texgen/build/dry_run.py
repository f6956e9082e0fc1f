"""`texgen plan`: what a build would do, found out without writing to OUT."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.build.checks import before_any_work, bytes_needed, check_empty
from texgen.build.conflicts import contradictions
from texgen.build.estimate import Estimate, estimate
from texgen.build.overwrite import check_ours
from texgen.build.plan import BuildRequest, make_plan
from texgen.build.remaining import find_records
from texgen.core.errors import ConfigError, SourceError, StorageError
from texgen.core.temporary import temporary_root
from texgen.core.text import escape_unprintable, format_bytes, pluralize
from texgen.dataset.plan import Plan, notes_of
from texgen.dataset.plan_summary import sample_entries, source_bytes
from texgen.source import open_source
from texgen.storage import Sink, open_sink
from texgen.synthesis import EngineSpec

_SAMPLE = 64
_BUDGET_S = 10.0


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a build would do.

    Attributes:
        plan: Of the build.
        source_bytes: Split to the bytes of its photographs, None where they are not known.
        listing_s: Wall clock that it took to list SRC, s.
        sample: What photographs and textures take that were tried; none where none is left.
        rows_left: Textures that OUT does not have yet; all of them without OUT.
        shards_left: Likewise.
        free_bytes: Room in OUT, None where there is no OUT or no such limit.
        problems: What a build would end at, or end with exit code 1 for, a line each.
        warnings: What a build would do, but perhaps nobody wants, a line each.
    """

    plan: Plan
    source_bytes: dict[str, int | None]
    listing_s: float
    sample: Estimate
    rows_left: int
    shards_left: int
    free_bytes: int | None
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def dry_run(request: BuildRequest) -> DryRun:
    """Finds out what ``build`` would do with the same request.

    Args:
        request: Its ``out`` may be empty: OUT is not looked at then.

    Raises:
        ConfigError: If OUT cannot be looked into.
        SourceError: If there are no photographs, and nothing that is wrong says why.
        EngineStartError: If the engine cannot be started.
        SampleError: If it makes no texture of a photograph.
    """
    sink = _open_out(request)
    errors: list[SourceError] = []
    source = open_source(request.source, errors.append)

    def no_images(error: SourceError) -> None:
        # What is wrong in SRC is why there are none.
        if not errors:
            raise error

    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=temporary_root()) as name:
        folder = Path(name)
        plan = make_plan(source, request.config, request.name, folder, no_images)
        listing_s = time.monotonic() - started
        there = _look_into(request, plan, folder, sink)
        entries = sample_entries(plan, folder, _SAMPLE)
        sizes = {split.name: source_bytes(split, folder) for split in plan.splits}
    engine = EngineSpec(request.config.engine.name, request.options.engine_bin)
    # Where all is there, a build reads no photograph.
    sample = Estimate()
    if there.rows_left:
        sample = estimate(entries, source, request.config, engine, _BUDGET_S)
    return DryRun(
        plan,
        sizes,
        listing_s,
        sample,
        there.rows_left,
        there.shards_left,
        there.free_bytes,
        (
            *(escape_unprintable(str(error)) for error in errors),
            *there.problems,
            *_too_many_failures(request, plan, sample),
        ),
        notes_of(plan),
    )


@dataclass(frozen=True, slots=True)
class _There:
    """What OUT holds of a plan; the attributes of `DryRun`."""

    rows_left: int
    shards_left: int
    free_bytes: int | None = None
    problems: tuple[str, ...] = ()


def _open_out(request: BuildRequest) -> Sink | None:
    """OUT, if one is named; looked into before SRC is listed, which may take long."""
    if not request.out:
        return None
    sink = open_sink(request.out, s3_endpoint=request.options.s3_endpoint)
    with before_any_work():
        sink.first_unknown_file()
    return sink


def _look_into(request: BuildRequest, plan: Plan, folder: Path, sink: Sink | None) -> _There:
    rows, shards = plan.rows, sum(split.shards for split in plan.splits)
    if sink is None:
        return _There(rows, shards)
    problems = tuple(_refusals(request, plan, folder, sink))
    if not problems and not request.options.overwrite:
        records = find_records(plan, sink, sink.list(""))
        rows -= sum(record.rows for record in records.values())
        shards -= len(records)
    free = sink.free_bytes()
    needed = bytes_needed(plan, rows)
    if free is not None and needed > free:
        problems = (
            *problems,
            f"OUT has {format_bytes(free)} free, and a build begins only with "
            f"{format_bytes(needed)}, the most that it may need",
        )
    return _There(rows, shards, free, problems)


def _refusals(request: BuildRequest, plan: Plan, folder: Path, sink: Sink) -> Iterator[str]:
    """Why a build would not begin in OUT."""
    try:
        check_empty(sink, overwrite=request.options.overwrite)
        sink.check_writable()
        there = sink.list("")
        if request.options.overwrite:
            check_ours(there)
            return
    except (ConfigError, StorageError) as error:
        yield str(error)
        return
    yield from (
        f"OUT holds another build: {what}" for what in contradictions(plan, folder, sink, there)
    )


def _too_many_failures(request: BuildRequest, plan: Plan, sample: Estimate) -> Iterator[str]:
    """That a build would end with exit code 1, where what was tried is enough to know."""
    images = sum(split.images for split in plan.splits)
    failed, allowed = len(sample.unreadable), request.options.failures_allowed(images)
    if failed > allowed:
        photographs = pluralize(images, "photograph")
        yield (
            f"{failed} of {photographs} cannot be read, and --max-failures allows {allowed}: "
            "a build would make the others and end with exit code 1"
        )
