from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from tests.support.proxy import Proxy, once
from tests.support.store import Store
from texgen.core.config import Part
from texgen.core.errors import LockedError, StorageError
from texgen.core.system import current_process, is_dead_on_this_host
from texgen.storage import Sink
from texgen.storage.s3 import lease

LOCK = "out/_build/lock.json"


def sink(s3: Store, part: tuple[int, int] | None = None) -> Sink:
    return Sink(f"s3://{s3.bucket}/out", Part(*part) if part else None)


def refused(asking: Sink) -> str:
    with pytest.raises(LockedError) as caught, asking.lock():
        pass
    return str(caught.value)


def held_elsewhere(s3: Store, **about: object) -> None:
    """A lock that a process of another machine holds."""
    holder = {"host": "far", "pid": 7, "since": time.time(), "token": "x", **about}
    s3.put(LOCK, json.dumps(holder).encode())


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Leases that end after four seconds, and are renewed every tenth of one."""
    monkeypatch.setattr(lease, "LEASE_S", 4.0)
    monkeypatch.setattr(lease, "RENEW_S", 0.1)
    return


def test_a_second_writer_is_refused_with_the_holders_name(s3):
    with sink(s3).lock():
        for _ in range(2):
            message = refused(sink(s3))
            assert f"s3://{s3.bucket}/out is being written by process {os.getpid()} on" in message
    with sink(s3).lock():
        pass


def test_a_lock_is_free_again_after_an_error(s3):
    with pytest.raises(ZeroDivisionError), sink(s3).lock():
        _ = 1 / 0
    with sink(s3).lock():
        pass


def test_a_lease_that_was_not_renewed_is_taken(s3, short):
    held_elsewhere(s3)
    assert "process 7 on far since" in refused(sink(s3))
    # The store measures ages by its own clock, in whole seconds.
    time.sleep(5.1)
    with sink(s3).lock():
        pass


def test_a_lease_is_renewed_while_it_is_held(s3, short):
    with sink(s3).lock():
        time.sleep(5.1)
        refused(sink(s3))


def test_who_lost_the_lock_writes_no_more(s3, short):
    loser = sink(s3)
    with loser.lock():
        held_elsewhere(s3)
        # It is noticed at the next renewal, a tenth of a second later.
        for _ in range(300):
            if loser._lock._leases[0].taken_by:
                break
            time.sleep(0.1)
        for write in (lambda: loser.write("a", b""), lambda: loser.remove("a")):
            with pytest.raises(LockedError, match=r"process 7 on far since .* has gone on with it"):
                write()
    # The other's lock stays.
    assert json.loads(s3.get(LOCK))["host"] == "far"


def test_a_lock_that_somebody_deleted_is_written_again(s3, short):
    with sink(s3).lock():
        s3.client.delete_object(Bucket=s3.bucket, Key=LOCK)
        for _ in range(300):
            if s3.has(LOCK):
                break
            time.sleep(0.1)
        refused(sink(s3))


@pytest.mark.parametrize("left", [b"", b"null", b"[1]", b"{", b'{"pid": 5}', b"\xff"])
def test_a_damaged_lock_counts_until_it_ends(s3, left):
    s3.put(LOCK, left)
    assert "another process" in refused(sink(s3))


def test_who_was_killed_on_this_machine_is_not_waited_for(s3):
    code = (
        "import os, signal; from texgen.storage import Sink\n"
        f"with Sink('s3://{s3.bucket}/out').lock(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, timeout=300)
    assert not json.loads(s3.get(LOCK)).get("released")
    with sink(s3).lock():
        pass


def test_whether_a_holder_lives_is_known_on_its_own_machine_alone():
    about = current_process()
    assert not is_dead_on_this_host(about)
    assert is_dead_on_this_host({**about, "born": "another with this number"})
    assert is_dead_on_this_host({**about, "pid": 2**22 + 1})
    assert not is_dead_on_this_host({**about, "pid": 2**22 + 1, "machine": "another"})
    assert not is_dead_on_this_host({})
    assert not is_dead_on_this_host({**about, "pid": "7"})
    assert not is_dead_on_this_host({**about, "machine": None})


def test_of_two_that_ask_at_once_at_most_one_gets_it(s3):
    held, barrier = [], threading.Barrier(4)

    def ask() -> None:
        barrier.wait(30)
        try:
            with sink(s3).lock():
                held.append(1)
                barrier.wait(60)
        except LockedError:
            barrier.wait(60)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    assert len(held) == 1


def test_parts_of_one_count_write_side_by_side_and_nobody_else_does(s3):
    with sink(s3, (1, 3)).lock(), sink(s3, (3, 3)).lock():
        assert "(part 1-of-3)" in refused(sink(s3, (1, 3)))
        assert "(part 1-of-3)" in refused(sink(s3, (1, 2)))
        assert "-of-3)" in refused(sink(s3))
    with sink(s3).lock():
        assert "process" in refused(sink(s3, (1, 3)))
    with sink(s3, (1, 2)).lock(), sink(s3, (2, 2)).lock():
        pass


def test_parts_finish_one_after_the_other(s3):
    order = []

    def finish() -> None:
        with sink(s3, (2, 2)).finish_lock():
            order.append("second")

    with sink(s3, (1, 2)).finish_lock():
        thread = threading.Thread(target=finish)
        thread.start()
        time.sleep(0.5)
        order.append("first")
    thread.join(60)
    assert order == ["first", "second"]


@pytest.mark.parametrize("fault", ["lost", "reset", "slow_down", "conflict"])
def test_a_lock_is_taken_and_given_up_through_faults(s3, fault):
    with Proxy(s3.endpoint, once(fault, "PUT", "lock", times=2)) as proxy:
        with Sink(f"s3://{s3.bucket}/out", None, proxy.url).lock():
            refused(sink(s3))
        assert proxy.met[fault] == 2
    with sink(s3).lock():
        pass


def test_a_store_that_knows_half_of_the_conditions_locks_too(s3):
    with sink(s3).lock():
        pass
    with Proxy(s3.endpoint, once("unknown", "PUT", "lock", times=1)) as proxy:
        with Sink(f"s3://{s3.bucket}/out", None, proxy.url).lock():
            refused(sink(s3))
        assert proxy.met["unknown"] == 1


def test_a_lock_that_cannot_be_written_says_so(s3):
    with Proxy(s3.endpoint, lambda method, _: "denied" if method == "PUT" else None) as proxy:
        asking = Sink(f"s3://{s3.bucket}/out", None, proxy.url)
        with pytest.raises(StorageError, match=r"cannot write s3://.*AccessDenied"), asking.lock():
            pass
