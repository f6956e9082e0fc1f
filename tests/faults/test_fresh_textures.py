"""Textures made while training runs, when processes are killed and engines fail."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from torch.utils.data import DataLoader, Dataset

import texgen
from tests.conftest import make_source, synthetic_image, texgen_processes
from tests.faults.conftest import BadWorker
from tests.train.test_loop import FRESH, arguments, losses
from texgen.cli.main import run
from texgen.core.errors import EngineSampleError, WorkerCrashedError, WorkerGarbageError
from texgen.synthesis import shared_pools

pytestmark = [pytest.mark.faults, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

LOADER = """
import numpy, os, sys, texgen
from torch.utils.data import DataLoader

class Data:
    negative = texgen.TextureNegative(48)
    def __len__(self):
        return 10**9
    def __getitem__(self, index):
        return self.negative(numpy.full((40, 40, 3), index % 255, numpy.uint8), index)

if __name__ == "__main__":
    for _ in DataLoader(Data(), 2, num_workers=2, multiprocessing_context=sys.argv[1]):
        print("at work", flush=True)
"""


@pytest.fixture
def loading(tmp_path: Path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Starts a script whose two loader processes make textures, and waits for some batches."""
    script = tmp_path / "loading.py"
    script.write_text(LOADER)
    processes: list[subprocess.Popen[str]] = []

    def start(method: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        line = [sys.executable, str(script), method]
        process = subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True)
        processes.append(process)
        for _ in range(4):
            assert process.stdout.readline() == "at work\n", process.stderr.read()
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=60)


def gone(pids: set[int]) -> bool:
    """Whether engines have ended; a loader process looks for its dead parent every 5 s."""
    deadline = time.monotonic() + 60
    while texgen_processes() & pids:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("killed", ["the loop", "a loader process"])
def test_no_engine_outlives_a_killed_process(killed, method, loading):
    before = texgen_processes()
    process = loading(method)
    engines = texgen_processes() - before
    assert len(engines) == 2
    loaders = {psutil.Process(pid).ppid() for pid in engines}
    assert len(loaders) == 2
    assert process.pid not in loaders
    os.kill(process.pid if killed == "the loop" else min(loaders), signal.SIGKILL)
    process.stdout.close()
    assert gone(engines)


def test_an_engine_that_is_killed_is_replaced_and_its_texture_is_the_same():
    negative = texgen.TextureNegative(48)
    image = np.asarray(synthetic_image(0, (40, 40)))
    first = negative(image, "a")
    (pid,) = [pid for pool in shared_pools._pools.values() for pid in pool.pids()]
    os.kill(pid, signal.SIGKILL)
    assert np.array_equal(negative(image, "a"), first)
    shared_pools.close_pools()
    assert np.array_equal(negative(image, "a"), first)


@pytest.mark.parametrize(
    ("mode", "error"), [("exit", WorkerCrashedError), ("garbage", WorkerGarbageError)]
)
def test_a_texture_that_fails_every_try_names_its_image(mode, error, bad_worker, monkeypatch):
    environment(bad_worker(mode), monkeypatch)
    negative = texgen.TextureNegative(16)
    image = np.asarray(synthetic_image(0, (40, 40)))
    with pytest.raises(error, match=r"\(ant/one: "):
        negative(image, "ant/one")
    with pytest.raises(error, match=r"\(ant/two: "):
        negative.batch([image], ["ant/two"])
    assert not issubclass(error, EngineSampleError)


class Failing(Dataset):
    """Textures of an engine that fails; the loader's processes get its environment."""

    negative = texgen.TextureNegative(16)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> np.ndarray:
        return self.negative(np.zeros((40, 40, 3), np.uint8), "ant/three")


def test_an_error_of_a_loader_process_still_names_the_image(bad_worker, monkeypatch):
    environment(bad_worker("exit"), monkeypatch)
    with pytest.raises(WorkerCrashedError, match=r"engine_crashed: .* \(ant/three: exit code 3"):
        list(DataLoader(Failing(), num_workers=1))


def environment(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TEXGEN_WORKER", "BAD_WORKER"):
        monkeypatch.setenv(name, variables[name])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """20 images in two classes, 40 px."""
    root = tmp_path_factory.mktemp("images")
    make_source(root / "train", {"ant": 12, "bee": 8}, (40, 40))
    return root


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Adds in one order in both runs."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_engines_that_fail_once_a_texture_change_nothing_in_a_run(
    folder, bad_worker: BadWorker, tmp_path, monkeypatch
):
    options = [*FRESH, "--epochs", "1", "--workers", "1"]
    assert run(arguments(folder, tmp_path / "sound", *options)) == 0
    environment(bad_worker("exit,garbage,half", one_in=3, once=True), monkeypatch)
    assert run(arguments(folder, tmp_path / "failing", *options)) == 0
    assert losses(tmp_path / "failing") == losses(tmp_path / "sound")
    assert any((tmp_path / "tried").iterdir())


def test_a_texture_that_fails_every_try_ends_a_run_with_a_line_that_names_its_image(
    folder, bad_worker: BadWorker, tmp_path, monkeypatch, capsys
):
    environment(bad_worker("exit"), monkeypatch)
    assert run(arguments(folder, tmp_path / "run", *FRESH, "--workers", "1")) == 1
    said = capsys.readouterr().err
    assert said.startswith("texgen: engine_crashed: the engine process ended without an answer (")
    assert said.count("\n") == 1
    assert "ant/ant_" in said or "bee/bee_" in said
