"""The engine on a GPU of this machine, which Mesa's software one plays, and what asks for one."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import shutil
from pathlib import Path

import numpy as np
import pytest

import texgen as package
from tests.conftest import Texgen, make_source, synthetic_image, texgen_processes
from texgen.core.cpus import available_cpus
from texgen.core.errors import EngineStartError
from texgen.core.text import pluralize
from texgen.synthesis import EngineSpec
from texgen.synthesis.devices import ChosenDevice, FoundGpus, engine_on, find_gpus, try_gpus
from texgen.synthesis.engine_spec import worker_path
from texgen.synthesis.shared_pools import close_pools

pytestmark = [pytest.mark.whole, pytest.mark.usefixtures("no_orphans")]

DRIVERS = ("/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/share/vulkan/icd.d")

SMALL = ("--size", 32, "--patch-size", 24, "--small-patch-size", 16)


@pytest.fixture
def allowed(gpu: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the software GPU, which processes of the test may use."""
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    return gpu


@pytest.fixture
def none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without Vulkan."""
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, "/nonexistent.json")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", {"ant": 3, "bee": 3})
    return root


def test_a_gpu_that_is_there_is_used_and_named(allowed):
    chosen = engine_on(EngineSpec("fast"), "auto")
    assert chosen == ChosenDevice(
        EngineSpec("fast", device="gpu"), allowed, f"textures are made on {allowed}"
    )
    assert engine_on(EngineSpec("fast"), "cpu") == ChosenDevice(EngineSpec("fast"))


def test_the_number_of_the_gpu_comes_from_the_environment(allowed, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "7")
    found = find_gpus(EngineSpec("fast"))
    assert found.names == ()
    assert found.reason
    monkeypatch.setenv("TEXGEN_GPU", "0")
    assert find_gpus(EngineSpec("fast")) == FoundGpus((allowed,))


@pytest.fixture
def two(allowed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the software GPU, which the machine has twice."""
    if "llvmpipe" not in allowed:
        pytest.skip("this machine has another GPU")
    drivers = [path for folder in DRIVERS for path in Path(folder).glob("lvp_icd*.json")]
    if not drivers:
        pytest.skip(f"no driver lvp_icd*.json in {', '.join(DRIVERS)}")
    copies = [shutil.copy(drivers[0], tmp_path / f"{number}.json") for number in range(2)]
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, ":".join(map(str, copies)))
    return allowed


def test_a_gpu_behind_one_that_cannot_be_used_is_tried_too(two, tmp_path, monkeypatch):
    worker = tmp_path / "worker"
    failing = "texgen-worker: card: the GPU fails its self-test: 9 textures differ"
    worker.write_text(
        f'#!/bin/sh\ncase "$*" in *"--gpu 0") echo "{failing}" >&2; exit 1;; esac\n'
        f'exec {worker_path()} "$@"\n'
    )
    worker.chmod(0o755)
    monkeypatch.setenv("TEXGEN_WORKER", str(worker))
    bad, good = try_gpus(EngineSpec("fast"), 60.0)
    assert (bad.number, bad.name) == (0, None)
    assert bad.reason == failing.partition(": ")[2]
    assert (good.number, good.name, good.reason) == (1, two, "")
    assert good.start_s > 0


def test_without_a_gpu_none_is_tried(none):
    (only,) = try_gpus(EngineSpec("fast"), 60.0)
    assert (only.number, only.name) == (None, None)
    assert only.reason.startswith("no GPU")


def test_without_a_gpu_auto_takes_the_processor_and_says_why(none):
    chosen = engine_on(EngineSpec("fast"), "auto")
    assert (chosen.engine, chosen.gpu) == (EngineSpec("fast"), None)
    assert chosen.note.startswith("the processor makes the textures: no GPU")
    with pytest.raises(EngineStartError, match=r"^device gpu: no GPU.*; use cpu or auto$"):
        engine_on(EngineSpec("fast"), "gpu")


def test_an_engine_of_processors_is_left_there():
    assert "runs on processors alone" in engine_on(EngineSpec("embark"), "auto").note
    with pytest.raises(EngineStartError, match="the engine embark runs on processors alone"):
        engine_on(EngineSpec("embark"), "gpu")


def textures(device: str) -> np.ndarray:
    negative = package.TextureNegative(32, seed=3, device=device)
    images = np.stack([np.asarray(synthetic_image(seed, (60, 50))) for seed in range(5)])
    made = np.stack([*negative.batch(images, range(5), 2), negative(images[0], 9)])
    close_pools()
    return made


def test_fresh_textures_of_a_gpu_are_those_of_the_processor(allowed):
    assert np.array_equal(textures("gpu"), textures("cpu"))
    assert texgen_processes() == set()


@pytest.mark.parametrize("method", ["fork", pytest.param("spawn", marks=pytest.mark.slow)])
def test_other_processes_make_fresh_textures_on_a_gpu(allowed, method):
    expected = textures("cpu")
    with multiprocessing.get_context(method).Pool(1) as pool:
        assert np.array_equal(pool.apply(textures, ("auto",)), expected)


def test_fresh_textures_without_a_gpu(none, caplog):
    assert textures("auto").shape == (6, 32, 32, 3)
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == 1
    assert said[0].startswith("the processor makes the textures: no GPU")
    negative = package.TextureNegative(32, device="gpu")
    with pytest.raises(EngineStartError, match=r"^device gpu: no GPU"):
        negative.check_engine()


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"device": "cuda"}, "device must be one of cpu, gpu, auto, not 'cuda'"),
        ({"device": "gpu", "engine": "embark"}, "device 'gpu' goes with engine 'fast'"),
    ],
)
def test_a_device_that_there_is_not_is_refused_by_name(given, says):
    with pytest.raises(ValueError, match=says):
        package.TextureNegative(32, **given)


def test_verify_rebuilds_textures_on_a_gpu(texgen: Texgen, allowed, images, tmp_path):
    out = tmp_path / "out"
    assert texgen("build", "--src", images, "--out", out, *SMALL, "--no-ray").returncode == 0
    line = ("verify", out, "--deep", "--src", images, "--json", "--device", "gpu")
    done = texgen(*line)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["remade"], report["faults"]) == (6, [])
    assert f"textures are made on {allowed}" in report["notes"]
    refused = texgen(*line, env={**os.environ, "TEXGEN_SOFTWARE_GPU": ""})
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].startswith("texgen: device gpu: no GPU")


def test_bench_compares_a_gpu_with_all_processors(texgen: Texgen, allowed, images):
    line = ("bench", "--src", images, "--size", 32, "--limit", 3, "--repeat", 2, "--device", "gpu")
    done = texgen(*line)
    assert done.returncode == 0, done.stderr
    head, *rows = done.stdout.splitlines()
    assert head.startswith("textures/s (32 px, png), 3 at once")
    rates = dict(row.rsplit(": ", 1) for row in rows)
    assert list(rates) == [allowed, pluralize(available_cpus(), "processor")]
    assert min(float(rate.split()[0]) for rate in rates.values()) > 0
    refused = texgen(*line, "--build")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)


def test_doctor_says_that_no_gpu_can_be_used(texgen: Texgen, gpu):
    if "llvmpipe" not in gpu:
        pytest.skip("this machine has another GPU")
    done = texgen("doctor", "--json", env={**os.environ, "TEXGEN_SOFTWARE_GPU": ""})
    found = json.loads(done.stdout)["facts"]["engine"]
    assert found["GPU"].startswith("none for --device gpu: no GPU, only llvmpipe")


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ("", None),
        ("1", "takes number 1, as TEXGEN_GPU or LOCAL_RANK says"),
        ("2", "takes number 2, as TEXGEN_GPU or LOCAL_RANK says, which cannot be used"),
    ],
)
def test_doctor_lists_every_gpu_with_its_number(texgen: Texgen, two, chosen, says):
    form = [] if chosen else ["--json"]
    done = texgen("doctor", *form, env={**os.environ, "TEXGEN_GPU": chosen})
    if not chosen:
        facts = json.loads(done.stdout)["facts"]["engine"]
    else:
        lines = (re.split(" {2,}", line.strip(), maxsplit=1) for line in done.stdout.splitlines())
        facts = {line[0]: line[1] for line in lines if len(line) == 2}
    for number in range(2):
        assert facts[f"GPU {number}"].startswith(f"{two}, passes its self-test (start: ")
    assert "GPU 2" not in facts
    assert facts.get("--device gpu") == says
