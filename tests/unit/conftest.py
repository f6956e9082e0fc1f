"""A small finished data set, made once."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from tests.conftest import make_source
from tests.proxy import Proxy
from texgen.config import DatasetConfig, RunOptions
from texgen.driver import BuildRequest, Silent, build
from texgen.source import SourceSpec
from texgen.synthesize import EngineSpec, identify

if TYPE_CHECKING:
    from tests.store import Store
    from texgen.storage.s3 import S3Sink

# How long an example takes says more about the machine than about the code.
settings.register_profile("unit", deadline=None)
settings.load_profile("unit")


def request(source: Path, out: Path, name: str = "small", **changes: object) -> BuildRequest:
    """Two textures an image, three a shard, so that images straddle shards."""
    given = {"size": 16, "textures_per_image": 2, "samples_per_shard": 3, **changes}
    engine = identify(EngineSpec("stub"))
    config = DatasetConfig(engine=engine, decode_rule="pillow-rgb-v1", max_pixels=10**6, **given)
    options = RunOptions(workers=2, ray=False)
    return BuildRequest(SourceSpec(str(source)), str(out), name, config, options)


@pytest.fixture(scope="session")
def small_source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two splits; one photograph cannot be read, one has a key over 100 characters."""
    root = tmp_path_factory.mktemp("source")
    make_source(root / "train", {"ant": 3, "bee": 2}, (50, 40))
    make_source(root / "val", {"ant": 1}, (20, 12))
    (root / "train" / "ant" / "broken.jpg").write_bytes(b"no photograph")
    whole = root / "train" / "bee" / "bee_000.JPEG"
    whole.rename(whole.with_name("b" * 120 + ".JPEG"))
    return root


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, small_source: Path) -> Path:
    out = tmp_path_factory.mktemp("finished") / "out"
    build(request(small_source, out), Silent())
    return out


@pytest.fixture
def out(tmp_path: Path, finished: Path) -> Path:
    """A copy of the finished data set that a test may damage."""
    return Path(shutil.copytree(finished, tmp_path / "out"))


@pytest.fixture
def sink(s3: Store) -> S3Sink:
    """OUT in a bucket."""
    from texgen.storage.s3 import S3Sink

    return S3Sink(f"s3://{s3.bucket}/out")


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No pauses between tries; they are counted."""
    from texgen.s3 import retry

    pauses: list[int] = []
    monkeypatch.setattr(retry, "_pause", pauses.append)
    return pauses


@pytest.fixture
def no_settings(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """No settings of networks, and no pauses: those that were asked for."""
    for name in list(os.environ):
        if name.lower().endswith("_proxy") or name.endswith("_CA_BUNDLE") or "SSL_CERT" in name:
            monkeypatch.delenv(name)
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


@pytest.fixture
def proxied(s3: Store, hurried: list[int]) -> Iterator[tuple[S3Sink, Proxy]]:
    """A sink behind a proxy."""
    from texgen.storage.s3 import S3Sink

    with Proxy(s3.endpoint) as proxy:
        yield S3Sink(f"s3://{s3.bucket}/out", None, proxy.url), proxy


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A file that goes up in parts."""
    from texgen.s3 import upload

    monkeypatch.setattr(upload, "MULTIPART_BYTES", 1 << 20)
    monkeypatch.setattr(upload, "_PART_BYTES", 5 << 20)
    return bytes(range(256)) * (6 << 12)
