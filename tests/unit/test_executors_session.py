from __future__ import annotations

import pytest

pytest.importorskip("ray")

from texgen.executors.session import _explained, _no_answer

AUTH = "Failed to get cluster ID from GCS server: Unauthenticated: RPC error: InvalidAuthToken."


def test_a_cluster_that_wants_a_token_is_told_from_none():
    assert "set RAY_AUTH_MODE=token" in str(_no_answer("head:6379", ["something", AUTH]))
    assert "RAY_AUTH_MODE" not in str(_no_answer("head:6379", ["Failed to connect"]))
    assert "ray start --head" in str(_no_answer("head:6379", []))


@pytest.mark.parametrize(
    "error", [Exception("bare"), Exception(), OSError(111, "refused"), RuntimeError("two\nlines.")]
)
@pytest.mark.parametrize("address", [None, "auto", "head:6379"])
def test_whatever_ray_raises_is_one_line_with_a_mend(address, error):
    message = str(_explained(address, error))
    assert "\n" not in message
    assert "--no-ray" in message


def test_auto_names_the_address_that_the_environment_gives(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "head:6379")
    assert "RAY_ADDRESS is head:6379" in str(_no_answer("auto", []))
    assert "RAY_ADDRESS" not in str(_no_answer("other:6379", []))
