"""Patches to textures, by engines in processes of their own."""

from texgen.synthesize.api import synthesize
from texgen.synthesize.pool import EnginePool
from texgen.synthesize.process import EngineProcess, EngineSpec, identify
from texgen.synthesize.protocol import Job, Texture

__all__ = [
    "EnginePool",
    "EngineProcess",
    "EngineSpec",
    "Job",
    "Texture",
    "identify",
    "synthesize",
]
