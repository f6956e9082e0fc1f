from __future__ import annotations

import ctypes
import re
import signal
import threading
from pathlib import Path

import pytest

pytest.importorskip("ray")

from texgen.build.executors import session
from texgen.build.executors.session import RaySession, _as_config_error, _no_answer
from texgen.core import signals

AUTH = "Failed to get cluster ID from GCS server: Unauthenticated: RPC error: InvalidAuthToken."


def test_a_cluster_that_wants_a_token_is_told_from_none():
    assert "set RAY_AUTH_MODE=token" in str(_no_answer("head:6379", ["something", AUTH]))
    assert "RAY_AUTH_MODE" not in str(_no_answer("head:6379", ["Failed to connect"]))
    assert "ray start --head" in str(_no_answer("head:6379", []))


def test_a_machine_that_is_no_node_is_told_how_to_become_one():
    line = "`ray start --address head:6379 --num-cpus 0` makes it one"
    assert line in str(_no_answer("head:6379", []))
    assert "--num-cpus" not in str(_no_answer("ray://head:10001", []))


@pytest.mark.parametrize(
    "error", [Exception("bare"), Exception(), OSError(111, "refused"), RuntimeError("two\nlines.")]
)
@pytest.mark.parametrize("address", [None, "auto", "head:6379"])
def test_whatever_ray_raises_is_one_line_with_a_mend(address, error):
    message = str(_as_config_error(address, error))
    assert "\n" not in message
    assert "--no-ray" in message


def test_auto_names_the_address_that_the_environment_gives(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert "RAY_ADDRESS is head:6379" in str(_no_answer("auto", []))
    assert "RAY_ADDRESS" not in str(_no_answer("other:6379", []))


def caught(number: signal.Signals) -> bool:
    """Whether this process has a handler for a signal, as the system sees it (Linux)."""
    status = Path("/proc/self/status").read_text()
    mask = int(re.search(r"^SigCgt:\s*(\w+)$", status, re.MULTILINE)[1], 16)
    return bool(mask >> (number - 1) & 1)


def test_after_rays_end_sigterm_is_handled_as_before(monkeypatch):
    def shutdown() -> None:
        ctypes.CDLL(None).signal(int(signal.SIGTERM), None)
        assert not caught(signal.SIGTERM)

    monkeypatch.setattr(session.ray, "shutdown", shutdown)
    ended = object.__new__(RaySession)
    ended._over, ended._folder = threading.Event(), None
    with signals.kept():
        signals.catch(lambda *_: None)
        ended.close()
        assert caught(signal.SIGTERM)
