"""Sources of images: one `Source` for each form in which people keep them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

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
from texgen.source.detect import EXPECTED_FORMS, find_format
from texgen.source.folder.source import FolderSource
from texgen.source.labels.files import BUILT_IN_CLASSES, read_classes, read_labels
from texgen.source.parquet.source import ParquetSource
from texgen.source.tar.ilsvrc import IlsvrcSource
from texgen.source.tar.webdataset import WebDatasetSource

__all__ = [
    "BUILT_IN_CLASSES",
    "EXPECTED_FORMS",
    "KEYS",
    "LAYOUTS",
    "SOURCE_OPTIONS",
    "SPLIT_NAMES",
    "SRC_FORMATS",
    "FolderSource",
    "OnError",
    "Source",
    "SourceSpec",
    "SplitListing",
    "find_format",
    "open_source",
    "raise_error",
    "read_classes",
    "read_labels",
]

_SOURCES: Mapping[str, Callable[[SourceSpec, OnError], Source]] = {
    "folder": FolderSource,
    "ilsvrc": IlsvrcSource,
    "webdataset": WebDatasetSource,
    "parquet": ParquetSource,
}


def open_source(spec: SourceSpec, on_error: OnError = raise_error) -> Source:
    """Opens a source.

    Args:
        spec: Names the source; its format is detected if it names none.
        on_error: Called for each error in a listing that would end a build; by default the first
            one is raised.

    Raises:
        ConfigError: If this version cannot read such a source, or an option does not fit it.
        SourceError: If SRC does not exist or holds nothing that fits.
    """
    src_format = spec.format or find_format(spec.location, spec.endpoint)
    archive_options = {
        "--keys": spec.keys != "name",
        "--image-field": spec.image_field,
        "--label-field": spec.label_field,
    }
    given = [option for option, value in archive_options.items() if value]
    if given and src_format in ("folder", "ilsvrc"):
        raise ConfigError(
            f"{given[0]} goes with WebDataset and Parquet, and --src is {src_format}; leave it out"
        )
    return _SOURCES[src_format](spec, on_error)
