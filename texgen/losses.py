"""Contrastive losses with non-semantic negatives, for a training loop of your own.

`embed_textures` embeds the textures, and `moco_loss`, `simclr_loss` or `byol_loss` takes the place
of the loss that the loop has now. Arguments are plain tensors.
"""

from texgen.core.extras import naming_extra

with naming_extra("texgen.losses"):
    from texgen.train.checked_losses import byol_loss, embed_textures, moco_loss, simclr_loss

__all__ = ["byol_loss", "embed_textures", "moco_loss", "simclr_loss"]
