"""Real engines: the worker's against upstream's own program."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

import texgen
from tests.conftest import synthetic_image
from texgen.core.errors import EngineSampleError, EngineStartError, WorkerTimeoutError
from texgen.synthesis import EnginePool, EngineProcess, EngineSpec, Job, identify
from texgen.synthesis.engine_spec import UPSTREAM, Scratch, worker_path

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

FAST = EngineSpec("fast")
EMBARK = EngineSpec("embark")
STUB = EngineSpec("stub")

needs_upstream = pytest.mark.skipif(
    shutil.which(UPSTREAM) is None, reason="upstream's texture-synthesis is not on PATH"
)


def patches(seed: int, side: int = 48) -> tuple[np.ndarray, np.ndarray]:
    drawn = texgen.sample_patches(np.asarray(synthetic_image(seed)), seed, patch_size=side)
    return drawn.center, drawn.random


def colours(image: np.ndarray) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}


@needs_upstream
@pytest.mark.parametrize("seed", [0, 2**53 - 1])
def test_embark_gives_the_pixels_of_upstreams_program_on_one_thread(
    seed: int, tmp_path: Path
) -> None:
    pair = patches(3, 64)
    for name, patch in zip("ab", pair, strict=True):
        Image.fromarray(patch).save(tmp_path / f"{name}.png")
    out = tmp_path / "out.png"
    arguments = [UPSTREAM, "--threads", "1", "--seed", str(seed), "--out-size", "96"]
    arguments += ["--out", str(out), "generate", str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    subprocess.run(arguments, check=True, capture_output=True)
    expected = np.asarray(Image.open(out).convert("RGB"))
    assert np.array_equal(texgen.synthesize(pair, 96, seed, engine="embark"), expected)


@pytest.mark.parametrize("engine", ["embark", pytest.param("embark-cli", marks=needs_upstream)])
def test_every_pixel_is_a_copy_from_a_patch(engine: str) -> None:
    pair = patches(5)
    texture = texgen.synthesize(pair, 64, 1, engine=engine)
    assert texture.shape == (64, 64, 3)
    assert colours(texture) <= colours(pair[0]) | colours(pair[1])


@pytest.mark.parametrize("shape", [(1, 1), (3, 40), (16, 15), (8, 12)])
def test_patches_below_the_engines_smallest_side_are_mirrored_out(shape: tuple[int, int]) -> None:
    patch = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    texture = texgen.synthesize([patch], 32, engine="embark")
    assert colours(texture) <= colours(patch)


@needs_upstream
def test_upstreams_program_is_called_as_the_authors_called_it(tmp_path: Path) -> None:
    script = tmp_path / "texture-synthesis"
    script.write_text(
        f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\nexec {shutil.which(UPSTREAM)} "$@"\n'
    )
    script.chmod(0o755)
    with EnginePool(EngineSpec("embark-cli", str(script)), 1) as pool:
        pool.synthesize(Job("one", patches(1), 48, 9, "png"))
    call = (tmp_path / "calls").read_text().splitlines()[-1].split()
    assert call[:3] == ["--out-size", "48", "--out"]
    assert call[4] == "generate"
    assert [Path(p).suffix for p in call[5:]] == [".png", ".png"]


@needs_upstream
def test_a_hanging_upstream_program_dies_with_its_worker(tmp_path: Path) -> None:
    script = tmp_path / "texture-synthesis"
    real = shutil.which(UPSTREAM)
    script.write_text(
        f'#!/bin/sh\n[ "$1" = --version ] && exec {real} --version\n'
        f"echo $$ > {tmp_path}/pid\nexec sleep 3600\n"
    )
    script.chmod(0o755)
    with EnginePool(EngineSpec("embark-cli", str(script)), 1, timeout_s=1, retries=0) as pool:
        with pytest.raises(WorkerTimeoutError):
            pool.synthesize(Job("one", patches(1), 48, 9, "png"))
        hung = int((tmp_path / "pid").read_text())
        deadline = time.monotonic() + 10
        while psutil.pid_exists(hung) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert not psutil.pid_exists(hung)


def test_a_missing_upstream_program_is_named_with_the_way_to_get_it() -> None:
    with pytest.raises(EngineStartError, match="cargo install texture-synthesis-cli"):
        identify(EngineSpec("embark-cli", "/dev/null/missing/texture-synthesis"))


def test_another_program_under_upstreams_name_is_refused() -> None:
    with pytest.raises(EngineStartError, match="not upstream's program"):
        identify(EngineSpec("embark-cli", shutil.which("true")))


def test_an_engine_says_what_it_is() -> None:
    identity = identify(EMBARK)
    assert (identity.name, identity.version) == ("embark", "0.8.2")
    assert identity.parameters == {
        "k_neighs": 50,
        "m_rand": 50,
        "cauchy": 1.0,
        "backtrack_percent": 0.5,
        "backtrack_stages": 5,
    }
    assert set(identity.encoders) == {"png", "webp", "jpg"}


def test_engine_processes_are_named_texgen_worker_and_end_with_their_input() -> None:
    process = EngineProcess(STUB, Scratch())
    shown = psutil.Process(process.pid)
    assert shown.name() == "texgen-worker"
    process._process.stdin.close()
    assert shown.wait(10) == 0


def test_a_worker_ignores_ctrl_c() -> None:
    process = EngineProcess(STUB, Scratch())
    os.kill(process.pid, signal.SIGINT)
    assert process.ask(Job("one", patches(1), 32, 0, "png"), 10).encoded
    process.kill()


@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGSTOP])
def test_a_killed_or_frozen_real_worker_is_replaced_and_its_sample_made(
    kind: signal.Signals,
) -> None:
    job = Job("one", patches(2, 96), 224, 7, "png")
    with EnginePool(FAST, 1, timeout_s=120) as pool:
        started = time.monotonic()
        expected = pool.synthesize(job).encoded
        took_s = time.monotonic() - started
    # Where others use the processors too, a fixed time would end sound engines.
    with EnginePool(FAST, 1, timeout_s=max(4.0, 4 * took_s)) as pool:
        pool.synthesize(Job("warm", patches(1), 16, 0, "png"))
        (first,) = pool.pids()
        answer = pool._submit(job)
        while not pool.busy_with():
            time.sleep(0.001)
        os.kill(first, kind)
        assert answer.result().encoded == expected
        assert pool.pids() != [first]


def test_the_pool_takes_no_more_items_than_its_window_ahead_of_the_engines() -> None:
    taken = 0

    def items():
        nonlocal taken
        for index in range(1000):
            taken += 1
            yield index, Job(str(index), patches(0), 32, index, "png")

    with EnginePool(STUB, 1, timeout_s=1) as pool:
        pool.synthesize(Job("warm", patches(0), 32, 0, "png"))
        os.kill(pool.pids()[0], signal.SIGSTOP)
        results = pool.map(items())
        assert next(results)[0] == 0
        assert taken <= 65
        assert [item for item, _ in results] == list(range(1, 1000))


def test_results_come_in_order_whatever_engine_was_first() -> None:
    # Sizes differ so much that a later, small texture is done before an earlier, large one.
    sizes = [64, 16, 16, 48, 16, 16]
    jobs = [(size, Job(str(size), patches(1), size, 0, "png")) for size in sizes]
    with EnginePool(EMBARK, 2) as pool:
        assert [size for size, _ in pool.map(jobs)] == sizes


def test_what_the_engine_rejects_is_an_error_of_that_sample_only() -> None:
    small = np.zeros((4, 4, 3), np.uint8)
    with EnginePool(EMBARK, 1) as pool:
        with pytest.raises(EngineSampleError, match="engine_rejected"):
            pool.synthesize(Job("small", (small,), 32, 0, "png"))
        before = pool.pids()
        assert pool.synthesize(Job("fine", patches(1), 16, 0, "png")).encoded
        assert pool.pids() == before


def test_a_forked_process_gets_engines_of_its_own() -> None:
    pair = patches(1)
    here = texgen.synthesize(pair, 32, engine="stub")
    pid = os.fork()
    if pid == 0:
        same = np.array_equal(texgen.synthesize(pair, 32, engine="stub"), here)
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


def test_the_worker_explains_wrong_arguments() -> None:
    result = subprocess.run(
        [worker_path(), "--engine", "nonsense"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 2
    assert "unknown engine" in result.stderr


@pytest.mark.parametrize(
    ("image_format", "sha256"),
    [
        ("png", "6cd998efff56a20b6b99a8bc184772141df4e1a273c66b41548c8eac787ed8f6"),
        ("webp", "f95448246f6cb6b2548296a304a50aae68a4d3042ee2b1193744566d9ab82071"),
        ("jpg", "40b54080193e9bdf252f87fa2b222cefdbee3e5a12f8bc3dc05843242d8def51"),
    ],
)
def test_the_bytes_of_every_format_are_pinned(image_format: str, sha256: str) -> None:
    # Another sum here means that data sets get other bytes: a BREAKING change, whose encoder
    # needs another name in `ENCODERS` of the worker.
    ramp = np.arange(64 * 64 * 3, dtype=np.uint32)
    patch = ((ramp * 2654435761 >> 24) ^ (ramp >> 4)).astype(np.uint8).reshape(64, 64, 3)
    with EnginePool(STUB, 1) as pool:
        texture = pool.synthesize(Job("one", (patch,), 96, 5, image_format, 95))
    assert hashlib.sha256(texture.encoded).hexdigest() == sha256
