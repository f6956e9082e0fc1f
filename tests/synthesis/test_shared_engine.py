"""`SharedEngine`: many jobs in one process, whichever of them is at fault.

The worker is a script, so that it fails when a test wants it to; `test_gpu` has the real one.
"""

from __future__ import annotations

import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from texgen.core.errors import (
    EngineStartError,
    WorkerCrashedError,
    WorkerGarbageError,
    WorkerTimeoutError,
)
from texgen.synthesis import EnginePool, EngineSpec, Job
from texgen.synthesis.protocol import PROTOCOL

pytestmark = pytest.mark.usefixtures("no_orphans")

CAPACITY = 8
GPU = EngineSpec("fast", device="gpu")

SCRIPT = """
import json, os, struct, sys, time
seen = open({log!r}, "a")

def read(count):
    data = sys.stdin.buffer.read(count)
    if len(data) < count:
        sys.exit(0)
    return data

def send(body):
    sys.stdout.buffer.write(struct.pack("<I", len(body)) + body)
    sys.stdout.buffer.flush()

send(b"\\1" + json.dumps({hello!r}).encode())
waiting = []
while True:
    frame = read(struct.unpack("<I", read(4))[0])
    job, seed, size = struct.unpack_from("<QQI", frame, 1)
    waiting.append((job, seed, size))
    fault = {faults!r}.get(seed)
    print(os.getpid(), seed, len(waiting), file=seen, flush=True)
    if fault == "crash":
        sys.exit("out of order")
    if fault == "hang":
        time.sleep(600)
    if fault == "garbage":
        send(b"\\3" + bytes(80))
    if len(waiting) == {capacity} or seed >= {last}:
        # In the opposite order, as a worker may.
        for job, seed, size in reversed(waiting):
            pixels = bytes([seed % 256]) * (size * size * 3)
            send(struct.pack("<BQIIQQQQI", 3, job, size, size, 0, 0, 0, 0, len(pixels)) + pixels)
        waiting.clear()
"""


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Installs a worker that answers once it has enough jobs, or at a seed of at least ``last``."""

    def install(faults: dict[int, str] | None = None, last: int = 0) -> Path:
        log = tmp_path / "seen"
        log.touch()
        hello = {
            "protocol": PROTOCOL, "worker": "0", "engine": "fast", "engine_version": "1",
            "parameters": {}, "encoders": {}, "device": "a card", "capacity": CAPACITY,
        }  # fmt: skip
        body = textwrap.dedent(SCRIPT).format(
            log=str(log), hello=hello, faults=faults or {}, capacity=CAPACITY, last=last
        )
        script = tmp_path / "worker"
        script.write_text(f"#!{sys.executable}\n{body}")
        script.chmod(0o755)
        monkeypatch.setenv("TEXGEN_WORKER", str(script))
        return log

    return install


def job(seed: int) -> Job:
    return Job(f"texture {seed}", (np.zeros((2, 2, 3), np.uint8),), 4, seed, wants_raw=True)


def colours(pool: EnginePool, seeds: range) -> list[object]:
    """For each seed, the value of its texture's pixels, or the type of its error."""
    results = pool.map((seed, job(seed)) for seed in seeds)
    return [getattr(result, "pixels", [[[type(result)]]])[0][0][0] for _, result in results]


def tries(log: Path, seed: int) -> list[int]:
    """For each time that a worker received a seed, how many jobs it had then."""
    rows = [line.split() for line in log.read_text().splitlines()]
    return [int(row[2]) for row in rows if int(row[1]) == seed]


def test_textures_come_in_order_though_the_worker_answers_in_another(worker):
    log = worker(last=99)
    with EnginePool(GPU, 1) as pool:
        assert colours(pool, range(100)) == list(range(100))
    assert max(int(line.split()[2]) for line in log.read_text().splitlines()) == CAPACITY


@pytest.mark.parametrize(
    ("fault", "error"), [("crash", WorkerCrashedError), ("garbage", WorkerGarbageError)]
)
def test_a_job_that_ends_its_worker_fails_alone(worker, fault, error):
    log = worker({13: fault}, last=0)
    with EnginePool(GPU, 1, retries=2) as pool:
        expected: list[object] = list(range(40))
        expected[13] = error
        assert colours(pool, range(40)) == expected
    # Once among others, which proves nothing about it, and three times alone.
    assert tries(log, 13)[-3:] == [1, 1, 1]


def test_a_job_that_hangs_fails_alone(worker):
    worker({5: "hang"}, last=0)
    with EnginePool(GPU, 1, timeout_s=0.5, retries=0) as pool:
        expected: list[object] = list(range(12))
        expected[5] = WorkerTimeoutError
        assert colours(pool, range(12)) == expected


def test_an_engine_that_does_not_start_fails_every_job(worker):
    worker()
    with EnginePool(EngineSpec("fast", device="gpu"), 1) as pool:
        pool._check_identity = lambda process: (_ for _ in ()).throw(EngineStartError("another"))
        for _ in range(2):
            with pytest.raises(EngineStartError, match="another"):
                pool.synthesize(job(1))


def test_jobs_in_flight_fail_when_the_pool_is_closed(worker):
    worker(last=99)
    pool = EnginePool(GPU, 1)
    future = pool._submit(job(3))
    while not pool.busy_with():
        pass
    assert pool.busy_with() == ["texture 3"]
    pool.close()
    with pytest.raises(WorkerCrashedError):
        future.result(timeout=10)


def test_a_pool_that_was_never_used_closes(worker):
    worker()
    EnginePool(GPU, 1).close()


def test_the_workers_own_words_are_in_the_error(worker):
    worker({2: "crash"})
    with (
        EnginePool(GPU, 1, retries=0) as pool,
        pytest.raises(WorkerCrashedError, match="out of order"),
    ):
        pool.synthesize(job(2))
