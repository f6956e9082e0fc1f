"""The page's parts on what the data set is and what went wrong: counts, failures, provenance."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import texgen
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import Index, ManifestFile, ShardFile
from texgen.report.figures import Figures
from texgen.report.html.markup import (
    Number,
    details,
    paragraph,
    section,
    side_by_side,
    table,
    text,
)
from texgen.report.tally import ManifestTally

_FILES = 40
_CLASSES = 1000
_REASONS = 20
"""What is listed of each at most."""


def counts(figures: Figures) -> str:
    """How many there are of what."""
    index = figures.index
    splits = dict(sorted(index.splits.items()))
    amounts = {
        "photographs": [split.images for split in splits.values()],
        "textures": [split.textures for split in splits.values()],
        "failed rows": [split.failed for split in splits.values()],
        "shards": [len(split.shards) for split in splits.values()],
        "bytes in shards": [sum(file.bytes for file in s.shards) for s in splits.values()],
    }
    rows: list[list[Any]] = [
        [name, *map(_amount(name), [*values, sum(values)])] for name, values in amounts.items()
    ]
    # Splits may share classes, so that they have no sum.
    rows.append(["classes", *(len(split.classes) for split in splits.values()), Number("")])
    head = ("", *map(text, splits), "all")
    per_image = index.config["textures_per_image"]
    parts = [table("Splits", head, rows)]
    if per_image != 1:
        parts.append(paragraph(f"{text(per_image)} textures were planned of each photograph."))
    return section("counts", "Counts", [*parts, *_classes(index)])


def _amount(name: str) -> Callable[[int], int | Number]:
    return (lambda size: Number(format_bytes(size))) if name.startswith("bytes") else int


def _classes(index: Index) -> Iterator[str]:
    for name, split in sorted(index.splits.items()):
        if not split.classes:
            yield paragraph(f"{text(name)} has no classes: its photographs lie in no folders.")
            continue
        shown = ", ".join(f"<span>{text(c)}</span>" for c in split.classes[:_CLASSES])
        more = len(split.classes) - _CLASSES
        shown += f", … and {more:,} more" if more > 0 else ""
        head = f"Classes of {text(name)} in label order: {len(split.classes):,}"
        yield details(head, f'<p class="names">{shown}</p>')


def failures(tally: ManifestTally) -> str:
    """What could not be made, and why."""
    failed = sum(tally.failures.values())
    if not failed:
        words = f"None of the {pluralize(tally.rows, 'row')} failed."
        return section("failures", "Failures", [paragraph(words)])
    share = failed / max(1, tally.rows)
    words = (
        f"{failed:,} of {pluralize(tally.rows, 'row')} failed, {100 * share:.2f} %. The build's "
        "log, <code>_build/logs/build.log</code>, says more of each."
    )
    reasons = []
    for reason, count in tally.failures.most_common(_REASONS):
        # Split and key are apart, so that a key can be copied to `texgen inspect`.
        keys = ", ".join(f"{text(s)} <code>{text(k)}</code>" for s, k in tally.examples[reason])
        part = f"{pluralize(count, 'row')}, {100 * count / failed:.1f} %"
        reasons.append(f"<li><strong>{text(reason)}</strong><br>{part}; for example {keys}</li>")
    if (more := len(tally.failures) - _REASONS) > 0:
        reasons.append(f"<li>and {pluralize(more, 'other reason')}; the manifest has them all</li>")
    listed = f'<ul class="reasons">{"".join(reasons)}</ul>'
    return section("failures", "Failures", [paragraph(words), listed])


def provenance(figures: Figures) -> str:
    """What the data set is made with, and its files."""
    index = figures.index
    parameters = index.config.get("engine_parameters")
    config = [[name, _said(value)] for name, value in sorted(index.config.items())
              if name != "engine_parameters"]  # fmt: skip
    tables = [table("Configuration", ("setting", "value"), config)]
    if isinstance(parameters, dict) and parameters:
        rows = [[name, _said(value)] for name, value in sorted(parameters.items())]
        engine = f"{text(index.config['engine'])} {text(index.config['engine_version'])}"
        tables.append(table(f"Parameters of the engine {engine}", ("parameter", "value"), rows))
    made_by = {
        "texgen": texgen.__version__,
        "numpy": version("numpy"),
        "Pillow": version("pillow"),
        "pyarrow": version("pyarrow"),
        "Python": platform.python_version(),
    }
    tables.append(table("What made this page", ("package", "version"), made_by.items()))
    words = "Fingerprint of configuration and photographs: "
    parts = [paragraph(f"{words}<code>{text(index.fingerprint)}</code>"), side_by_side(tables)]
    for name, split in sorted(index.splits.items()):
        parts.append(_files(name, [*split.manifest, *split.shards]))
    return section("provenance", "Provenance", parts)


def _files(name: str, files: list[ManifestFile | ShardFile]) -> str:
    rows: list[list[Any]] = []
    for file in files[:_FILES]:
        holds = file.rows if isinstance(file, ManifestFile) else file.samples
        rows.append([file.path, file.bytes, holds, file.sha256[:16]])
    head = ("file", "bytes", "rows or samples", "SHA-256 begins")
    total = format_bytes(sum(file.bytes for file in files))
    title = f"Files of {text(name)}: {len(files):,}, {total}"
    body = table(title, head, rows)
    if len(files) > _FILES:
        body += paragraph(f"… and {len(files) - _FILES:,} more; <code>index.json</code> has all.")
    return details(title, body)


def _said(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)
