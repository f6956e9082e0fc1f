"""texgen: textures as non-semantic negatives for contrastive learning."""

# First of all: until then `python -m texgen` imports from the current folder.
from texgen.core.launch import leave_current_folder_out

leave_current_folder_out()

import importlib  # noqa: E402
import logging  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from texgen.core.extras import naming_extra  # noqa: E402
from texgen.synthesis import synthesize  # noqa: E402
from texgen.synthesis.patches import Patches, sample_patches  # noqa: E402

# Without a handler of the caller's, warnings would go to standard error by themselves.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    from texgen import losses
    from texgen.core.errors import TexgenError
    from texgen.dataset.pairs import TexturePairs, image_key
    from texgen.dataset.random_access import MissingTextureError, TextureStore
    from texgen.dataset.streaming import webdataset
    from texgen.train.paired_views import PairedViews
    from texgen.train.patch_negative import PatchNegative
    from texgen.train.texture_negative import TextureNegative

    __version__: str

# Imported when they are asked for: Arrow and webdataset take a second, torch is an extra.
_LATER = {
    "MissingTextureError": "texgen.dataset.random_access",
    "PairedViews": "texgen.train.paired_views",
    "PatchNegative": "texgen.train.patch_negative",
    "TexgenError": "texgen.core.errors",
    "TextureNegative": "texgen.train.texture_negative",
    "TexturePairs": "texgen.dataset.pairs",
    "TextureStore": "texgen.dataset.random_access",
    "image_key": "texgen.dataset.pairs",
    "webdataset": "texgen.dataset.streaming",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name == "__version__":
        from texgen.core.identity import version

        return version()
    if name == "losses":
        return importlib.import_module("texgen.losses")
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with naming_extra(f"texgen.{name}"):
        return getattr(importlib.import_module(_LATER[name]), name)


__all__ = [
    "MissingTextureError",
    "PairedViews",
    "PatchNegative",
    "Patches",
    "TexgenError",
    "TextureNegative",
    "TexturePairs",
    "TextureStore",
    "__version__",
    "image_key",
    "losses",
    "sample_patches",
    "synthesize",
    "webdataset",
]
