"""A Hub on loopback to which the environment points."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.hub import OWNER, Hub
from tests.support.hub_api import running_hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, no_settings: list[float]) -> Iterator[Hub]:
    """A Hub, and this process as its user ``lab`` with write access; pauses are skipped."""
    from huggingface_hub import constants
    from huggingface_hub.utils import close_session

    from texgen.storage.hub.client import hub_client

    home = tmp_path / "hf-home"
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("HF_TOKEN", OWNER)
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(home / "token"))
    # The server has no storage of Xet's kind.
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        hub_client.cache_clear()
        close_session()
        yield running
        hub_client.cache_clear()
        close_session()
    assert not running.leaked, "a token left the Hub"
