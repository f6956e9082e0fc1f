"""Synthesis of textures from patches, by engines in processes of their own."""

from texgen.synthesis.api import synthesize
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.pool import EnginePool
from texgen.synthesis.process import EngineProcess, identify
from texgen.synthesis.protocol import Job, Texture

__all__ = [
    "EnginePool",
    "EngineProcess",
    "EngineSpec",
    "Job",
    "Texture",
    "identify",
    "synthesize",
]
