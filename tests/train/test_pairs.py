"""Training samples: pairs by key, missing textures, orders, and the sources of images."""

from __future__ import annotations

import itertools
import pickle
import shutil
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import texgen
from texgen.core.errors import ConfigError
from texgen.core.keys import image_key
from texgen.train.augment import Augmentation, ViewParameters
from texgen.train.config import TrainConfig
from texgen.train.data import TrainingData
from texgen.train.images import Stl10, open_images
from texgen.train.negatives import (
    FreshNegatives,
    PatchNegatives,
    TextureNegatives,
    check_textures,
)
from texgen.train.pairs import ContrastiveDataset, EpochSampler

PLAIN = Augmentation(32, (0.99, 1.0), jitter=None, grey=0.0, blur=0.0)


@pytest.fixture
def store(textures: Path) -> texgen.TextureStore:
    return texgen.TextureStore(textures)


def pairs(image_folder: Path, negatives, views: int = 2, seed: int = 0) -> ContrastiveDataset:
    return ContrastiveDataset(
        open_images(str(image_folder), "train"), PLAIN, negatives, views, seed
    )


def test_images_have_the_keys_and_labels_of_a_build(image_folder, store):
    opened = open_images(str(image_folder), "train")
    images = [key for key in list(store.keys()) if "+" not in key]
    assert opened.keys.to_pylist() == images
    assert opened.labels.tolist() == [0] * 12 + [1] * 8
    assert opened.classes == ("ant", "bee")


def test_a_texture_belongs_to_its_image_and_gets_the_view_of_the_query(image_folder, store):
    seen: list[ViewParameters] = []
    listed = open_images(str(image_folder), "train")
    made = TextureNegatives(2, listed, store)

    def watched(queries):
        seen.extend(queries.views)
        return made(queries)

    for position in range(len(listed.keys)):
        seen.clear()
        sample = pairs(image_folder, watched)[0, position]
        assert sample["nonsemantic"].shape == (2, 2, 3, 32, 32)
        key = listed.keys[position].as_py()
        own = [store.image(one) for one in store.positions(key)]
        assert len(own) == 2
        for view, image, negatives in zip(
            seen, (sample["first"], sample["second"]), sample["nonsemantic"], strict=True
        ):
            assert torch.equal(image, view(listed.image(position)))
            expected = [view(texture) for texture in own]
            assert any(
                all(torch.equal(a, b) for a, b in zip(negatives, order, strict=True))
                for order in itertools.permutations(expected)
            )


def test_fresh_textures_get_the_view_of_the_query_and_are_shared_by_all_views(
    image_folder, no_orphans
):
    listed = open_images(str(image_folder), "train")
    negative = texgen.TextureNegative(48, 20, seed=3)
    seen: list[ViewParameters] = []

    def watched(queries):
        seen[:] = queries.views
        return FreshNegatives(2, listed, negative, every=3)(queries)

    data = pairs(image_folder, watched, seed=3)
    key, image = listed.keys[4].as_py(), listed.image(4)
    for epoch, first in [(0, 0), (2, 0), (3, 2), (11, 6)]:
        found = data[epoch, 4]["nonsemantic"]
        assert found.shape == (2, 2, 3, 32, 32)
        textures = [negative(image, key, number) for number in (first, first + 1)]
        assert textures[0].tobytes() != textures[1].tobytes()
        for view, own in zip(seen, found, strict=True):
            expected = [view(texture) for texture in textures]
            assert torch.equal(own, torch.stack(expected))


class OnGpu(texgen.TextureNegative):
    """Textures that count as a GPU's; it remembers what each call is asked for."""

    on_gpu = True
    calls: list[tuple[int, int]]
    images: list[weakref.ref]

    def make(self, jobs):
        alive = sum(image() is not None for image in self.images)
        self.calls.append((len(jobs), alive))
        return super().make(jobs)


def test_a_gpu_gets_the_textures_of_a_batch_at_once_and_one_image_is_kept_at_a_time(
    image_folder, no_orphans
):
    negative = OnGpu(32, seed=3)
    negative.calls, negative.images = [], []
    listed = open_images(str(image_folder), "train")

    class Watched:
        keys = listed.keys

        def image(self, position):
            image = listed.image(position)
            negative.images.append(weakref.ref(image))
            return image

    fresh = FreshNegatives(3, listed, negative)
    data = replace(pairs(image_folder, fresh, seed=3), images=Watched())
    asked = [(2, 7), (2, 0), (2, 11), (2, 4)]
    batch = data.__getitems__(asked)
    assert len(negative.images) == 4
    ((jobs, alive),) = negative.calls
    assert (jobs, alive <= 1) == (12, True)
    for sample, one in zip(batch, asked, strict=True):
        assert sample.keys() == {"first", "second", "nonsemantic"}
        assert all(torch.equal(value, data[one][name]) for name, value in sample.items())


def test_a_run_makes_fresh_textures_of_the_size_and_patches_that_its_options_name(
    image_folder, no_orphans
):
    def negative(**options):
        config = TrainConfig(
            src=str(image_folder), out="", negatives="texture", fresh=True, seed=9, size=32,
            batch_size=4, queue_size=4, workers=0, **options,
        )  # fmt: skip
        made = TrainingData(config, 1)._dataset.negatives
        assert isinstance(made, FreshNegatives)
        return made.negative, made.every

    for options, expected in [
        ({}, (32, 14, 1)),
        ({"texture_size": 64}, (64, 27, 1)),
        ({"texture_size": 64, "patch_size": 16, "fresh_every": 5}, (64, 16, 5)),
    ]:
        made, every = negative(**options)
        assert (made.size, made.patch_size, every) == expected
        assert made.seed == 9


def test_an_engine_that_does_not_start_ends_a_run_before_its_first_batch(image_folder, monkeypatch):
    monkeypatch.setenv("TEXGEN_WORKER", "/dev/null/no-worker")
    config = TrainConfig(
        src=str(image_folder), out="", negatives="texture", fresh=True, size=32, batch_size=4,
        queue_size=4,
    )  # fmt: skip
    with pytest.raises(ConfigError, match="cannot start /dev/null/no-worker"):
        TrainingData(config, 1)


def test_patches_are_cut_from_the_augmented_query(image_folder):
    sample = pairs(image_folder, PatchNegatives(3, (8, 16)))[0, 5]
    for image, negatives in zip(
        (sample["first"], sample["second"]), sample["nonsemantic"], strict=True
    ):
        own = {tuple(pixel) for pixel in image.flatten(1).T.tolist()}
        assert negatives.shape == (3, 3, 32, 32)
        assert all(
            tuple(pixel) in own for made in negatives for pixel in made.flatten(1).T.tolist()
        )
        assert not torch.equal(negatives[0], negatives[1])


def test_a_sample_depends_on_seed_epoch_and_position_alone(image_folder):
    one = pairs(image_folder, PatchNegatives(1, (8, 16)))
    again = pickle.loads(pickle.dumps(one))  # noqa: S301 - its own
    for draw in [(0, 3), (1, 3), (0, 4)]:
        again[2, 7]
        assert all(torch.equal(v, again[draw][k]) for k, v in one[draw].items())
    assert not torch.equal(one[0, 3]["first"], one[1, 3]["first"])
    other = pairs(image_folder, None, seed=1)
    assert not torch.equal(one[0, 3]["first"], other[0, 3]["first"])


def test_ranks_share_an_epoch_and_a_resumed_one_continues_where_it_stopped(monkeypatch):
    def order(rank: int, epoch: int, steps: int = 0) -> list[int]:
        monkeypatch.setattr("texgen.train.pairs.rank_and_world_size", lambda: (rank, 2))
        draws = EpochSampler(np.arange(50), 8, seed=3)
        draws.begin(epoch, steps)
        found = list(draws)
        assert len(found) == len(draws)
        assert {e for e, _ in found} == {epoch}
        return [position for _, position in found]

    both = order(0, 0) + order(1, 0)
    assert len(both) == 48
    assert len(set(both)) == 48
    assert order(0, 0, steps=4) == order(0, 0)[16:]
    assert order(0, 1) != order(0, 0)
    assert order(0, 0) == order(0, 0)


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(ConfigError, match="5 images cannot fill a batch of 8"):
        EpochSampler(np.arange(5), 8, seed=0)


@pytest.fixture
def more(image_folder: Path, tmp_path: Path) -> Path:
    """The folder of images, with one in the middle that has no texture."""
    shutil.copytree(image_folder, tmp_path / "more")
    Image.new("RGB", (40, 40)).save(tmp_path / "more" / "train" / "ant" / "zz.png")
    return tmp_path / "more"


def test_an_image_without_a_texture_is_an_error_unless_an_option_allows_it(more, store):
    listed = open_images(str(more), "train")
    with pytest.raises(ConfigError, match=r"1 image without .* first is ant/zz; .*skip or"):
        check_textures(listed, store, "error")
    assert check_textures(listed, store, "patch")[0].tolist() == list(range(21))
    assert check_textures(listed, store, "skip")[0].tolist() == [*range(12), *range(13, 21)]


def test_patches_stand_in_for_a_missing_texture(more, textures):
    config = TrainConfig(
        src=str(more), out="", textures=str(textures), negatives="texture", patch_range=(8, 16),
        missing_texture="patch", size=32, batch_size=7, queue_size=7, workers=0,
    )  # fmt: skip
    data = TrainingData(config, 1)
    assert data.without_texture == 1
    batches = list(data.epoch(0, 0))
    assert [len(batch["nonsemantic"]) for batch in batches] == [7, 7, 7]


def test_textures_of_other_images_are_refused(textures, store, tmp_path):
    (tmp_path / "x").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "x" / "cat.png")
    with pytest.raises(ConfigError, match="none of 1 image has a texture"):
        check_textures(open_images(str(tmp_path), "train"), store, "skip")


def test_an_image_that_cannot_be_read_is_named_by_any_process(image_folder, tmp_path):
    shutil.copytree(image_folder, tmp_path / "some")
    bad = next((tmp_path / "some" / "train" / "ant").iterdir())
    bad.write_bytes(bad.read_bytes()[:100])
    config = TrainConfig(src=str(tmp_path / "some"), out="", size=32, batch_size=20, queue_size=20)
    for workers in (0, 2):
        data = TrainingData(TrainConfig.from_dict({**config.to_dict(), "workers": workers}), 1)
        with pytest.raises(ConfigError, match=rf"^train/ant/{bad.name}: .*; remove it from SRC"):
            list(data.epoch(0, 0))


def test_streamed_textures_find_their_images(image_folder, textures):
    config = TrainConfig(
        src=str(image_folder), out="", textures=str(textures), negatives="texture", stream=True,
        size=32, batch_size=10, queue_size=10, workers=2,
    )  # fmt: skip
    data = TrainingData(config, 1)
    batches = data.epoch(0, 0)
    shapes = [next(batches)["nonsemantic"].shape for _ in range(5)]
    assert shapes == [(10, 1, 1, 3, 32, 32)] * 5


def test_fewer_shards_than_readers_are_refused_when_streaming(image_folder, textures):
    config = TrainConfig(
        src=str(image_folder), out="", textures=str(textures), negatives="texture", stream=True,
        size=32, batch_size=4, workers=5,
    )  # fmt: skip
    with pytest.raises(ConfigError, match=r"^4 shards for 5 readers"):
        next(TrainingData(config, 1).epoch(0, 0))


@pytest.fixture
def stl10(tmp_path: Path) -> Path:
    """Files in the form of STL-10: three images with labels and two without."""
    for part, count in (("train", 3), ("unlabeled", 2), ("test", 1)):
        pixels = np.random.default_rng(count).integers(0, 256, (count, 3, 96, 96), np.uint8)
        (tmp_path / f"{part}_X.bin").write_bytes(pixels.tobytes())
    (tmp_path / "train_y.bin").write_bytes(bytes([2, 1, 10]))
    (tmp_path / "class_names.txt").write_text("airplane\nbird\n")
    return tmp_path


def test_stl10s_files_are_read_by_columns(stl10):
    found = open_images(str(stl10), "train")
    assert isinstance(found, Stl10)
    assert found.labels.tolist() == [-1, -1, 1, 0, 9]
    assert found.keys.to_pylist()[2] == "train/000000"
    raw = np.frombuffer((stl10 / "train_X.bin").read_bytes(), np.uint8)
    image = np.asarray(found.image(3))
    # The second image: column 5, row 7, channel 1.
    assert image[7, 5, 1] == raw[27648 + 9216 + 5 * 96 + 7]
    assert len(open_images(str(stl10), "test").keys) == 1


def test_damaged_files_of_stl10_are_refused(stl10):
    (stl10 / "train_y.bin").write_bytes(b"\1")
    with pytest.raises(ConfigError, match="1 labels for 3 images"):
        open_images(str(stl10), "train")
    (stl10 / "train_X.bin").write_bytes(b"\1" * 100)
    with pytest.raises(ConfigError, match="not a whole number of 96 px images"):
        open_images(str(stl10), "train")
    (stl10 / "unlabeled_X.bin").unlink()
    with pytest.raises(ConfigError, match="STL-10's binary files"):
        open_images(str(stl10), "train")


def test_keys_are_those_of_texgen(image_folder):
    listed = open_images(str(image_folder), "train")
    files = (image_folder / "train").rglob("*.*")
    names = {image_key(str(f.relative_to(image_folder / "train")).encode()) for f in files}
    assert set(listed.keys.to_pylist()) == names


def test_images_have_the_pixels_of_a_build(tmp_path):
    """16-bit grey is reduced to its high byte; Pillow would clip it."""
    (tmp_path / "train" / "x").mkdir(parents=True)
    grey = np.linspace(0, 65535, 1024, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(grey).save(tmp_path / "train" / "x" / "grey.png")
    found = np.asarray(open_images(str(tmp_path), "train").image(0))
    assert (found == (grey >> 8)[:, :, None]).all()
