"""Writes the same images in every form that a source may have."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Files = Mapping[str, bytes]
"""Content by path below the split, such as ``ant/1.jpg``."""


def write_tar(path: Path, members: Iterable[tuple[str | bytes, bytes]], **options: Any) -> Path:
    """Writes a tar of the members in the given order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", **options) as tar:
        for name, data in members:
            info = tarfile.TarInfo(
                name if isinstance(name, str) else name.decode(errors="surrogateescape")
            )
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def write_folder(root: Path, files: Files) -> Path:
    for name, data in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)
    return root


def write_ilsvrc_train(root: Path, files: Files, **options: Any) -> Path:
    """Writes ``ILSVRC2012_img_train.tar`` with a tar for each class."""
    inner = []
    for name in sorted({path.partition("/")[0] for path in files}):
        held = io.BytesIO()
        with tarfile.open(fileobj=held, mode="w", **options) as tar:
            for path, data in files.items():
                folder, _, rest = path.partition("/")
                if folder == name:
                    info = tarfile.TarInfo(rest)
                    info.size = len(data)
                    tar.addfile(info, io.BytesIO(data))
        inner.append((f"{name}.tar", held.getvalue()))
    return write_tar(root / "ILSVRC2012_img_train.tar", inner, **options)


def write_webdataset(
    folder: Path, files: Files, shards: int = 2, prefix: str = "", **options: Any
) -> Path:
    """Writes tars that each hold every ``shards``-th sample, with the labels of class folders."""
    labels = labels_of(files)
    for number in range(shards):
        members: list[tuple[str | bytes, bytes]] = []
        for path in sorted(files)[number::shards]:
            stem = path.rpartition(".")[0]
            members += [(path, files[path]), (f"{stem}.cls", b"%d" % labels[path])]
            members.append((f"{stem}.json", b"{}"))
        write_tar(folder / f"{prefix}{number:06d}.tar", members, **options)
    return folder


def write_parquet(
    path: Path, files: Files, *, paths: str = "name", names: bool = True, rows: int = 3
) -> Path:
    """Writes a file in the form of Hugging Face's datasets.

    Args:
        path: Path of the file.
        files: Images.
        paths: Part of each image's path that is stored: ``whole``, ``name`` or ``none``.
        names: Whether the file names its classes.
        rows: Number of rows in a row group.
    """
    kept = {"whole": lambda p: p, "name": lambda p: p.rpartition("/")[2], "none": lambda _: None}
    images = [{"bytes": data, "path": kept[paths](name)} for name, data in files.items()]
    labels = labels_of(files)
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    table = pa.table(
        {
            "image": pa.array(images, kind),
            "label": pa.array([labels[name] for name in files], pa.int64()),
        }
    )
    features: dict[str, Any] = {"image": {"_type": "Image"}}
    if names:
        classes = sorted({name.partition("/")[0] for name in files})
        features["label"] = {"names": classes, "_type": "ClassLabel"}
    about = {"huggingface": json.dumps({"info": {"features": features}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.replace_schema_metadata(about), path, row_group_size=rows)
    return path


def labels_of(files: Files) -> dict[str, int]:
    """Labels by ImageFolder's rule."""
    classes = sorted({name.partition("/")[0] for name in files})
    return {name: classes.index(name.partition("/")[0]) for name in files}
