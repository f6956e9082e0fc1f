"""Checks a single manifest row against the data set's config, classes and shards."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from typing import Any

from texgen.core.keys import image_key_of, texture_key
from texgen.core.seeds import texture_seed
from texgen.dataset.manifest import PATCH_COLUMNS, ManifestRow, patch_columns
from texgen.synthesis.patches import PatchRule, patch_geometry


def row_faults(
    row: ManifestRow,
    last_key: str,
    classes: Sequence[str],
    shards: Container[str],
    config: Mapping[str, Any],
) -> Iterator[tuple[str, str]]:
    """Yields the faults of a row, each as a kind and a phrase that follows the row's key.

    Args:
        row: Row of a manifest.
        last_key: Key of the row before it.
        classes: Classes of its split, in label order.
        shards: Paths of its split's shards.
        config: `Index.config`.
    """
    if row["key"] <= last_key:
        yield "order", f"does not sort after {last_key}"
    if not _is_labelled(row, classes):
        yield "label", f"has label {row['label']}, class {row['class']}; the index differs"
    location = [row[name] for name in ("shard", "offset", "length", "sha256")]
    if row["status"] == "ok" and row["error"] is None and None not in location:
        if row["shard"] not in shards:
            yield "shard", f"names the shard {row['shard']}, which the index lacks"
    elif row["status"] != "failed" or not row["error"] or any(location):
        yield "status", "is neither a texture nor a failed row"
    if not _is_seeded(row, config):
        yield "seed", f"has seed {row['seed']}, which does not follow from key and --seed"
    elif row["status"] == "ok" and not _is_placed(row, config):
        yield "patches", "has its patches elsewhere than its seed puts them"


def _is_labelled(row: ManifestRow, classes: Sequence[str]) -> bool:
    label = row["label"]
    if label is None or not 0 <= label < len(classes):
        return label is None and row["class"] is None and not classes
    return bool(classes[label] == row["class"])


def _is_seeded(row: ManifestRow, config: Mapping[str, Any]) -> bool:
    number = row["texture_index"]
    image = image_key_of(row["key"])
    seed = texture_seed(config["seed"], image, number)
    return bool(row["key"] == texture_key(image, number) and row["seed"] == seed)


def _is_placed(row: ManifestRow, config: Mapping[str, Any]) -> bool:
    """Whether the patches lie where size and seed put them."""
    columns = {name: row[name] for name in PATCH_COLUMNS}
    if None in columns.values() or min(row["width"], row["height"]) < 1:
        return False
    rule = PatchRule(config["patch_size"], config["small_patch_size"])
    boxes = patch_geometry(row["width"], row["height"], row["seed"], rule)
    return columns == patch_columns(boxes)
