"""Textures that are made while training runs: whose they are, and that processes do not matter."""

from __future__ import annotations

import copy
import ctypes
import multiprocessing
import os
import pickle
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch.utils.data import DataLoader, Dataset

import texgen
from tests.conftest import synthetic_image, texgen_processes
from texgen.cli.main import run
from texgen.core.decode import decode
from texgen.core.errors import EngineStartError, ImageError
from texgen.core.seeds import texture_seed
from texgen.synthesis import shared_pools
from texgen.synthesis.patches import PatchRule, patch_geometry

pytestmark = pytest.mark.usefixtures("no_orphans")

METHODS = ["fork", "spawn", "forkserver"]


class Fresh(Dataset):
    """Textures by index; spawned workers import this class."""

    def __init__(self, negative: texgen.TextureNegative, images: int = 6) -> None:
        self.negative = negative
        self.images = [synthetic_image(seed, (40, 36)) for seed in range(images)]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> torch.Tensor:
        return torch.from_numpy(np.array(self.negative(self.images[index], index)))


@pytest.mark.parametrize(
    ("size", "patch_size", "small_patch_size"), [(64, 27, 13), (48, 400, 30), (224, 96, 48)]
)
def test_epoch_0_gives_the_pixels_that_a_build_stores_and_later_ones_those_of_more_textures(
    size, patch_size, small_patch_size, imagenet_mini, tmp_path
):
    """400 px are more than the shorter side of most of these photographs."""
    sizes = ["--size", size, "--patch-size", patch_size, "--small-patch-size", small_patch_size]
    more = ["--textures-per-image", 2, "--limit", 2 if size > 200 else 8, "--seed", 5]
    line = ["build", "--src", imagenet_mini, "--out", tmp_path / "out", *sizes, *more]
    assert run([*map(str, line), "--no-ray", "--quiet", "--split", "train"]) == 0
    negative = texgen.TextureNegative(size, patch_size, small_patch_size=small_patch_size, seed=5)
    store = texgen.TextureStore(tmp_path / "out")
    keys = [key for key in list(store.keys()) if "+" not in key]
    files = {
        texgen.image_key(path, imagenet_mini / "train"): path for path in images(imagenet_mini)
    }
    for key in keys:
        pixels = decode(files[key].read_bytes())
        assert negative(pixels, key).tobytes() == store[key].tobytes()
        with Image.open(files[key]) as image:
            image.load()
            made = negative(image, key, epoch=1)
        assert np.asarray(made).tobytes() == store[f"{key}+001"].tobytes()
    assert len(keys) == (2 if size > 200 else 8)


def copied(negative: texgen.TextureNegative) -> texgen.TextureNegative:
    return pickle.loads(pickle.dumps(negative))  # noqa: S301 - its own


def images(folder: Path) -> list[Path]:
    return sorted((folder / "train").rglob("*.JPEG"))


def test_the_default_patches_have_the_proportion_of_a_builds():
    found = [texgen.TextureNegative(size) for size in (224, 96, 64, 1)]
    assert [one.patch_size for one in found] == [96, 41, 27, 1]
    assert [one.small_patch_size for one in found] == [48, 20, 13, 1]


def test_a_texture_has_the_form_of_its_image_and_its_pixels_come_from_it():
    negative = texgen.TextureNegative(32)
    image = synthetic_image(3, (50, 40))
    made = negative(image, "a")
    assert (made.size, made.mode) == ((32, 32), "RGB")
    pixels = np.asarray(image)
    array = negative(pixels, "a")
    assert np.array_equal(array, np.asarray(made))
    assert {tuple(p) for p in array.reshape(-1, 3)} <= {tuple(p) for p in pixels.reshape(-1, 3)}


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "CMYK"])
def test_other_modes_are_converted_as_a_build_does(mode):
    negative = texgen.TextureNegative(16, engine="stub")
    image = synthetic_image(3, (50, 40)).convert(mode)
    converted = np.asarray(image.convert("RGB"))
    assert np.array_equal(np.asarray(negative(image, 1)), negative(converted, 1))


def test_grey_of_16_bits_has_its_high_byte_as_in_a_build(tmp_path):
    grey = np.linspace(0, 65535, 1024, dtype=np.uint16).reshape(32, 32)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    negative = texgen.TextureNegative(16, engine="stub")
    with Image.open(tmp_path / "grey.png") as image:
        made = negative(image, 1)
    high = np.repeat((grey >> 8).astype(np.uint8)[:, :, None], 3, 2)
    assert np.array_equal(np.asarray(made), negative(high, 1))
    with pytest.raises(ImageError, match=r"image_scale: .* \(ant/one: mode F"):
        negative(Image.fromarray(np.full((32, 32), 0.5, np.float32)), "ant/one")


@settings(max_examples=30)
@given(
    seed=st.integers(),
    key=st.one_of(st.text("ab/~", max_size=4), st.integers(0, 99)),
    epoch=st.integers(0, 5000),
    width=st.integers(1, 60),
    height=st.integers(1, 60),
)
def test_patches_and_seed_follow_from_seed_key_and_epoch(seed, key, epoch, width, height):
    negative = texgen.TextureNegative(64, 27, seed=seed)
    image = synthetic_image(1, (width, height))
    job = negative.job(image, key, epoch)
    assert job.seed == texture_seed(seed, str(key), epoch)
    boxes = patch_geometry(width, height, job.seed, PatchRule(27, 13))
    x, y = boxes.random
    patch = np.asarray(image)[y : y + boxes.side, x : x + boxes.side]
    assert np.array_equal(job.patches[1][: boxes.side, : boxes.side], patch)
    again = copied(negative).job(np.asarray(image), key, epoch)
    assert all(map(np.array_equal, job.patches, again.patches))


def test_epochs_keys_and_seeds_make_different_textures():
    image = synthetic_image(1, (60, 50))
    made = [
        texgen.TextureNegative(32, seed=seed)(np.asarray(image), key, epoch).tobytes()
        for seed in (0, 1)
        for key in ("a", "b")
        for epoch in (0, 1, 2)
    ]
    assert len(set(made)) == 12


@pytest.mark.integration
@pytest.mark.parametrize("method", METHODS)
def test_workers_of_any_start_method_follow_set_epoch_while_they_run(method):
    negative = texgen.TextureNegative(32, seed=2)
    data = Fresh(negative)
    loader = DataLoader(
        data, 2, num_workers=2, multiprocessing_context=method, persistent_workers=True
    )
    for epoch in (0, 3, 1):
        negative.set_epoch(epoch)
        found = torch.cat(list(loader))
        expected = [np.asarray(negative(image, i, epoch)) for i, image in enumerate(data.images)]
        assert np.array_equal(found.numpy(), np.stack(expected))
    loader._iterator._shutdown_workers()


def test_a_copy_has_the_epoch_of_its_moment_and_goes_its_own_way():
    negative = texgen.TextureNegative(16)
    negative.set_epoch(7)
    copies = [copy.deepcopy(negative), copied(negative)]
    negative.set_epoch(8)
    image = synthetic_image(0, (20, 20))
    assert {one.job(image, "k", None).seed for one in copies} == {texture_seed(0, "k", 7)}
    assert negative.job(image, "k", None).seed == texture_seed(0, "k", 8)


@pytest.mark.integration
def test_each_loader_process_runs_one_engine():
    before = texgen_processes()
    loader = DataLoader(Fresh(texgen.TextureNegative(32), 12), 2, num_workers=3)
    batches = iter(loader)
    next(batches)
    most = 0
    for _ in batches:
        most = max(most, len(texgen_processes() - before))
    assert 1 <= most <= 3


def test_a_batch_is_the_textures_of_single_calls_from_several_engines():
    negative = texgen.TextureNegative(48, seed=1, engines=3)
    pixels = np.stack([np.asarray(synthetic_image(i, (60, 50))) for i in range(9)])
    before = texgen_processes()
    made = negative.batch(pixels, range(9), epoch=2)
    assert len(texgen_processes() - before) == 3
    assert isinstance(made, list)
    for index, texture in enumerate(made):
        assert np.array_equal(texture, negative(pixels[index], index, 2))
    pictures = negative.batch([Image.fromarray(p) for p in pixels[:2]], [0, 1], epoch=2)
    assert all(np.array_equal(np.asarray(a), b) for a, b in zip(pictures, made[:2], strict=True))
    with pytest.raises(ValueError, match="zip"):
        negative.batch(pixels, range(8))


class Jobs(Fresh):
    """Jobs of textures by index."""

    def __getitem__(self, index: int) -> object:
        return self.negative.job(self.images[index], index)


@pytest.mark.integration
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_cut_patches_and_the_main_process_makes_their_textures(method):
    negative = texgen.TextureNegative(32, seed=2, engines=1)
    data = Jobs(negative)
    loader = DataLoader(data, 3, num_workers=2, collate_fn=list, multiprocessing_context=method)
    before = texgen_processes()
    negative.set_epoch(4)
    made = [np.asarray(texture) for jobs in loader for texture in negative.make(jobs)]
    assert len(texgen_processes() - before) == 1
    expected = [np.asarray(texture) for texture in negative.batch(data.images, range(6), 4)]
    assert np.array_equal(made, expected)


def test_loader_processes_and_ranks_share_the_processors(monkeypatch):
    monkeypatch.setattr(shared_pools, "available_cpus", lambda: 16)
    assert shared_pools._share() == 16
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert shared_pools._share() == 8

    class Info:
        num_workers = 3

    monkeypatch.setattr("torch.utils.data.get_worker_info", Info)
    assert shared_pools._share() == 2
    monkeypatch.setattr(shared_pools, "available_cpus", lambda: 2)
    assert shared_pools._share() == 1


def test_a_fork_while_another_thread_holds_the_pools_is_no_deadlock():
    negative = texgen.TextureNegative(16, engine="stub")
    image = np.asarray(synthetic_image(0, (20, 20)))
    here = negative(image, 0)
    with shared_pools._guard:
        pid = os.fork()
        if pid == 0:
            signal.alarm(30)
            os._exit(0 if np.array_equal(negative(image, 0), here) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def make_one(negative: texgen.TextureNegative) -> None:
    """The work of a process that ends by itself."""
    negative(np.zeros((20, 20, 3), np.uint8), 0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has subreapers")
@pytest.mark.parametrize("method", METHODS)
def test_an_engine_is_reaped_by_the_process_that_ends(method):
    """In a container whose first process reaps nothing, each epoch's engines would stay."""
    prctl = ctypes.CDLL(None).prctl
    subreaper = 36
    multiprocessing.get_context("forkserver").Process(target=int).start()
    assert prctl(subreaper, 1) == 0
    try:
        process = multiprocessing.get_context(method).Process(
            target=make_one, args=[texgen.TextureNegative(16, engine="stub")]
        )
        process.start()
        process.join(60)
        assert process.exitcode == 0
        # Its orphans would now be children of this process.
        own = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
        names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in own]
        assert "texgen-worker" not in names
    finally:
        prctl(subreaper, 0)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"size": 0}, ValueError, "size must be 1 to"),
        ({"size": 1025}, ValueError, "size must be 1 to 1024"),
        ({"size": 64.0}, TypeError, "size must be an integer"),
        ({"patch_size": 0}, ValueError, "patch_size must be at least 1"),
        ({"patch_size": "27"}, TypeError, "patch_size must be an integer"),
        ({"small_patch_size": 0}, ValueError, "small_patch_size must be at least 1"),
        ({"seed": 1.5}, TypeError, "float"),
        ({"engine": "embark-cli"}, ValueError, "one of fast, embark, not 'embark-cli'"),
        ({"engines": 0}, ValueError, "engines must be at least 1"),
    ],
)
def test_a_wrong_argument_is_refused_by_name(given, error, says):
    with pytest.raises(error, match=says):
        texgen.TextureNegative(**given)


@pytest.mark.parametrize(
    ("image", "key", "epoch", "error", "says"),
    [
        (np.zeros((4, 4), np.uint8), 0, 0, ValueError, "uint8"),
        (torch.zeros(3, 4, 4), 0, 0, TypeError, "got Tensor"),
        ("image.jpg", 0, 0, TypeError, "got str"),
        (Image.new("RGB", (0, 4)), 0, 0, ValueError, "0 x 4 px"),
        (Image.new("RGB", (4, 4)), 1.5, 0, TypeError, "float"),
        (Image.new("RGB", (4, 4)), 0, -1, ValueError, "epoch must be at least 0"),
        (Image.new("RGB", (4, 4)), 0, 0.5, TypeError, "epoch must be an integer"),
    ],
)
def test_a_wrong_image_key_or_epoch_is_refused(image, key, epoch, error, says):
    with pytest.raises(error, match=says):
        texgen.TextureNegative(16)(image, key, epoch)


def test_an_engine_that_cannot_start_is_found_before_the_first_texture(monkeypatch):
    negative = texgen.TextureNegative(16)
    negative.check_engine()
    monkeypatch.setenv("TEXGEN_WORKER", "/dev/null/no-worker")
    with pytest.raises(EngineStartError, match="cannot start /dev/null/no-worker"):
        negative.check_engine()
