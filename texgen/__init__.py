"""texgen: textures as non-semantic negatives for contrastive learning."""

import logging

from texgen.patches import Patches, sample_patches
from texgen.synthesize import synthesize

__version__ = "0.1.0"

# Without a handler of the caller's, warnings would go to standard error by themselves.
logging.getLogger(__name__).addHandler(logging.NullHandler())

__all__ = ["Patches", "__version__", "sample_patches", "synthesize"]
