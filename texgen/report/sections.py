"""The page's sections of text and tables: counts, failures, provenance."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version

import texgen
from texgen.core.text import format_bytes, pluralize
from texgen.dataset.index import DataFile, Index, ManifestFile
from texgen.report.html.markup import Number, details, paragraph, table, table_grid, text
from texgen.report.tally import ManifestTally

_MAX_FILES = 40
_MAX_CLASSES = 1000
_MAX_REASONS = 20
"""Most files, classes and reasons that are listed."""


def counts(index: Index) -> Iterator[str]:
    """Section on the numbers of images, textures, shards and classes."""
    names = sorted(index.splits)
    splits = [index.splits[name] for name in names]
    amounts = {
        "images": [split.images for split in splits],
        "textures": [split.textures for split in splits],
        "failed rows": [split.failed for split in splits],
        "shards": [len(split.shards) for split in splits],
    }
    rows: list[list[object]] = [[name, *row, sum(row)] for name, row in amounts.items()]
    sizes = [sum(file.bytes for file in split.shards) for split in splits]
    rows.append(["bytes in shards", *(Number(format_bytes(n)) for n in [*sizes, sum(sizes)])])
    # Splits may share classes, so a sum would count some twice.
    rows.append(["classes", *(len(split.classes) for split in splits), Number("")])
    head = ("", *map(text, names), "all")
    yield table("Splits", head, rows)
    per_image = index.config["textures_per_image"]
    if per_image != 1:
        yield paragraph(f"{text(per_image)} textures were planned per image.")
    yield from _classes(index)


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


def failures(tally: ManifestTally) -> Iterator[str]:
    """Section on failed rows and their reasons."""
    failed = sum(tally.failures.values())
    if not failed:
        yield paragraph(f"None of the {pluralize(tally.rows, 'row')} failed.")
        return
    share = failed / max(1, tally.rows)
    yield paragraph(
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
    yield f'<ul class="reasons">{"".join(reasons)}</ul>'


def provenance(index: Index) -> Iterator[str]:
    """Section on the configuration, the versions and the files of the data set."""
    config = dict(index.config)
    parameters = config.pop("engine_parameters", None)
    tables = [table("Configuration", ("setting", "value"), _values(config))]
    if isinstance(parameters, dict) and parameters:
        caption = (
            f"Parameters of the engine {text(config['engine'])} {text(config['engine_version'])}"
        )
        tables.append(table(caption, ("parameter", "value"), _values(parameters)))
    made_by = {
        "texgen": texgen.__version__,
        "numpy": version("numpy"),
        "Pillow": version("pillow"),
        "pyarrow": version("pyarrow"),
        "Python": platform.python_version(),
    }
    tables.append(table("Versions that made this page", ("package", "version"), made_by.items()))
    label = "Fingerprint of configuration and images: "
    yield paragraph(f"{label}<code>{text(index.fingerprint)}</code>")
    yield table_grid(tables)
    for name, split in sorted(index.splits.items()):
        yield _files(name, split.files)


def _files(name: str, files: Sequence[DataFile]) -> str:
    rows = [
        [
            file.path,
            file.bytes,
            file.rows if isinstance(file, ManifestFile) else file.samples,
            file.sha256[:16],
        ]
        for file in files[:_MAX_FILES]
    ]
    head = ("file", "bytes", "rows or samples", "start of SHA-256")
    total = format_bytes(sum(file.bytes for file in files))
    title = f"Files of {text(name)}: {len(files):,}, {total}"
    body = table(title, head, rows)
    if len(files) > _MAX_FILES:
        body += paragraph(
            f"… and {len(files) - _MAX_FILES:,} more; <code>index.json</code> has all of them."
        )
    return details(title, body)


def _values(fields: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    for name, value in sorted(fields.items()):
        if value is None:
            yield name, "not set"
        else:
            yield name, f"{value:g}" if isinstance(value, float) else str(value)
