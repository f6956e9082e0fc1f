"""Collective operations of the ranks of a run; a single process computes the same without them."""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def rank_and_world_size() -> tuple[int, int]:
    """Returns the rank of this process, and the number of ranks."""
    if dist.is_available() and dist.is_initialized():
        return dist.get_rank(), dist.get_world_size()
    return 0, 1


def all_gather(tensor: Tensor) -> Tensor:
    """Returns the rows of all R ranks in their order, without gradient; (N, …) to (R N, …)."""
    _, ranks = rank_and_world_size()
    if ranks == 1:
        return tensor.detach()
    parts = [torch.empty_like(tensor) for _ in range(ranks)]
    dist.all_gather(parts, tensor.detach().contiguous())
    return torch.cat(parts)


def all_gather_with_gradient(tensor: Tensor) -> Tensor:
    """Returns what `all_gather` does; the gradient of a row goes back to the rank of the row."""
    _, ranks = rank_and_world_size()
    if ranks == 1:
        return tensor
    gathered: Tensor = _AllGather.apply(tensor)
    return gathered


class _AllGather(torch.autograd.Function):
    """Sums a row's gradients over the ranks, because the loss of each rank depends on all rows."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        return all_gather(tensor)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:  # noqa: ANN401 - torch's signature
        total = gradients[0].contiguous().clone()
        dist.all_reduce(total)
        rank, ranks = rank_and_world_size()
        return total.chunk(ranks)[rank]


def mean_over_ranks(tensor: Tensor) -> Tensor:
    """Returns the mean of the values of all ranks, without gradient."""
    _, ranks = rank_and_world_size()
    tensor = tensor.detach().clone()
    if ranks > 1:
        dist.all_reduce(tensor)
    return tensor / ranks


class Shuffle:
    """Random order of the images of all ranks, for shuffle-BN (He et al. 2020, section 3.3).

    The images that one process (or one part of a split batch) embeds together share statistics.
    If keys share them with other images than their queries do, they do not reveal their queries.
    Each rank has ``count`` images.
    """

    def __init__(self, count: int, device: torch.device) -> None:
        self._rank, ranks = rank_and_world_size()
        self._count = count
        self._order = torch.randperm(count * ranks, device=device)
        if ranks > 1:
            dist.broadcast(self._order, src=0)

    def __call__(self, images: Tensor) -> Tensor:
        """Returns this rank's part of all images in the random order; (N, …) to (N, …)."""
        return all_gather(images)[self._part_of_rank(self._order)]

    def undo(self, embeddings: Tensor) -> Tensor:
        """Returns this rank's embeddings from those of shuffled images; (N, C) to (N, C)."""
        return all_gather(embeddings)[self._part_of_rank(self._order.argsort())]

    def _part_of_rank(self, order: Tensor) -> Tensor:
        return order[self._rank * self._count :][: self._count]
