"""The paper's two losses as pure functions (Ge et al. 2021, arXiv 2110.14189).

N images, C dimensions of an embedding, K negatives, M non-semantic negatives (NS) an image.
All embeddings are of unit length, so that dot products are cosines. Logits are computed in
32 bits at least, whatever the embeddings came in.
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
    """Eq. 1's exponents: positive, negatives, and alpha times NS, over the temperature.

    Args:
        query: (N, C), z_i.
        positive: (N, C), z_p.
        negatives: (K, C), z_n, the same for all queries.
        nonsemantic: (N, M, C), z_ns of each query's own image. None leaves the term out, which
            is not what alpha = 0 does: that adds M to the denominator.
        temperature: tau > 0.
        alpha: Multiplies the NS cosines, before the temperature.

    Returns:
        (N, 1 + K + M), the positive first, NS last.

    Raises:
        ValueError: If the temperature is not positive, or shapes do not fit.
    """
    query, positive, negatives = map(upcast, (query, positive, negatives))
    with _no_autocast(query):
        columns = [(query * positive).sum(1, keepdim=True), query @ negatives.T]
        if nonsemantic is not None:
            columns.append(alpha * per_sample_cosines(query, nonsemantic))
        return torch.cat(columns, 1) / _checked(temperature)


def contrastive_loss(logits: Tensor) -> Tensor:
    """Eq. 1, the batch's mean: -log of the positive's share of the sum of all exponentials.

    Args:
        logits: (N, 1 + …), of `contrastive_logits` or `pair_logits`, the positive first.
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
    """Eq. 1's exponents for SimCLR: each view's negatives are both views of all other images.

    Args:
        first: (N, C), the images' first views.
        second: (N, C), their second views.
        nonsemantic: (N, 2, M, C), of first and second views; None leaves the term out.
        temperature: See `contrastive_logits`.
        alpha: See `contrastive_logits`.
        others: Both views of the images of all processes, (G, C) each, these N among them; by
            default there are no others.
        offset: Where among them these N begin.

    Returns:
        (2 N, 1 + (2 G - 2) + M), the positive first, NS last.

    Raises:
        ValueError: If the temperature is not positive, or shapes do not fit.
    """
    queries, positives = upcast(torch.cat([first, second])), upcast(torch.cat([second, first]))
    everything = upcast(torch.cat(others or (first, second)))
    count, total = len(first), len(everything) // 2
    image = torch.arange(count, device=queries.device).repeat(2) + offset
    own = torch.arange(2 * total, device=queries.device) % total == image[:, None]
    with _no_autocast(queries):
        cosines = queries @ everything.T
        columns = [
            (queries * positives).sum(1, keepdim=True),
            cosines[~own].view(2 * count, 2 * total - 2),
        ]
        if nonsemantic is not None:
            columns.append(alpha * per_sample_cosines(queries, torch.cat(nonsemantic.unbind(1))))
        return torch.cat(columns, 1) / _checked(temperature)


def byol_loss(
    prediction: Tensor,
    positive: Tensor,
    nonsemantic: Tensor | None = None,
    *,
    alpha: float = 1.0,
) -> Tensor:
    """Eq. 2, the batch's mean: |z_i - z_p|^2 - alpha |z_i - z_ns|^2, the mean over M NS.

    The paper's text prints it without the squares; BYOL's own loss has them. While z_ns is
    near z_p the gradient is (1 - alpha) times BYOL's, so that alpha >= 1 stops learning.

    Args:
        prediction: (N, C), of the online predictor, z_i.
        positive: (N, C), of the target projector, z_p.
        nonsemantic: (N, M, C), of the target projector, z_ns; None gives BYOL's loss.
        alpha: Weight of the NS term.
    """
    prediction = upcast(prediction)
    with _no_autocast(prediction):
        loss = 2 - 2 * (prediction * upcast(positive)).sum(1)
        if nonsemantic is not None:
            loss = loss - alpha * (2 - 2 * per_sample_cosines(prediction, nonsemantic)).mean(1)
        return loss.mean()


def nonsemantic_share(logits: Tensor, number: int) -> Tensor:
    """The part of Eq. 1's denominator that is the NS term, the batch's mean, 0 to 1.

    An equal share with N' negatives instead of N takes alpha + (tau / s) ln(N' / N) at an NS
    cosine of s: what alpha means depends on the number of negatives.

    Args:
        logits: (N, …), NS last.
        number: M, of NS an image.
    """
    if number == 0:
        return logits.new_zeros(())
    return logits.softmax(1)[:, -number:].sum(1).mean()


def upcast(embeddings: Tensor) -> Tensor:
    """The same numbers in 32 bits at least."""
    narrow = embeddings.dtype in (torch.float16, torch.bfloat16)
    return embeddings.float() if narrow else embeddings


def per_sample_cosines(queries: Tensor, nonsemantic: Tensor) -> Tensor:
    """(N, C) and (N, M, C) to (N, M)."""
    if nonsemantic.ndim != 3 or len(nonsemantic) != len(queries):
        # Einsum would take one image's NS for all.
        message = f"NS of shape {tuple(nonsemantic.shape)} for {len(queries)} queries"
        raise ValueError(message)
    return torch.einsum("nc,nmc->nm", queries, upcast(nonsemantic))


def _no_autocast(tensor: Tensor) -> torch.autocast:
    return torch.autocast(tensor.device.type, enabled=False)


def _checked(temperature: float) -> float:
    if temperature <= 0:
        message = f"temperature {temperature}: expected a number above 0"
        raise ValueError(message)
    return temperature
