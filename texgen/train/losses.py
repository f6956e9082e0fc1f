"""The paper's two losses as pure functions (Ge et al. 2021, arXiv 2110.14189).

Shapes: N images, C dimensions of an embedding, K negatives, M non-semantic negatives (NS) per
image. All embeddings have unit length, so that dot products are cosines. Logits are computed in
32 bits or more, whatever the type of the embeddings.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def contrastive_logits(
    query: Tensor,
    positive: Tensor,
    negatives: Tensor,
    nonsemantic: Tensor | None = None,
    *,
    temperature: float,
    alpha: float = 1.0,
) -> Tensor:
    """Returns the exponents of Eq. 1: positive, negatives and alpha times NS, over the temperature.

    Args:
        query: (N, C) float, z_i.
        positive: (N, C) float, z_p.
        negatives: (K, C) float, z_n, the same for all queries.
        nonsemantic: (N, M, C) float, z_ns of each query's image. None leaves the term out, unlike
            alpha = 0, which adds M to the denominator.
        temperature: tau > 0.
        alpha: Factor on the NS cosines, before the temperature.

    Returns:
        (N, 1 + K + M) float, the positive first, NS last.

    Raises:
        ValueError: If the temperature is not positive, or shapes do not match.
    """
    query, positive, negatives = map(upcast, (query, positive, negatives))
    with _no_autocast(query):
        columns = [(query * positive).sum(1, keepdim=True), query @ negatives.T]
        if nonsemantic is not None:
            columns.append(alpha * per_sample_cosines(query, nonsemantic))
        return torch.cat(columns, 1) / _check_temperature(temperature)


def contrastive_loss(logits: Tensor) -> Tensor:
    """Returns Eq. 1 as the mean of a batch: -log of the positive's share of all exponentials.

    Args:
        logits: (N, 1 + …) float, from `contrastive_logits` or `pair_logits`, the positive first.
    """
    return F.cross_entropy(logits, logits.new_zeros(len(logits), dtype=torch.long))


def pair_logits(
    first: Tensor,
    second: Tensor,
    nonsemantic: Tensor | None = None,
    *,
    temperature: float,
    alpha: float = 1.0,
    others: tuple[Tensor, Tensor] | None = None,
    offset: int = 0,
) -> Tensor:
    """Returns the exponents of Eq. 1 for SimCLR: negatives are both views of all other images.

    Args:
        first: (N, C) float, first views of the images.
        second: (N, C) float, second views of the images.
        nonsemantic: (N, 2, M, C) float, NS of first and second views; None leaves the term out.
        temperature: See `contrastive_logits`.
        alpha: See `contrastive_logits`.
        others: Both views of the images of all ranks, (G, C) float each, including these N; None
            if there are no other ranks.
        offset: Position in ``others`` of the first of these N.

    Returns:
        (2 N, 1 + (2 G - 2) + M) float, the positive first, NS last.

    Raises:
        ValueError: If the temperature is not positive, or shapes do not match.
    """
    queries, positives = upcast(torch.cat([first, second])), upcast(torch.cat([second, first]))
    all_views = upcast(torch.cat(others or (first, second)))
    count, total = len(first), len(all_views) // 2
    image = torch.arange(count, device=queries.device).repeat(2) + offset
    same_image = torch.arange(2 * total, device=queries.device) % total == image[:, None]
    with _no_autocast(queries):
        cosines = queries @ all_views.T
        columns = [
            (queries * positives).sum(1, keepdim=True),
            cosines[~same_image].view(2 * count, 2 * total - 2),
        ]
        if nonsemantic is not None:
            columns.append(alpha * per_sample_cosines(queries, torch.cat(nonsemantic.unbind(1))))
        return torch.cat(columns, 1) / _check_temperature(temperature)


def byol_loss(
    prediction: Tensor,
    positive: Tensor,
    nonsemantic: Tensor | None = None,
    *,
    alpha: float = 1.0,
) -> Tensor:
    """Returns Eq. 2 as the mean of a batch: |z_i - z_p|^2 - alpha |z_i - z_ns|^2, mean over M NS.

    The paper prints it without the squares; BYOL's loss has them. While z_ns is near z_p the
    gradient is (1 - alpha) times BYOL's, so that alpha >= 1 stops learning.

    Args:
        prediction: (N, C) float, z_i, output of the online predictor.
        positive: (N, C) float, z_p, output of the target projector.
        nonsemantic: (N, M, C) float, z_ns, output of the target projector; None gives BYOL's loss.
        alpha: Weight of the NS term.
    """
    prediction = upcast(prediction)
    with _no_autocast(prediction):
        loss = 2 - 2 * (prediction * upcast(positive)).sum(1)
        if nonsemantic is not None:
            loss = loss - alpha * (2 - 2 * per_sample_cosines(prediction, nonsemantic)).mean(1)
        return loss.mean()


def nonsemantic_share(logits: Tensor, number: int) -> Tensor:
    """Returns the share of the NS term in the denominator of Eq. 1, mean of a batch, 0 to 1.

    With N' negatives instead of N the share stays equal, at an NS cosine of s, if alpha becomes
    alpha + (tau / s) ln(N' / N): the effect of alpha depends on the number of negatives.

    Args:
        logits: (N, …) float, NS last.
        number: M, number of NS per image.
    """
    if number == 0:
        return logits.new_zeros(())
    return logits.softmax(1)[:, -number:].sum(1).mean()


def upcast(embeddings: Tensor) -> Tensor:
    """Returns 16-bit embeddings as 32-bit floats, and others as they are."""
    narrow = embeddings.dtype in (torch.float16, torch.bfloat16)
    return embeddings.float() if narrow else embeddings


def per_sample_cosines(queries: Tensor, nonsemantic: Tensor) -> Tensor:
    """Returns the dot products of each query with the NS of its image: (N, C), (N, M, C) to (N, M).

    Raises:
        ValueError: If shapes do not match.
    """
    if nonsemantic.ndim != 3 or len(nonsemantic) != len(queries):
        # Einsum would broadcast the NS of one image to all queries.
        raise ValueError(f"NS of shape {tuple(nonsemantic.shape)} for {len(queries)} queries")
    return torch.einsum("nc,nmc->nm", queries, upcast(nonsemantic))


def _no_autocast(tensor: Tensor) -> torch.autocast:
    return torch.autocast(tensor.device.type, enabled=False)


def _check_temperature(temperature: float) -> float:
    if temperature <= 0:
        raise ValueError(f"temperature {temperature}: expected a number above 0")
    return temperature
