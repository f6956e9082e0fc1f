"""texgen: textures as non-semantic negatives for contrastive learning."""

from texgen.patches import Patches, sample_patches
from texgen.synthesize import synthesize

__version__ = "0.1.0"

__all__ = ["Patches", "__version__", "sample_patches", "synthesize"]
