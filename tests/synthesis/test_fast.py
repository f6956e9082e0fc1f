"""The engine `fast`, in the real worker and on real images."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

import texgen
from tests.conftest import Texgen
from texgen.core.config import DEFAULT_ENGINE
from texgen.core.errors import EngineSampleError, EngineStartError
from texgen.synthesis import EnginePool, EngineProcess, EngineSpec, Job, Texture, identify
from texgen.synthesis.engine_spec import Scratch

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

FAST = EngineSpec("fast")
KERNEL = "TEXGEN_KERNEL"

IMAGES = {
    "cat": skimage.data.chelsea(),
    "cup": skimage.data.coffee(),
    "galaxies": skimage.data.hubble_deep_field(),
    "portrait": skimage.data.astronaut(),
}


def pair(name: str, seed: int = 0, side: int = 96) -> tuple[np.ndarray, np.ndarray]:
    drawn = texgen.sample_patches(IMAGES[name], seed, patch_size=side)
    return drawn.center, drawn.random


def colours(*images: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(pixel) for image in images for pixel in image.reshape(-1, 3).tolist()}


def made(*jobs: Job) -> list[Texture]:
    with EnginePool(FAST, 1) as pool:
        return [pool.synthesize(job) for job in jobs]


def test_it_is_the_default_and_says_what_its_textures_depend_on() -> None:
    identity = identify(EngineSpec(DEFAULT_ENGINE))
    assert (identity.name, identity.version) == ("fast", "1")
    assert identity.parameters == {
        "neighbours": 50,
        "random_candidates": 50,
        "mirrored": 1,
        "backtrack_percent": 0.5,
        "backtrack_stages": 5,
    }


@pytest.mark.parametrize("name", IMAGES)
def test_every_pixel_is_a_copy_from_a_patch(name: str) -> None:
    patches = pair(name)
    texture = texgen.synthesize(patches, seed=1)
    assert texture.shape == (224, 224, 3)
    assert colours(texture) <= colours(*patches)


@pytest.mark.parametrize("kernel", ["avx2", "avx512"])
def test_every_kernel_gives_the_same_bytes(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [Job("96", pair("cat"), 224, 3, "png"), Job("30", pair("cup", 1, 30), 100, 4, "png")]
    monkeypatch.setenv(KERNEL, kernel)
    try:
        identity = identify(FAST)
    except EngineStartError as error:
        pytest.skip(str(error))
    vectors = [texture.encoded for texture in made(*jobs)]
    monkeypatch.setenv(KERNEL, "scalar")
    assert [texture.encoded for texture in made(*jobs)] == vectors
    assert identify(FAST) == identity
    monkeypatch.delenv(KERNEL)
    assert [texture.encoded for texture in made(*jobs)] == vectors


def test_an_unknown_kernel_is_one_line_that_lists_those_there_are(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, texgen: Texgen
) -> None:
    monkeypatch.setenv(KERNEL, "quick")
    patch, out = tmp_path / "patch.png", tmp_path / "out.png"
    Image.fromarray(pair("cat")[0]).save(patch)
    result = texgen("synth", patch, "--out", out)
    assert result.returncode == 2
    assert 'TEXGEN_KERNEL: no kernel "quick" on this processor; there are: scalar' in result.stderr
    assert result.stderr.count("\n") == 1


def test_a_texture_depends_on_its_seed_and_on_nothing_before_it() -> None:
    jobs = [Job(str(seed), pair("cat"), 64, seed, "png") for seed in (*range(16), 2**64 - 1)]
    forth = [texture.encoded for texture in made(*jobs)]
    back = [texture.encoded for texture in made(*reversed(jobs))]
    assert forth == back[::-1]
    assert len(set(forth)) == len(jobs)


SHAPES = [*((side, side) for side in range(1, 18)), (300, 300), (1, 17), (300, 5), (9, 700)]


@pytest.mark.parametrize("shape", SHAPES)
def test_patches_of_any_sides_make_textures_of_their_pixels(shape: tuple[int, int]) -> None:
    height, width = shape
    cut = [IMAGES[name][:height, :width] for name in ("galaxies", "cup")]
    (texture,) = made(Job("any", tuple(cut), 48, 5, wants_raw=True))
    assert colours(texture.pixels) <= colours(*cut)


@pytest.mark.parametrize("size", [1, 16, 17, 225, 500])
def test_textures_of_any_size_are_made_of_the_patches_pixels(size: int) -> None:
    patches = pair("galaxies", 2)
    (texture,) = made(Job("any", patches, size, 6, wants_raw=True))
    assert texture.pixels.shape == (size, size, 3)
    assert colours(texture.pixels) <= colours(*patches)


def test_only_the_first_textures_wait_for_schedules() -> None:
    textures = made(*(Job(str(seed), pair("cat"), 128, seed, "png") for seed in range(20)))
    waited = [texture.schedule_s > 0 for texture in textures]
    # Two schedules; plans and benches know by the 0 of the others what a texture takes.
    assert sum(waited) == 2
    assert waited[0]
    assert all(min(t.load_s, t.synthesis_s, t.encoding_s) > 0 for t in textures)


def test_what_it_rejects_is_an_error_of_that_texture_only() -> None:
    process = EngineProcess(FAST, Scratch())
    with pytest.raises(EngineSampleError, match=r"engine_rejected.*1 to 1024"):
        process.ask(Job("large", pair("cat"), 1025, 0, "png"), 60)
    assert process.ask(Job("fine", pair("cat"), 16, 0, "png"), 60).encoded
    process.kill()


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_worker_takes_80_mb_at_most() -> None:
    process = EngineProcess(FAST, Scratch())
    for seed in range(20):
        process.ask(Job(str(seed), pair("portrait", seed), 224, seed, "png"), 60)
    status = Path(f"/proc/{process.pid}/status").read_text()
    process.kill()
    (peak,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    assert int(peak) * 1024 <= 80e6


def test_the_pixels_of_a_texture_are_pinned() -> None:
    # Another sum here means that data sets get other pixels: a BREAKING change, which needs
    # another `ALGORITHM_VERSION`.
    ramp = np.arange(96 * 96 * 3, dtype=np.uint32)
    first = ((ramp * 2654435761 >> 24) ^ (ramp >> 4)).astype(np.uint8).reshape(96, 96, 3)
    second = (ramp // 3 % 96 + ramp // 288).astype(np.uint8).reshape(96, 96, 3)
    (texture,) = made(Job("one", (first, second), 224, 5, wants_raw=True))
    assert hashlib.sha256(texture.pixels.tobytes()).hexdigest() == (
        "4365cb799a075a6c64b85e9edadd35fc63c3b814f7cc36d0e864e0dcc29cabd6"
    )
