"""Images of a torchvision ImageFolder with their textures."""

from __future__ import annotations

import pickle
import shutil
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, Subset
from torchvision import transforms
from torchvision.datasets import ImageFolder

import texgen
from texgen.core.errors import ArgumentError, DatasetError

TO_TENSOR = transforms.Compose([transforms.Resize([24, 24]), transforms.ToTensor()])


@pytest.fixture(scope="module")
def folder(image_folder: Path) -> ImageFolder:
    return ImageFolder(str(image_folder / "train"), transform=TO_TENSOR)


def test_each_image_comes_with_a_texture_of_its_own(folder, textures):
    pairs, store = texgen.TexturePairs(folder, textures), texgen.TextureStore(textures)
    assert (len(pairs), pairs.skipped) == (20, 0)
    for position, (path, label) in enumerate(folder.samples):
        key = Path(path).relative_to(folder.root).with_suffix("").as_posix()
        assert pairs.key(position) == key == texgen.image_key(path, folder.root)
        image, texture, got = pairs[position]
        assert got == label
        assert torch.equal(image, folder[position][0])
        candidates = [TO_TENSOR(store.image(which)) for which in store.positions(key)]
        assert len(candidates) == 2
        assert any(torch.equal(texture, candidate) for candidate in candidates)


def test_all_textures_of_an_image_are_drawn(folder, textures):
    pairs = texgen.TexturePairs(ImageFolder(folder.root), textures)
    drawn = Counter(pairs[0][1].tobytes() for _ in range(60))
    assert len(drawn) == 2


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_a_data_loader_collates_pairs_in_processes(method, folder, textures):
    pairs = texgen.TexturePairs(folder, textures)
    loader = DataLoader(Subset(pairs, range(8)), 4, num_workers=2, multiprocessing_context=method)
    batches = list(loader)
    assert [tuple(image.shape) for image, _, _ in batches] == [(4, 3, 24, 24)] * 2
    assert [tuple(texture.shape) for _, texture, _ in batches] == [(4, 3, 24, 24)] * 2
    mine = torch.stack([pairs[position][0] for position in range(8)])
    assert torch.equal(torch.cat([image for image, _, _ in batches]), mine)
    assert len(pickle.dumps(pairs)) < 10_000


def test_a_store_alone_is_a_data_set_of_pixels(textures):
    batch = next(iter(DataLoader(texgen.TextureStore(textures), 4, num_workers=1)))
    assert tuple(batch.shape) == (4, 32, 32, 3)
    assert batch.dtype == torch.uint8


def test_paired_views_give_the_texture_the_crop_and_colours_of_the_image(folder):
    image = ImageFolder(folder.root)[0][0]
    (first, second), (texture_1, texture_2) = texgen.PairedViews(16)(image, image)
    assert first.shape == (3, 16, 16)
    assert torch.equal(first, texture_1)
    assert torch.equal(second, texture_2)
    assert not torch.equal(first, second)


def test_a_pair_transform_takes_the_place_of_the_folders_own(folder, textures):
    pairs = texgen.TexturePairs(
        folder, textures, pair_transform=lambda image, texture: (image.size, texture.size)
    )
    assert pairs[0][:2] == ((40, 40), (32, 32))


def test_a_transform_of_textures_leaves_that_of_images(folder, textures):
    image, texture, _ = texgen.TexturePairs(folder, textures, transform=np.asarray)[0]
    assert image.shape == (3, 24, 24)
    assert texture.shape == (32, 32, 3)


@pytest.fixture
def one_more(folder: ImageFolder, tmp_path: Path) -> ImageFolder:
    """The folder with an image that has no texture."""
    root = Path(shutil.copytree(folder.root, tmp_path / "train"))
    shutil.copy(root / "ant" / "ant_000.JPEG", root / "ant" / "aardvark.JPEG")
    return ImageFolder(str(root), transform=TO_TENSOR)


def test_an_image_without_a_texture_is_an_error_or_is_left_out_and_counted(one_more, textures):
    with pytest.raises(DatasetError, match=r"1 image of .* the first is 'ant/aardvark'; build it"):
        texgen.TexturePairs(one_more, textures)
    pairs = texgen.TexturePairs(one_more, textures, missing="skip")
    assert (len(pairs), pairs.skipped, pairs.key(0)) == (20, 1, "ant/ant_000")
    assert torch.equal(pairs[0][0], one_more[1][0])
    with pytest.raises(IndexError):
        pairs[20]


def test_a_root_that_is_not_the_splits_folder_is_named_with_both_keys(folder, textures):
    above = ImageFolder(str(Path(folder.root).parent))
    with pytest.raises(DatasetError, match=r"'train/ant/ant_000', while .* 'ant/ant_000'; the"):
        texgen.TexturePairs(above, textures)


def test_two_files_with_one_key_are_refused_and_a_file_twice_is_not(folder, textures):
    images = ImageFolder(folder.root)
    images.samples.append(images.samples[0])
    assert len(texgen.TexturePairs(images, textures)) == 21
    other = str(Path(images.samples[0][0]).with_suffix(".webp"))
    images.samples.append((other, 0))
    with pytest.raises(DatasetError, match=r"\.webp have one key, .*; rename or remove one"):
        texgen.TexturePairs(images, textures, missing="skip")


def test_misuse_has_one_line(folder, textures):
    with pytest.raises(
        ArgumentError, match=r"Subset lacks root, .*: pass a torchvision ImageFolder"
    ):
        texgen.TexturePairs(Subset(folder, [0]), textures)
    images = SimpleNamespace(samples=folder.samples, loader=folder.loader, root=folder.root)
    with pytest.raises(ArgumentError, match="SimpleNamespace lacks transform, target_transform:"):
        texgen.TexturePairs(images, textures)
    with pytest.raises(ArgumentError, match=r"missing='drop': expected 'error' or 'skip'"):
        texgen.TexturePairs(folder, textures, missing="drop")
    with pytest.raises(ArgumentError, match="not both"):
        texgen.TexturePairs(folder, textures, transform=TO_TENSOR, pair_transform=max)
    with pytest.raises(DatasetError, match="no finished data set"):
        texgen.TexturePairs(folder, Path(folder.root))


@pytest.mark.parametrize(
    ("path", "root", "key"),
    [
        ("ant/a.JPEG", None, "ant/a"),
        ("./ant/a.JPEG", None, "ant/a"),
        ("train/ant/a b.x.png", "train", "ant/a~20b~2ex"),
        ("train/ant/a.png", "train/", "ant/a"),
        ("train/../train/ant/a.png", Path("train"), "ant/a"),
    ],
)
def test_keys_are_those_of_a_build(path, root, key):
    assert texgen.image_key(path, root) == key


def test_a_relative_root_may_lead_upwards(tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert texgen.image_key(tmp_path / "train/a/b.png", "../train") == "a/b"
    assert texgen.image_key("../train/a/b.png", tmp_path / "train") == "a/b"
    assert texgen.image_key("/a/b.png", "/") == "a/b"


@pytest.mark.parametrize(
    ("path", "root"),
    [
        ("/a/b.png", None),
        ("../b.png", None),
        ("val/b.png", "train"),
        ("../b.png", "."),
        ("../../b.png", ".."),
    ],
)
def test_a_path_outside_its_root_has_no_key(path, root):
    with pytest.raises(ArgumentError, match="folder of the split"):
        texgen.image_key(path, root)
