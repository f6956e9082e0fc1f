"""The `webdataset` pipeline of a split."""

from __future__ import annotations

from pathlib import Path

import pytest

import texgen
from texgen.core.errors import ConfigError, DatasetError
from texgen.dataset.random_access import TextureStore


def keys(pipeline) -> list[str]:
    return [sample["__key__"] for sample in pipeline]


def test_it_streams_every_texture_once(finished: Path) -> None:
    store = TextureStore(finished)
    samples = list(texgen.webdataset(finished, shuffle=0))
    assert [sample["__key__"] for sample in samples] == list(store.keys())
    assert [sample["cls"] for sample in samples] == store.labels.tolist()
    assert all(sample["png"].size == (16, 16) for sample in samples)
    assert all(sample["json"]["key"] == sample["__key__"] for sample in samples)
    assert isinstance(next(iter(texgen.webdataset(finished, decode=None)))["png"], bytes)


def test_epochs_have_other_orders_and_the_same_textures(finished: Path) -> None:
    pipeline = texgen.webdataset(finished, shuffle=1)
    epochs = [keys(pipeline) for _ in range(6)]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert len({tuple(sorted(epoch)) for epoch in epochs}) == 1
    again = texgen.webdataset(finished, shuffle=1)
    assert [keys(again) for _ in range(6)] == epochs
    other = texgen.webdataset(finished, shuffle=1, seed=1)
    assert [keys(other) for _ in range(6)] != epochs


def reader(monkeypatch, rank: int, ranks: int, worker: int = 0, workers: int = 1) -> None:
    for name, value in (("RANK", rank), ("WORLD_SIZE", ranks), ("WORKER", worker),
                        ("NUM_WORKERS", workers)):  # fmt: skip
        monkeypatch.setenv(name, str(value))


@pytest.mark.parametrize(("ranks", "workers"), [(1, 3), (2, 2), (4, 1)])
def test_readers_share_an_epoch_without_overlap(finished, monkeypatch, ranks, workers):
    for epoch in range(3):
        seen: list[str] = []
        for rank in range(ranks):
            for worker in range(workers):
                reader(monkeypatch, rank, ranks, worker, workers)
                pipeline = texgen.webdataset(finished)
                pipeline.set_epoch(epoch)
                seen += keys(pipeline)
        assert sorted(seen) == list(TextureStore(finished).keys())


def test_ranks_without_the_epoch_are_refused(finished, monkeypatch):
    reader(monkeypatch, 0, 2)
    with pytest.raises(ConfigError, match="set_epoch"):
        keys(texgen.webdataset(finished))


def test_fewer_shards_than_readers_are_refused_with_a_hint(finished, monkeypatch):
    reader(monkeypatch, 0, 2, 0, 4)
    with pytest.raises(ConfigError, match=r"4 shards for 8 readers \(2 ranks of 4 workers\): use"):
        keys(texgen.webdataset(finished))


def test_a_stream_that_repeats_goes_on_with_another_order(finished):
    count = len(TextureStore(finished))
    stream = iter(texgen.webdataset(finished, shuffle=1, repeat=True))
    epochs = [[next(stream)["__key__"] for _ in range(count)] for _ in range(4)]
    assert len({tuple(epoch) for epoch in epochs}) > 1
    assert set(epochs[0]) <= set(TextureStore(finished).keys())


def test_a_split_that_is_not_there_is_named(finished):
    with pytest.raises(DatasetError, match="no split 'test'"):
        texgen.webdataset(finished, "test")
