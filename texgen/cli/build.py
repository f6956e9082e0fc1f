"""`texgen build`."""

from __future__ import annotations

import sys
from typing import Any

import click

from texgen.build import BuildRequest, BuildSummary, build, describe_holdings
from texgen.cli.options.build import build_options, build_request
from texgen.cli.options.common import json_option, quiet_option
from texgen.cli.output import print_result
from texgen.cli.progress import build_progress
from texgen.core.errors import ConfigError, StorageError
from texgen.core.text import escape_unprintable, pluralize
from texgen.dataset.plan import plan_notes
from texgen.storage import Sink

_REASONS_SHOWN = 3


@click.command(name="build")
@build_options(out_required=True)
@quiet_option
@json_option
def command(**options: Any) -> int:  # noqa: ANN401 - click hands over what it parsed
    """Build shards of textures from the images in SRC.

    The same command resumes a build that was stopped or failed.
    """
    request = build_request(options)
    if request.options.overwrite and not options["yes"]:
        _ask_to_overwrite(request)
    with build_progress(quiet=options["quiet"]) as monitor:
        summary = build(request, monitor)
    lines = _lines(summary, request)
    if options["quiet"]:
        # Otherwise the progress has shown the notes.
        lines += [f"  note: {note}" for note in plan_notes(summary.plan)]
    print_result(_data(summary, request), lines, as_json=options["as_json"])
    return 0 if summary.within_budget else 1


def _ask_to_overwrite(request: BuildRequest) -> None:
    """Asks the user whether the contents of OUT may be deleted.

    Raises:
        ConfigError: If the answer is no, or standard input is not a terminal.
    """
    out = request.out
    try:
        holdings = describe_holdings(out, Sink(out, s3_endpoint=request.options.s3_endpoint))
    except StorageError as error:
        # The build treats an OUT that cannot be used as a wrong option too.
        raise ConfigError(str(error)) from error
    if holdings is None:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        raise ConfigError(f"--overwrite: {holdings}; add --yes to delete it without being asked")
    if not click.confirm(escape_unprintable(f"{holdings}. Delete it?"), err=True):
        raise ConfigError(f"nothing was deleted; without --overwrite the build in {out} resumes")


def _lines(summary: BuildSummary, request: BuildRequest) -> list[str]:
    plan, failures, part = summary.plan, summary.failures, request.options.part
    images = sum(split.images for split in plan.splits)
    shards = sum(split.shards for split in plan.splits)
    if summary.rows:
        rate = summary.made / summary.seconds
        speed = f"{summary.made} made in {summary.seconds:.1f} s, {rate:.2f} a second"
    else:
        speed = "already complete"
    if summary.left_to_others and part:
        lines = [
            f"part {part.number}/{part.count} is done, {failures.rows} failed: {request.out} "
            f"({speed}); {pluralize(summary.left_to_others, 'shard')} of {shards} are left to "
            "other parts; the part that ends last writes the index"
        ]
    else:
        lines = [
            f"{pluralize(summary.textures, 'texture')} of {pluralize(images, 'image')} "
            f"in {pluralize(shards, 'shard')}, {failures.rows} failed: {request.out} ({speed})"
        ]
    shown = failures.reasons.most_common(_REASONS_SHOWN)
    for reason, count in shown:
        lines.append(f"  {count} x {reason}; for example {failures.examples[reason]}")
    if more := len(failures.reasons) - len(shown):
        rows = failures.rows - sum(count for _, count in shown)
        lines.append(f"  {rows} x {pluralize(more, 'other reason')}; the manifest lists them all")
    if not summary.within_budget:
        failed = pluralize(failures.images, "image")
        lines.append(
            f"  {failed} failed, and --max-failures allows {summary.failures_allowed}; "
            "--retry-failed retries them"
        )
    return lines


def _data(summary: BuildSummary, request: BuildRequest) -> dict[str, Any]:
    plan, failures = summary.plan, summary.failures
    return {
        "out": request.out,
        "fingerprint": plan.fingerprint,
        "images": sum(split.images for split in plan.splits),
        "shards": sum(split.shards for split in plan.splits),
        "textures": summary.textures,
        "failed": failures.rows,
        "failed_images": failures.images,
        "within_budget": summary.within_budget,
        "made": summary.made,
        "left_to_others": summary.left_to_others,
        "seconds": round(summary.seconds, 3),
        "notes": plan_notes(plan),
        "reasons": [
            {"error": reason, "rows": count, "example": failures.examples[reason]}
            for reason, count in failures.reasons.most_common(_REASONS_SHOWN)
        ],
    }
