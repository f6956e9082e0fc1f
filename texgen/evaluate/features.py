"""Features of whole sets of images."""

from __future__ import annotations

import torch
from torch import Tensor

from texgen.core.errors import ConfigError
from texgen.evaluate.images import EvalTransform, LabelledImages, batches, make_loader
from texgen.evaluate.run import TrainedRun

BATCH = 256


@torch.no_grad()
def features(run: TrainedRun, images: LabelledImages, look: EvalTransform) -> tuple[Tensor, Tensor]:
    """What the encoder makes of every image that has a class.

    Returns:
        (n, F) float32 and their labels (n,), on the CPU.

    Raises:
        TexgenError: If an image cannot be read.
    """
    draws = [(0, int(position)) for position in images.positions]
    loader = make_loader(run, images.photographs, look, draws, BATCH)
    found = [
        (run.encoder(pixels).float().cpu(), labels.cpu())
        for pixels, labels in batches(loader, run.device)
    ]
    whole = torch.cat([one for one, _ in found])
    if not torch.isfinite(whole).all():
        message = f"{run.place}: its features are no finite numbers: the run had diverged"
        raise ConfigError(message)
    return whole, torch.cat([labels for _, labels in found])
