"""Training on a machine with too short paths, or too little shared memory, files or ranks."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import command
from tests.train.test_loop import arguments
from texgen.core import temporary
from texgen.core.errors import ConfigError
from texgen.train import loader
from texgen.train.checkpoint import save_checkpoint
from texgen.train.loader import LoaderSpec
from texgen.train.loader_errors import LoaderError, loader_error, loader_failures
from texgen.train.metrics import read_metrics
from texgen.train.rank_environment import local_cuda_device, ranks_from_environment

MEETING = {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1"}


def started(line: list[str], **environment: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(*line),
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@pytest.mark.integration
def test_loader_processes_work_where_the_temporary_folder_has_a_long_path(image_folder, tmp_path):
    """Slurm jobs have such a folder: the path of a socket in it would exceed 107 bytes."""
    long = tmp_path / ("d" * 100) / ("e" * 60)
    long.mkdir(parents=True)
    line = arguments(image_folder, tmp_path / "run", "--max-steps", "1", "--workers", "1")
    process = started(line, TMPDIR=str(long))
    try:
        _, said = process.communicate(timeout=100)
    finally:
        process.kill()
    assert (process.returncode, said) == (0, "")


def test_a_long_temporary_folder_without_another_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(loader.tempfile, "tempdir", str(tmp_path / ("d" * 100)))
    monkeypatch.setattr(temporary, "short_folder_candidates", lambda: [str(tmp_path / "none")])
    with pytest.raises(ConfigError, match=r"^TMPDIR=.*d has a path of .* use --workers 0$"):
        loader.socket_folder()


@pytest.mark.parametrize(("megabytes", "ahead"), [(1000, 2), (120, 1)])
def test_processes_make_as_much_ahead_as_shared_memory_holds(megabytes, ahead, monkeypatch):
    monkeypatch.setattr(loader, "free_shared_memory", lambda: megabytes * 10**6)
    # A batch has 28.9 MB.
    spec = LoaderSpec(workers=2, batch=16, pixels=3 * 3 * 224**2)
    assert spec.ahead() == ahead


def test_too_little_shared_memory_is_reported_before_a_run_begins(
    image_folder, tmp_path, capsys, monkeypatch
):
    """Docker gives 64 MB of shared memory."""
    from texgen.cli.main import run

    monkeypatch.setattr(loader, "free_shared_memory", lambda: 100_000)
    line = arguments(image_folder, tmp_path / "run", "--workers", "2")
    assert run(line) == 2
    error = capsys.readouterr().err
    assert error.startswith("texgen: /dev/shm is too small: 2 loader processes need ")
    assert "100.0 kB are free; enlarge it (docker run --shm-size=2g;" in error
    assert not (tmp_path / "run").exists()
    assert run([*line, "--workers", "0", "--max-steps", "1"]) == 0


@pytest.mark.integration
@pytest.mark.skipif(
    shutil.which("unshare") is None or os.geteuid() != 0, reason="mounting needs root and unshare"
)
@pytest.mark.faults
def test_shared_memory_that_others_fill_in_the_middle_ends_the_run_with_a_line(
    image_folder, tmp_path
):
    out = tmp_path / "run"
    train = command(*arguments(image_folder, out, "--workers", "1", "--epochs", "100000"))
    script = 'mount -t tmpfs -o size=2m tmpfs /dev/shm && (while ! [ -s "$0" ]; do sleep 0.2; done; while sleep 0.05; do head -c 2000000 /dev/zero >>/dev/shm/filled; done) 2>/dev/null & filler=$!; sleep 0.5; "$@"; code=$?; kill $filler; exit $code'  # noqa: E501
    metrics = str(out / "metrics.csv")
    process = subprocess.run(
        ["unshare", "-m", "--propagation", "private", "sh", "-c", script, metrics, *train],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 1, process.stderr
    assert "texgen: a batch found no room in /dev/shm (" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.integration
@pytest.mark.faults
def test_a_loader_process_that_the_system_kills_is_told(image_folder, tmp_path):
    out = tmp_path / "run"
    process = started(arguments(image_folder, out, "--workers", "1", "--epochs", "100000"))
    try:
        while len(read_metrics(out)) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.1)
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        os.kill(int(children[0]), signal.SIGKILL)
        _, said = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 1
    # On a busy machine torch does not learn of the signal.
    unknown = "a loader process ended without a reason, as it does if the system kills it"
    hint = "give the job or container more memory, or lower --workers or --batch-size"
    assert said in {
        f"texgen: {what} (signal 9) because memory ran out: {hint}\n"
        for what in ("the system killed a loader process", unknown)
    }


def test_a_loader_process_that_dies_while_a_checkpoint_is_saved_is_no_full_disk(
    tmp_path, monkeypatch
):
    def save(state: object, file: object) -> None:
        raise RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed.")

    monkeypatch.setattr("texgen.train.checkpoint.torch.save", save)
    before = signal.signal(signal.SIGCHLD, lambda *about: None)
    try:
        with (
            pytest.raises(LoaderError, match="killed a loader process"),
            loader_failures(),
        ):
            save_checkpoint(tmp_path, 5, {}, 2)
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert not any((tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError("can't start new thread"), "ulimit -u"),
        (BlockingIOError(11, "Resource temporarily unavailable"), "ulimit -u"),
        (RuntimeError("received 0 items of ancdata"), "ulimit -n"),
        (
            RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"),
            "memory of the GPU is used up",
        ),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Killed."), "(signal 9)"),
        (MemoryError(), "memory is used up"),
        (
            ConnectionResetError(104, "Connection reset by peer"),
            "the system killed a loader process",
        ),
        (RuntimeError("DataLoader worker (pid 7) is killed by signal: Bus error."), "--shm-size"),
        (RuntimeError("DataLoader worker (pid(s) 7) exited unexpectedly"), "(signal 9)"),
    ],
)
def test_limits_that_torch_reports_as_texts_are_named(error, said):
    assert said in str(loader_error(error))


def test_other_errors_stay_as_they_are():
    assert loader_error(RuntimeError("shapes do not match")) is None
    assert loader_error(FileNotFoundError(2, "No such file")) is None


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"RANK": "0"}, "RANK=0 is set and WORLD_SIZE is not"),
        (MEETING | {"MASTER_ADDR": ""}, "RANK=0 is set and MASTER_ADDR is not"),
        (MEETING, "RANK=0 is set and MASTER_PORT is not"),
        (MEETING | {"MASTER_PORT": "abc"}, "MASTER_PORT=abc: expected a whole number, 1 to 65535"),
        (MEETING | {"MASTER_PORT": "99999"}, "MASTER_PORT=99999: expected a whole number"),
        (MEETING | {"MASTER_PORT": "1", "RANK": "x"}, "RANK=x: expected a whole number, 0 or more"),
        (MEETING | {"MASTER_PORT": "1", "RANK": "2"}, "RANK=2: WORLD_SIZE=2 has ranks 0 to 1"),
        ({"WORLD_SIZE": "4"}, "WORLD_SIZE=4 is set and RANK is not"),
    ],
)
def test_invalid_variables_of_ranks_are_named(
    environment, said, image_folder, tmp_path, capsys, monkeypatch
):
    from texgen.cli.main import run

    for name in ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"texgen: {said}")
    assert error.count("\n") == 1


def test_a_process_alone_has_no_ranks():
    assert ranks_from_environment({}) is None
    assert ranks_from_environment({"WORLD_SIZE": "1"}) is None


def test_a_rank_beyond_the_devices_is_told():
    assert local_cuda_device({"RANK": "0", "LOCAL_RANK": "1"}, 2) == 1
    with pytest.raises(ConfigError, match="LOCAL_RANK=2: torch finds 2 CUDA devices here"):
        local_cuda_device({"RANK": "2", "LOCAL_RANK": "2"}, 2)


def test_a_port_that_is_taken_is_told(image_folder, tmp_path, capsys, monkeypatch):
    from texgen.cli.main import run

    with socket.create_server(("", 0)) as server:
        port = str(server.getsockname()[1])
        for name, value in {**MEETING, "MASTER_PORT": port}.items():
            monkeypatch.setenv(name, value)
        assert run(arguments(image_folder, tmp_path / "run")) == 2
    assert f"MASTER_PORT={port}: rank 0 cannot listen there (Address already" in (
        capsys.readouterr().err
    )


@pytest.mark.integration
@pytest.mark.parametrize(
    ("host", "number", "code"),
    [("127.0.0.1", signal.SIGINT, 130), ("nohost.invalid", signal.SIGTERM, 143)],
)
def test_a_rank_that_waits_says_for_whom_and_can_be_stopped(
    host, number, code, image_folder, tmp_path
):
    port = str(free_port())
    rank = "0" if host == "127.0.0.1" else "1"
    variables = {**MEETING, "RANK": rank, "MASTER_ADDR": host, "MASTER_PORT": port}
    process = started(arguments(image_folder, tmp_path / "run"), **variables)
    try:
        line = process.stderr.readline()
        process.send_signal(number)
        _, rest = process.communicate(timeout=30)
    finally:
        process.kill()
    whom = "1 of 2 ranks" if rank == "0" else "rank 0 of 2"
    assert line.startswith(f"texgen: rank {rank}: waiting for {whom} at {host}:{port} (")
    assert "--rank-timeout" in line
    assert (process.returncode, rest) == (code, "texgen: stopped\n")


def test_a_rank_that_does_not_come_ends_the_wait(image_folder, tmp_path, capsys, monkeypatch):
    from texgen.cli.main import run

    for name, value in {**MEETING, "MASTER_PORT": str(free_port())}.items():
        monkeypatch.setenv(name, value)
    assert run(arguments(image_folder, tmp_path / "run", "--rank-timeout", "0.5")) == 1
    assert "gave up waiting for 1 of 2 ranks at 127.0.0.1:" in capsys.readouterr().err
    assert not torch.distributed.is_initialized()


@pytest.mark.integration
@pytest.mark.faults
@pytest.mark.slow
def test_a_rank_that_is_killed_or_hangs_is_told_by_the_other(image_folder, tmp_path):
    out = tmp_path / "run"
    line = arguments(image_folder, out, "--epochs", "100000")
    for lost in (signal.SIGKILL, signal.SIGSTOP):
        variables = {**MEETING, "MASTER_PORT": str(free_port())}
        ranks = [started(line, **{**variables, "RANK": rank}) for rank in ("0", "1")]
        before = len(read_metrics(out))
        try:
            while len(read_metrics(out)) < before + 2:
                assert ranks[0].poll() is None, ranks[0].communicate()
                time.sleep(0.1)
            ranks[1].send_signal(lost)
            if lost == signal.SIGSTOP:
                # A second signal ends a wait that Python's signal handlers do not interrupt.
                for pause in (3, 0):
                    ranks[0].send_signal(signal.SIGINT)
                    time.sleep(pause)
            _, said = ranks[0].communicate(timeout=60)
        finally:
            for rank in ranks:
                rank.kill()
                rank.communicate()
        if lost == signal.SIGKILL:
            assert ranks[0].returncode == 1
            assert said.startswith("texgen: rank 0 lost another of 2 ranks: ")
            assert said.count("\n") == 1
        else:
            assert (ranks[0].returncode, said) == (130, "texgen: stopped\n")
