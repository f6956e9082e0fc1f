"""`texgen plan`: what a build would do, found out without writing to OUT."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from texgen.build.checks import bytes_needed, check_contents, storage_errors_are_config_errors
from texgen.build.conflicts import find_conflicts
from texgen.build.estimate import Estimate, estimate
from texgen.build.overwrite import check_written_by_texgen
from texgen.build.plan import BuildRequest, make_plan
from texgen.build.remaining import Records, find_records
from texgen.core.errors import ConfigError, SourceError, StorageError
from texgen.core.temporary import temporary_root
from texgen.core.text import escape_unprintable, format_bytes, pluralize
from texgen.dataset.plan import Plan, plan_notes
from texgen.dataset.plan_summary import sample_entries, source_bytes
from texgen.source import open_source
from texgen.storage import Sink

_SAMPLED_IMAGES = 64
_SYNTHESIS_BUDGET_S = 10.0


@dataclass(frozen=True, slots=True)
class DryRun:
    """What a build would do.

    Attributes:
        plan: The plan of the build.
        source_bytes: Split name to the bytes of its images; None where they are not known.
        listing_s: Wall clock that listing SRC took, s.
        sample: Cost of a sample of images and textures; empty where none is left to make.
        rows_left: Textures that OUT does not hold yet; all of them without OUT.
        shards_left: Shards that OUT does not hold yet; all of them without OUT.
        free_bytes: Free space in OUT; None without OUT, or where there is no such limit.
        problems: Reasons for which a build would not begin, or would end with exit code 1,
            a line each.
        warnings: Properties of the plan that the user may not want, a line each.
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
    """Finds out what a build with the same request would do.

    Args:
        request: Its ``out`` may be empty; then no OUT is looked at.

    Raises:
        ConfigError: If OUT cannot be read.
        SourceError: If SRC holds no images, and no problem explains it.
        EngineStartError: If the engine cannot be started.
        SampleError: If the engine makes no texture of an image.
    """
    sink = _open_out(request)
    errors: list[SourceError] = []
    source = open_source(request.source, errors.append)

    def on_no_images(error: SourceError) -> None:
        # An error of SRC that is reported already explains why there are none.
        if not errors:
            raise error

    started = time.monotonic()
    with tempfile.TemporaryDirectory(dir=temporary_root()) as name:
        folder = Path(name)
        plan = make_plan(source, request.config, request.name, folder, on_no_images)
        listing_s = time.monotonic() - started
        refusals = tuple(_refusals(request, plan, folder, sink)) if sink else ()
        entries = sample_entries(plan, folder, _SAMPLED_IMAGES)
        sizes = {split.name: source_bytes(split, folder) for split in plan.splits}
    records: Records = {}
    if sink and not refusals and not request.options.overwrite:
        records = find_records(plan, sink, sink.list(""))
    rows_left = plan.rows - sum(record.rows for record in records.values())
    free_bytes = sink.free_bytes() if sink else None
    # Where nothing is left to make, a build reads no image.
    sample = Estimate()
    if rows_left:
        sample = estimate(entries, source, request.config, request.engine, _SYNTHESIS_BUDGET_S)
    return DryRun(
        plan,
        sizes,
        listing_s,
        sample,
        rows_left,
        sum(split.shards for split in plan.splits) - len(records),
        free_bytes,
        (
            *(escape_unprintable(str(error)) for error in errors),
            *refusals,
            *_too_little_space(plan, rows_left, free_bytes),
            *_too_many_failures(request, plan, sample),
        ),
        plan_notes(plan),
    )


def _open_out(request: BuildRequest) -> Sink | None:
    """OUT, if one is given; read once before SRC is listed, which may take long."""
    if not request.out:
        return None
    sink = Sink(request.out, s3_endpoint=request.options.s3_endpoint)
    with storage_errors_are_config_errors():
        sink.first_unknown_file()
    return sink


def _refusals(request: BuildRequest, plan: Plan, folder: Path, sink: Sink) -> Iterator[str]:
    """Reasons for which a build would not begin in OUT."""
    try:
        check_contents(sink, overwrite=request.options.overwrite)
        sink.check_writable()
        files = sink.list("")
        if request.options.overwrite:
            check_written_by_texgen(files)
            return
    except (ConfigError, StorageError) as error:
        yield str(error)
        return
    for conflict in find_conflicts(plan, folder, sink, files):
        yield f"OUT holds another build: {conflict}"


def _too_little_space(plan: Plan, rows: int, free_bytes: int | None) -> Iterator[str]:
    """A problem where OUT may not hold the textures that are left to make."""
    needed = bytes_needed(plan, rows)
    if free_bytes is not None and needed > free_bytes:
        yield (
            f"OUT has {format_bytes(free_bytes)} free, but a build only begins with "
            f"{format_bytes(needed)}, the most that it may need"
        )


def _too_many_failures(request: BuildRequest, plan: Plan, sample: Estimate) -> Iterator[str]:
    """A problem where so many images of the sample failed that the build exits with code 1."""
    images = sum(split.images for split in plan.splits)
    failed, allowed = len(sample.unreadable), request.options.failures_allowed(images)
    if failed > allowed:
        yield (
            f"{failed} of {pluralize(images, 'image')} cannot be read, and --max-failures allows "
            f"{allowed}: a build would make the others and end with exit code 1"
        )
