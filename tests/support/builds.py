"""Small builds with the stub engine."""

from __future__ import annotations

from pathlib import Path

from texgen.build import BuildRequest
from texgen.build.plan import load_or_create_plan
from texgen.build.remaining import RemainingWork, find_remaining
from texgen.core.config import DatasetConfig, Part, RunOptions
from texgen.dataset.plan import Plan
from texgen.source import FolderSource, SourceSpec
from texgen.storage import Sink
from texgen.synthesis import EngineSpec, identify


def request(source: Path, out: Path, name: str = "small", **changes: object) -> BuildRequest:
    """A build with two textures an image and three a shard, so that images straddle shards."""
    given = {"size": 16, "textures_per_image": 2, "samples_per_shard": 3, **changes}
    engine = identify(EngineSpec("stub"))
    config = DatasetConfig(engine=engine, decode_rule="pillow-rgb-v1", max_pixels=10**6, **given)
    options = RunOptions(workers=2, ray=False)
    return BuildRequest(SourceSpec(str(source)), str(out), name, config, options)


def planned(source: Path, out: Path, name: str = "small", **changes: object) -> Plan:
    """The plan of the build that `request` describes, written to ``out``."""
    asked = request(source, out, name, **changes)
    sink = Sink(out)
    return load_or_create_plan(asked, FolderSource(asked.source), sink, sink.list(""))


def remaining(
    out: Path, source: Path, part: Part | None = None, *, retry_failed: bool = False
) -> RemainingWork:
    """Work that is left of the build that `request` describes in ``out``."""
    sink = Sink(out)
    plan = planned(source, out)
    return find_remaining(plan, sink, sink.list(""), part, retry_failed=retry_failed)
