"""The companion trainer: contrastive learning with textures and patches as negatives.

Read it in this order: `losses` (the paper's two equations), `methods` (a step of MoCo-v2,
SimCLR and BYOL), `augment`, `patchnegative`, `negatives` and `pairs` (what they get), `loop`.
"""
