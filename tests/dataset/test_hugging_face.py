"""Shards as Hugging Face's `datasets` reads them."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from texgen.dataset.random_access import TextureStore


@pytest.mark.parametrize("streaming", [True, False])
def test_shards_are_read_by_hugging_faces_datasets(
    streaming: bool, finished: Path, tmp_path: Path, hugging_face_datasets: ModuleType
):
    splits = {split: str(finished / split / "*.tar") for split in ("train", "val")}
    loaded = hugging_face_datasets.load_dataset(
        "webdataset", data_files=splits, streaming=streaming, cache_dir=str(tmp_path)
    )
    for split in splits:
        store, rows = TextureStore(finished, split), list(loaded[split])
        assert [row["__key__"] for row in rows] == list(store.keys())
        assert [row["cls"] for row in rows] == list(store.labels)
        for position, row in enumerate(rows):
            assert np.array_equal(np.asarray(row["png"]), store[position])
            assert row["json"]["key"] == row["__key__"]
            assert json.dumps(row["json"]["seed"]).isdigit()
