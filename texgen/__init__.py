"""texgen: textures as non-semantic negatives for contrastive learning."""

# First of all: until then `python -m texgen` imports from the current folder.
from texgen.core.launch import leave_current_folder_out

leave_current_folder_out()

import importlib  # noqa: E402
import logging  # noqa: E402
from typing import TYPE_CHECKING, Any  # noqa: E402

from texgen.synthesis import synthesize  # noqa: E402
from texgen.synthesis.patches import Patches, sample_patches  # noqa: E402

# Without a handler of the caller's, warnings would go to standard error by themselves.
logging.getLogger(__name__).addHandler(logging.NullHandler())

if TYPE_CHECKING:
    __version__: str
    from texgen.dataset.random_access import TextureStore
    from texgen.dataset.streaming import webdataset
    from texgen.train.patch_negative import PatchNegative

# Imported when they are asked for: Arrow and webdataset take a second, torch is an extra.
_LATER = {
    "PatchNegative": "texgen.train.patch_negative",
    "TextureStore": "texgen.dataset.random_access",
    "webdataset": "texgen.dataset.streaming",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever is asked for
    if name == "__version__":
        from texgen.core.identity import version

        return version()
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


__all__ = [
    "PatchNegative",
    "Patches",
    "TextureStore",
    "__version__",
    "sample_patches",
    "synthesize",
    "webdataset",
]
