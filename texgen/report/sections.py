"""The page's sections of text and tables: counts, failures, provenance."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator
from importlib.metadata import version
from typing import Any

import texgen
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import Index, ManifestFile, ShardFile
from texgen.report.html.markup import (
    Number,
    details,
    paragraph,
    section,
    table,
    table_grid,
    text,
)
from texgen.report.tally import ManifestTally

_MAX_FILES = 40
_MAX_CLASSES = 1000
_MAX_REASONS = 20
"""Most files, classes and reasons that are listed."""


def counts(index: Index) -> str:
    """Section on the numbers of images, textures, shards and classes."""
    splits = dict(sorted(index.splits.items()))
    amounts = {
        "images": [split.images for split in splits.values()],
        "textures": [split.textures for split in splits.values()],
        "failed rows": [split.failed for split in splits.values()],
        "shards": [len(split.shards) for split in splits.values()],
        "bytes in shards": [sum(file.bytes for file in s.shards) for s in splits.values()],
    }
    rows: list[list[Any]] = [
        [name, *map(_amount(name), [*values, sum(values)])] for name, values in amounts.items()
    ]
    # Splits may share classes, so a sum would count some twice.
    rows.append(["classes", *(len(split.classes) for split in splits.values()), Number("")])
    head = ("", *map(text, splits), "all")
    per_image = index.config["textures_per_image"]
    parts = [table("Splits", head, rows)]
    if per_image != 1:
        parts.append(paragraph(f"{text(per_image)} textures were planned per image."))
    return section("counts", "Counts", [*parts, *_classes(index)])


def _amount(name: str) -> Callable[[int], int | Number]:
    return (lambda size: Number(format_bytes(size))) if name.startswith("bytes") else int


def _classes(index: Index) -> Iterator[str]:
    for name, split in sorted(index.splits.items()):
        if not split.classes:
            yield paragraph(f"{text(name)} has no classes: its images are not in class folders.")
            continue
        shown = ", ".join(f"<span>{text(c)}</span>" for c in split.classes[:_MAX_CLASSES])
        more = len(split.classes) - _MAX_CLASSES
        shown += f", … and {more:,} more" if more > 0 else ""
        head = f"Classes of {text(name)} in label order: {len(split.classes):,}"
        yield details(head, f'<p class="names">{shown}</p>')


def failures(tally: ManifestTally) -> str:
    """Section on failed rows and their reasons."""
    failed = sum(tally.failures.values())
    if not failed:
        words = f"None of the {pluralize(tally.rows, 'row')} failed."
        return section("failures", "Failures", [paragraph(words)])
    share = failed / max(1, tally.rows)
    words = (
        f"{failed:,} of {pluralize(tally.rows, 'row')} failed, {100 * share:.2f} %. The build's "
        "log, <code>_build/logs/build.log</code>, has the details of each."
    )
    reasons = []
    for reason, count in tally.failures.most_common(_MAX_REASONS):
        # The key is an element of its own, so that it can be copied to `texgen inspect`.
        keys = ", ".join(f"{text(s)} <code>{text(k)}</code>" for s, k in tally.examples[reason])
        part = f"{pluralize(count, 'row')}, {100 * count / failed:.1f} %"
        reasons.append(f"<li><strong>{text(reason)}</strong><br>{part}; for example {keys}</li>")
    if (more := len(tally.failures) - _MAX_REASONS) > 0:
        reasons.append(
            f"<li>and {pluralize(more, 'other reason')}; the manifest has all of them</li>"
        )
    listed = f'<ul class="reasons">{"".join(reasons)}</ul>'
    return section("failures", "Failures", [paragraph(words), listed])


def provenance(index: Index) -> str:
    """Section on the configuration, the versions and the files of the data set."""
    parameters = index.config.get("engine_parameters")
    config = [[name, _value_text(value)] for name, value in sorted(index.config.items())
              if name != "engine_parameters"]  # fmt: skip
    tables = [table("Configuration", ("setting", "value"), config)]
    if isinstance(parameters, dict) and parameters:
        rows = [[name, _value_text(value)] for name, value in sorted(parameters.items())]
        engine = f"{text(index.config['engine'])} {text(index.config['engine_version'])}"
        tables.append(table(f"Parameters of the engine {engine}", ("parameter", "value"), rows))
    made_by = {
        "texgen": texgen.__version__,
        "numpy": version("numpy"),
        "Pillow": version("pillow"),
        "pyarrow": version("pyarrow"),
        "Python": platform.python_version(),
    }
    tables.append(table("Versions that made this page", ("package", "version"), made_by.items()))
    label = "Fingerprint of configuration and images: "
    parts = [paragraph(f"{label}<code>{text(index.fingerprint)}</code>"), table_grid(tables)]
    for name, split in sorted(index.splits.items()):
        parts.append(_files(name, [*split.manifest, *split.shards]))
    return section("provenance", "Provenance", parts)


def _files(name: str, files: list[ManifestFile | ShardFile]) -> str:
    rows: list[list[Any]] = []
    for file in files[:_MAX_FILES]:
        count = file.rows if isinstance(file, ManifestFile) else file.samples
        rows.append([file.path, file.bytes, count, file.sha256[:16]])
    head = ("file", "bytes", "rows or samples", "start of SHA-256")
    total = format_bytes(sum(file.bytes for file in files))
    title = f"Files of {text(name)}: {len(files):,}, {total}"
    body = table(title, head, rows)
    if len(files) > _MAX_FILES:
        body += paragraph(
            f"… and {len(files) - _MAX_FILES:,} more; <code>index.json</code> has all of them."
        )
    return details(title, body)


def _value_text(value: Any) -> str:  # noqa: ANN401 - any JSON value
    if value is None:
        return "not set"
    return f"{value:g}" if isinstance(value, float) else str(value)
