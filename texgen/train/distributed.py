"""What several processes of one training run do together; with one process, nothing."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank_and_world_size() -> tuple[int, int]:
    """This process's rank, and the number of ranks."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def gather(tensor: Tensor) -> Tensor:
    """All ranks' rows in order of rank, without gradient.

    Args:
        tensor: (N, …), of the same shape on every rank.

    Returns:
        (ranks N, …).
    """
    _, ranks = rank_and_world_size()
    if ranks == 1:
        return tensor.detach()
    parts = [torch.empty_like(tensor) for _ in range(ranks)]
    dist.all_gather(parts, tensor.detach().contiguous())
    return torch.cat(parts)


def gather_with_gradient(tensor: Tensor) -> Tensor:
    """As `gather`; gradients go back to the rank that each row is of."""
    _, ranks = rank_and_world_size()
    if ranks == 1:
        return tensor
    gathered: Tensor = _Gather.apply(tensor)
    return gathered


class _Gather(torch.autograd.Function):
    """Each rank's loss depends on all rows, so that a row's gradient is the sum of all ranks'."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        return gather(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        rank, ranks = rank_and_world_size()
        return total.chunk(ranks)[rank]


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """The mean of all ranks' values, without gradient."""
    _, ranks = rank_and_world_size()
    tensor = tensor.detach().clone()
    if ranks > 1:
        dist.all_reduce(tensor)
    return tensor / ranks


class Shuffle:
    """A random order of all ranks' images, for shuffle-BN (He et al. 2020, section 3.3).

    Batch statistics are of what one process (or one split of it) sees together. Keys that are
    embedded together with other images than their queries cannot be told by them.

    Args:
        count: Images on each rank.
        device: Where they are.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._rank, ranks = rank_and_world_size()
        self._count = count
        self._order = torch.randperm(count * ranks, device=device)
        if ranks > 1:
            dist.broadcast(self._order, src=0)

    def __call__(self, images: Tensor) -> Tensor:
        """This rank's part of all images in the random order; (N, …) to (N, …)."""
        return gather(images)[self._mine(self._order)]

    def undo(self, embeddings: Tensor) -> Tensor:
        """Embeddings of the shuffled images to those of this rank's own; (N, C) to (N, C)."""
        return gather(embeddings)[self._mine(self._order.argsort())]

    def _mine(self, order: Tensor) -> Tensor:
        return order[self._rank * self._count :][: self._count]
