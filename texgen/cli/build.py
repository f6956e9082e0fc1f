"""`texgen build`."""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from texgen.build import BuildRequest, BuildSummary, SilentMonitor, build, describe_holdings
from texgen.cli.options.build import build_options, build_request
from texgen.cli.output import print_json, print_result
from texgen.cli.progress import open_view
from texgen.core.errors import ConfigError, StorageError
from texgen.core.text import escape_unprintable, pluralize
from texgen.dataset.plan import notes_of
from texgen.storage import open_sink

_REASONS_SHOWN = 3


@click.command(name="build", short_help="photographs -> ImageNet-Texture shards")
@build_options(out_required=True)
@click.option("--quiet", is_flag=True, help="No progress.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def command(**options: Any) -> int:  # noqa: ANN401 - click hands over what it parsed
    """Make ImageNet-Texture shards of the photographs in SRC.

    The same command goes on where an earlier run stopped.
    """
    request = build_request(options)
    if request.options.overwrite and not options["yes"]:
        _ask_to_overwrite(request)
    with open_view(quiet=options["quiet"]) as view:
        summary = build(request, view or SilentMonitor())
    # Of a quiet build nobody has seen them yet.
    notes = notes_of(summary.plan) if options["quiet"] else ()
    if options["as_json"]:
        print_json(_json(summary, request))
    else:
        print_result(*_text(summary, request), *(f"  note: {note}" for note in notes))
    return 0 if summary.within_budget else 1


def _ask_to_overwrite(request: BuildRequest) -> None:
    """Has the user confirm that what is in OUT may go.

    Raises:
        ConfigError: If the answer is no, or nobody can give one.
    """
    out = request.out
    try:
        holdings = describe_holdings(out, open_sink(out, s3_endpoint=request.options.s3_endpoint))
    except StorageError as error:
        # As in the build itself: an OUT that cannot be used at all is a wrong option.
        raise ConfigError(str(error)) from error
    if holdings is None:
        return
    if sys.stdin is None or not sys.stdin.isatty():
        message = f"--overwrite: {holdings}; add --yes to throw it away without being asked"
        raise ConfigError(message)
    if not click.confirm(escape_unprintable(f"{holdings}. Throw it away?"), err=True):
        message = f"nothing was thrown away; without --overwrite the build in {out} goes on"
        raise ConfigError(message)


def _text(summary: BuildSummary, request: BuildRequest) -> list[str]:
    plan, failures, part = summary.plan, summary.failures, request.options.part
    images = sum(split.images for split in plan.splits)
    shards = sum(split.shards for split in plan.splits)
    if summary.rows:
        rate = summary.made / summary.seconds
        how = f"{summary.made} made in {summary.seconds:.1f} s, {rate:.2f} a second"
    else:
        how = "already complete"
    if summary.left_to_others and part:
        lines = [
            f"part {part.number}/{part.count} is done, {failures.rows} failed: {request.out} "
            f"({how}); it leaves {pluralize(summary.left_to_others, 'shard')} of {shards} to other "
            "parts, of which the last to end writes the index"
        ]
    else:
        lines = [
            f"{pluralize(summary.textures, 'texture')} of {pluralize(images, 'image')} "
            f"in {pluralize(shards, 'shard')}, {failures.rows} failed: {request.out} ({how})"
        ]
    shown = failures.reasons.most_common(_REASONS_SHOWN)
    for reason, count in shown:
        lines.append(f"  {count} x {reason}; for example {failures.examples[reason]}")
    if more := len(failures.reasons) - len(shown):
        rows = failures.rows - sum(count for _, count in shown)
        lines.append(f"  {rows} x {pluralize(more, 'other reason')}; the manifest has them all")
    if not summary.within_budget:
        failed = pluralize(failures.images, "image")
        lines.append(
            f"  {failed} failed, and --max-failures allows {summary.failures_allowed}; "
            "--retry-failed tries them again"
        )
    return lines


def _json(summary: BuildSummary, request: BuildRequest) -> str:
    plan, failures = summary.plan, summary.failures
    return json.dumps(
        {
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
            "notes": notes_of(plan),
            "reasons": [
                {"error": reason, "rows": count, "example": failures.examples[reason]}
                for reason, count in failures.reasons.most_common(_REASONS_SHOWN)
            ],
        }
    )
