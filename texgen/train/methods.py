"""MoCo-v2, SimCLR and BYOL with non-semantic negatives (NS), each a module whose call is a step.

All take the same batch: two views of N images, and M negatives per image for each view that is a
query (``ns_views``). NS are embedded without gradient, each set of N as a separate batch, and
never change the batch statistics that evaluation uses.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texgen.train.config_checks import queue_size_error
from texgen.train.distributed import (
    Shuffle,
    all_gather,
    all_gather_with_gradient,
    rank_and_world_size,
)
from texgen.train.losses import (
    byol_loss,
    contrastive_logits,
    contrastive_loss,
    nonsemantic_share,
    pair_logits,
    per_sample_cosines,
    upcast,
)
from texgen.train.networks import ema_update, mlp, without_bn_tracking


class Method(nn.Module):
    """Base class of the methods of contrastive learning.

    Attributes:
        encoder: Backbone and head; trained by gradients, and evaluated.
        ns_views: Number of views that are queries; each query has separate NS.
    """

    encoder: nn.Module
    ns_views: int

    def begin_step(self, progress: float) -> None:
        """Runs before each step of the optimizer; ``progress`` goes from 0 to 1 in the training."""

    def forward(
        self, first: Tensor, second: Tensor, nonsemantic: Tensor | None
    ) -> dict[str, Tensor]:
        """Returns the loss of a step, and metrics.

        Args:
            first: (N, 3, H, W) float, normalised: first views, the queries.
            second: (N, 3, H, W) float, normalised: second views.
            nonsemantic: (N, ns_views, M, 3, H, W) float, normalised; None without NS.

        Returns:
            ``loss`` with a gradient, and without one the mean cosines ``positive``, ``negative``
            (not BYOL) and ``nonsemantic``, and the share of NS in the denominator, ``ns_share``
            (not BYOL).
        """
        raise NotImplementedError


class MoCo(Method):
    """MoCo-v2 (Chen et al. 2020) with Eq. 1, as in the authors' code.

    The momentum encoder embeds keys and NS, in training mode with shuffle-BN; only keys enter the
    queue. NS change the momentum encoder's running statistics, which nothing uses.

    Args:
        encoder: Maps (N, 3, H, W) to (N, dim), of any length.
        dim: C, dimensions of an embedding.
        queue_size: K, number of keys that are negatives; a multiple of the batch of all ranks.
        momentum: Momentum of the key encoder, 0 to 1.
        temperature: See `contrastive_logits`.
        alpha: See `contrastive_logits`.
    """

    ns_views = 1
    queue: Tensor
    position: Tensor

    def __init__(
        self,
        encoder: nn.Module,
        *,
        dim: int,
        queue_size: int,
        momentum: float,
        temperature: float,
        alpha: float,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.key_encoder = copy.deepcopy(encoder).requires_grad_(requires_grad=False)
        self.momentum, self.temperature, self.alpha = momentum, temperature, alpha
        self.register_buffer("queue", F.normalize(torch.randn(queue_size, dim), dim=1))
        self.register_buffer("position", torch.zeros((), dtype=torch.long))

    def begin_step(self, progress: float) -> None:
        """Updates the key encoder, which stays the same throughout a step."""
        ema_update(self.key_encoder, self.encoder, self.momentum)

    def forward(
        self, first: Tensor, second: Tensor, nonsemantic: Tensor | None
    ) -> dict[str, Tensor]:
        """See `Method.forward`."""
        query = embed(self.encoder, first)
        with torch.no_grad():
            key = self._shuffled(second)
            ns = None if nonsemantic is None else embed_sets(self._shuffled, nonsemantic[:, 0])
        logits = contrastive_logits(
            query, key, self.queue.clone(), ns, temperature=self.temperature, alpha=self.alpha
        )
        self._enqueue(all_gather(key))
        return loss_and_metrics(logits, ns, self.temperature, self.alpha)

    def _shuffled(self, images: Tensor) -> Tensor:
        shuffle = Shuffle(len(images), images.device)
        return shuffle.undo(embed(self.key_encoder, shuffle(images)))

    @torch.no_grad()
    def _enqueue(self, keys: Tensor) -> None:
        size, start = len(self.queue), int(self.position)
        if size % len(keys):
            raise queue_size_error(size, len(keys), "all ranks' batches")
        self.queue[start : start + len(keys)] = keys
        self.position.fill_((start + len(keys)) % size)


class SimCLR(Method):
    """SimCLR (Chen et al. 2020) with Eq. 1: both views of all other images are negatives.

    Args:
        encoder: Maps (N, 3, H, W) to (N, C), of any length.
        temperature: See `pair_logits`.
        alpha: See `pair_logits`.
    """

    ns_views = 2

    def __init__(self, encoder: nn.Module, *, temperature: float, alpha: float) -> None:
        super().__init__()
        self.encoder = encoder
        self.temperature, self.alpha = temperature, alpha

    def forward(
        self, first: Tensor, second: Tensor, nonsemantic: Tensor | None
    ) -> dict[str, Tensor]:
        """See `Method.forward`."""
        z_first, z_second = embed(self.encoder, first), embed(self.encoder, second)
        ns = embed_views(self.encoder, nonsemantic)
        rank, _ = rank_and_world_size()
        logits = pair_logits(
            z_first,
            z_second,
            ns,
            temperature=self.temperature,
            alpha=self.alpha,
            others=(all_gather_with_gradient(z_first), all_gather_with_gradient(z_second)),
            offset=rank * len(first),
        )
        return loss_and_metrics(logits, ns, self.temperature, self.alpha)


class BYOL(Method):
    """BYOL (Grill et al. 2020) with Eq. 2, symmetric over the views.

    Args:
        encoder: Backbone and projector; maps (N, 3, H, W) to (N, C).
        dim: C, dimensions of an embedding.
        hidden: Hidden units of the predictor.
        momentum: Momentum of the target at the start; it rises to 1 along a cosine.
        alpha: See `byol_loss`.
    """

    ns_views = 2

    def __init__(
        self, encoder: nn.Module, *, dim: int, hidden: int, momentum: float, alpha: float
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.predictor = mlp(dim, hidden, dim, batch_norm=True)
        self.target = copy.deepcopy(encoder).requires_grad_(requires_grad=False)
        self.momentum, self.alpha = momentum, alpha

    def begin_step(self, progress: float) -> None:
        """Updates the target."""
        momentum = 1 - (1 - self.momentum) * (math.cos(math.pi * progress) + 1) / 2
        ema_update(self.target, self.encoder, momentum)

    def forward(
        self, first: Tensor, second: Tensor, nonsemantic: Tensor | None
    ) -> dict[str, Tensor]:
        """See `Method.forward`."""
        predictions = [
            F.normalize(upcast(self.predictor(self.encoder(view))), dim=1)
            for view in (first, second)
        ]
        with torch.no_grad():
            targets = [embed(self.target, view) for view in (second, first)]
        ns = embed_views(self.target, nonsemantic)
        sets = (None, None) if ns is None else ns.unbind(1)
        losses = [
            byol_loss(prediction, target, ns_of_view, alpha=self.alpha)
            for prediction, target, ns_of_view in zip(predictions, targets, sets, strict=True)
        ]
        metrics = {"positive": (predictions[0] * targets[0]).sum(1).mean().detach()}
        if ns is not None:
            metrics["nonsemantic"] = per_sample_cosines(predictions[0], ns[:, 0]).mean().detach()
        return {"loss": losses[0] + losses[1], **metrics}


def embed(encoder: nn.Module, images: Tensor) -> Tensor:
    """Maps (N, 3, H, W) to (N, C) of unit length, in 32 bits or more."""
    return F.normalize(upcast(encoder(images)), dim=1)


def embed_sets(embed_batch: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """Embeds NS, each of the M sets as a separate batch: (N, M, 3, H, W) to (N, M, C)."""
    return torch.stack([embed_batch(images[:, m]) for m in range(images.shape[1])], 1)


@torch.no_grad()
def embed_views(encoder: nn.Module, images: Tensor | None) -> Tensor | None:
    """Embeds NS of V views and keeps running statistics: (N, V, M, 3, H, W) to (N, V, M, C)."""
    if images is None:
        return None
    with without_bn_tracking(encoder):
        views = [embed_sets(lambda part: embed(encoder, part), v) for v in images.unbind(1)]
    return torch.stack(views, 1)


def loss_and_metrics(
    logits: Tensor, ns: Tensor | None, temperature: float, alpha: float
) -> dict[str, Tensor]:
    """Returns what `Method.forward` does, from the logits of Eq. 1.

    Args:
        logits: (N, 1 + K + M), the positive first, NS last.
        ns: (N, …, M, C), the embeddings of the last M columns; None without NS.
        temperature: Temperature of the logits.
        alpha: Weight of the NS in the logits.
    """
    loss, logits = contrastive_loss(logits), logits.detach()
    number = 0 if ns is None else ns.shape[-2]
    metrics = {
        "loss": loss,
        "positive": logits[:, 0].mean() * temperature,
        "negative": logits[:, 1 : logits.shape[1] - number].mean() * temperature,
    }
    if number:
        metrics["ns_share"] = nonsemantic_share(logits, number)
        if alpha:
            metrics["nonsemantic"] = logits[:, -number:].mean() * temperature / alpha
    return metrics
