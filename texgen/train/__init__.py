"""The companion trainer: contrastive learning with textures and patches as negatives.

Read the modules in this order: `losses` (the paper's two equations), `methods` (a step of MoCo-v2,
SimCLR and BYOL), `augment`, `patch_negative`, `negatives` and `pairs` (their input), `loop`.
"""
