"""Small builds with the stub engine."""

from __future__ import annotations

from pathlib import Path

from texgen.build import BuildRequest
from texgen.core.config import DatasetConfig, RunOptions
from texgen.source import SourceSpec
from texgen.synthesis import EngineSpec, identify


def request(source: Path, out: Path, name: str = "small", **changes: object) -> BuildRequest:
    """A build with two textures an image and three a shard, so that images straddle shards."""
    given = {"size": 16, "textures_per_image": 2, "samples_per_shard": 3, **changes}
    engine = identify(EngineSpec("stub"))
    config = DatasetConfig(engine=engine, decode_rule="pillow-rgb-v1", max_pixels=10**6, **given)
    options = RunOptions(workers=2, ray=False)
    return BuildRequest(SourceSpec(str(source)), str(out), name, config, options)
