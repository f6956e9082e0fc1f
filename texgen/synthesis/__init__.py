"""Synthesis of textures from patches, by engines in processes of their own."""

from texgen.synthesis.api import synthesize
from texgen.synthesis.pool import EnginePool
from texgen.synthesis.process import EngineProcess, EngineSpec, identify
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
