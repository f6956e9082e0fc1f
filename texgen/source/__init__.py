"""Where photographs come from: one `Source` for each form that people keep them in."""

from __future__ import annotations

from texgen.core.errors import ConfigError
from texgen.source.base import (
    KEYS,
    LAYOUTS,
    SOURCE_OPTIONS,
    SPLIT_NAMES,
    SRC_FORMATS,
    OnError,
    Source,
    SourceSpec,
    SplitListing,
    raise_error,
)
from texgen.source.detect import EXPECTED, find_format
from texgen.source.folder.source import FolderSource
from texgen.source.labels.files import BUILT_IN_CLASSES, read_classes, read_labels
from texgen.source.parquet.source import ParquetSource
from texgen.source.tar.ilsvrc import IlsvrcSource
from texgen.source.tar.webdataset import WebDatasetSource

__all__ = [
    "BUILT_IN_CLASSES",
    "EXPECTED",
    "KEYS",
    "LAYOUTS",
    "SOURCE_OPTIONS",
    "SPLIT_NAMES",
    "SRC_FORMATS",
    "FolderSource",
    "IlsvrcSource",
    "OnError",
    "ParquetSource",
    "Source",
    "SourceSpec",
    "SplitListing",
    "WebDatasetSource",
    "find_format",
    "open_source",
    "raise_error",
    "read_classes",
    "read_labels",
]


def open_source(spec: SourceSpec, problem: OnError = raise_error) -> Source:
    """Opens the source that ``spec`` names.

    Args:
        spec: Of the source; where it names no format, that is found by looking.
        problem: Called with each thing in a listing that a build would end at; without
            it the first one is raised.

    Raises:
        ConfigError: If this version cannot read such a source.
        SourceError: If there is nothing, or nothing that fits.
    """
    kind = spec.format or find_format(spec.location, spec.endpoint)
    only = {
        "--keys": spec.keys != "name",
        "--image-field": spec.image_field,
        "--label-field": spec.label_field,
    }
    unfit = [option for option, given in only.items() if given]
    if unfit and kind in ("folder", "ilsvrc"):
        message = f"{unfit[0]} goes with WebDataset and Parquet, and --src is {kind}; leave it out"
        raise ConfigError(message)
    if kind == "ilsvrc":
        return IlsvrcSource(spec, problem)
    if kind == "webdataset":
        return WebDatasetSource(spec, problem)
    if kind == "parquet":
        return ParquetSource(spec, problem)
    return FolderSource(spec, problem)
