"""Builds on a GPU: Mesa's software one, which every machine can have, gives the CPU's bytes."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.conftest import Texgen, built, command, make_source, tree
from texgen.synthesis import EnginePool, EngineSpec, Job
from texgen.synthesis.process import running_engine

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

OPTIONS = ("--size", 32, "--patch-size", 24, "--small-patch-size", 16,
           "--samples-per-shard", 6, "--no-ray")  # fmt: skip


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", {"ant": 12, "bee": 12})
    (root / "train" / "bee" / "broken.JPEG").write_bytes(b"no image")
    return root


@pytest.fixture(scope="module")
def expected(images: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Files of a build on the CPU."""
    return built(images, tmp_path_factory.mktemp("cpu") / "out", *OPTIONS, "--max-failures", 1)


def environment(**variables: str) -> dict[str, str]:
    return {**os.environ, "TEXGEN_SOFTWARE_GPU": "1", **variables}


def build(texgen: Texgen, images: Path, out: Path, *options: object, **variables: str) -> str:
    done = texgen(
        "build", "--src", images, "--out", out, *OPTIONS, "--max-failures", 1, *options,
        env=environment(**variables),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stderr + next(out.glob("_build/logs/*")).read_text()


@pytest.mark.parametrize("device", ["gpu", "auto"])
def test_a_gpu_makes_the_bytes_of_a_processor(texgen, gpu, images, expected, tmp_path, device):
    said = build(texgen, images, tmp_path / "out", "--device", device)
    assert tree(tmp_path / "out") == expected
    assert f"textures are made on {gpu}" in said


@pytest.mark.parametrize(
    ("after", "reason"),
    [
        ("1", "the GPU was lost"),
        ("1 panic", "the GPU was lost"),
        ("1 hang", "the GPU did not answer in time"),
    ],
    ids=["gone", "panic", "hang"],
)
def test_a_gpu_that_is_lost_in_the_middle_changes_no_byte(
    texgen, gpu, images, expected, tmp_path, after, reason
):
    said = build(texgen, images, tmp_path / "out", "--device", "gpu", TEXGEN_LOSE_GPU_AFTER=after)
    assert tree(tmp_path / "out") == expected
    assert said.count(reason) == 1
    assert "the CPU makes the textures from here on" in said


def test_an_engine_whose_gpu_hangs_answers_everything_and_ends_with_its_input(gpu, monkeypatch):
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    monkeypatch.setenv("TEXGEN_LOSE_GPU_AFTER", "0 hang")
    patch = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    job = Job("a job", (patch,), 48, 3, wants_raw=True)
    with running_engine(EngineSpec("fast")) as engine:
        expected = engine.ask(job, 60).pixels
    with running_engine(EngineSpec("fast", device="gpu")) as engine:
        for _ in range(3):
            assert np.array_equal(engine.ask(job, 60).pixels, expected)
        engine._process.stdin.close()
        assert engine._process.wait(60) == 0


def test_an_engine_killed_in_the_middle_changes_no_byte(gpu, images, expected, tmp_path):
    out = tmp_path / "out"
    line = command(
        "build", "--src", images, "--out", out, *OPTIONS, "--max-failures", 1, "--device", "gpu"
    )
    process = subprocess.Popen(line, stderr=subprocess.PIPE, text=True, env=environment())
    while process.poll() is None and not list(out.glob("_build/records/*")):
        time.sleep(0.02)
    (engine,) = [
        child
        for child in psutil.Process(process.pid).children(recursive=True)
        if child.name() == "texgen-worker"
    ]
    engine.send_signal(signal.SIGKILL)
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert tree(out) == expected


def test_what_is_too_large_for_a_gpu_is_made_by_the_processor_and_said_once(
    gpu, monkeypatch, caplog
):
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    wide = np.random.default_rng(0).integers(0, 256, (8, 4100, 3), dtype=np.uint8)
    jobs = [Job(str(seed), (wide,), 24, seed, wants_raw=True) for seed in range(3)]
    made = {}
    for device in ("gpu", "cpu"):
        with EnginePool(EngineSpec("fast", device=device), 1) as pool:
            made[device] = [texture.pixels for _, texture in pool.map((job, job) for job in jobs)]
    assert np.array_equal(made["gpu"], made["cpu"])
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert "too large for the GPU: an example with a side of 4100 px; the CPU makes" in said[0]


def test_a_software_gpu_is_not_used_unless_it_is_asked_for(texgen, gpu, images, expected, tmp_path):
    if "llvmpipe" not in gpu:
        pytest.skip("this machine has another GPU")
    out = tmp_path / "out"
    line = ("build", "--src", images, "--out", out, *OPTIONS, "--max-failures", 1)
    without = {**os.environ, "TEXGEN_SOFTWARE_GPU": ""}
    refused = texgen(*line, "--device", "gpu", env=without)
    assert refused.returncode == 2
    assert refused.stderr.startswith("texgen: --device gpu: no GPU, only llvmpipe")
    assert refused.stderr.endswith("use --device cpu\n")
    assert len(refused.stderr.splitlines()) == 1
    done = texgen(*line, "--device", "auto", env=without)
    assert done.returncode == 0, done.stderr
    assert "the processor makes the textures: no GPU, only llvmpipe" in done.stderr
    assert tree(out) == expected


def test_fewer_gpus_than_asked_for_are_refused_or_used(texgen, gpu, images, expected, tmp_path):
    if "llvmpipe" not in gpu:
        pytest.skip("this machine has another GPU")
    out = tmp_path / "out"
    line = ("build", "--src", images, "--out", out, *OPTIONS, "--gpus", 2)
    refused = texgen(*line, "--device", "gpu", env=environment())
    assert (refused.returncode, out.exists()) == (2, False)
    assert refused.stderr.startswith("texgen: --gpus 2: there is one GPU, number 0")
    assert refused.stderr.endswith("; use --gpus 1\n")
    said = build(texgen, images, out, "--device", "auto", "--gpus", 2, "--workers", 3)
    assert "of 2 GPUs 1 can be used: " in said
    assert "--workers counts engines on processors" in said
    assert tree(out) == expected


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--engine", "embark"), "--device gpu goes with --engine fast, not with embark"),
        (("--ray-address", "auto", "--gpus", "2"), "leave out --gpus or --ray-address"),
        (("--device", "cpu", "--gpus", "2"), "--gpus 2 goes with --device gpu or auto"),
    ],
)
def test_what_a_gpu_does_not_go_with_is_refused(texgen, images, tmp_path, options, message):
    given = options if "--device" in options else ("--device", "gpu", *options)
    line = ("build", "--src", images, "--out", tmp_path / "out", *given)
    refused = texgen(*line)
    assert (refused.returncode, message in refused.stderr) == (2, True), refused.stderr
    assert not (tmp_path / "out").exists()
