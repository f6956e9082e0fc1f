"""The losses compared with slow loops of the equations, and with other libraries."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NegativeCosineSimilarity, NTXentLoss
from pytorch_metric_learning.distances import DotProductSimilarity
from pytorch_metric_learning.losses import NTXentLoss as PairNTXentLoss

from texgen.train.losses import (
    byol_loss,
    contrastive_logits,
    contrastive_loss,
    nonsemantic_share,
    pair_logits,
)


def unit(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(*shape, generator=generator, dtype=torch.float64), dim=-1)


def eq1(query, positive, negatives, nonsemantic, temperature, alpha) -> float:
    """Equation 1 for one image, as a loop."""
    top = math.exp(float(query @ positive) / temperature)
    bottom = top
    for one in negatives:
        bottom += math.exp(float(query @ one) / temperature)
    for one in nonsemantic:
        bottom += math.exp(alpha * float(query @ one) / temperature)
    return -math.log(top / bottom)


sizes = st.integers(1, 4)
weights = st.floats(-1, 5)
temperatures = st.floats(0.05, 2)


@settings(deadline=None, max_examples=40)
@given(
    count=sizes, negatives=st.integers(0, 4), own=st.integers(0, 3), alpha=weights, t=temperatures
)
def test_contrastive_loss_is_the_mean_of_equation_1(count, negatives, own, alpha, t):
    q, p, n = unit(count, 5), unit(count, 5, seed=1), unit(negatives, 5, seed=2)
    ns = unit(count, own, 5, seed=3)
    loss = contrastive_loss(contrastive_logits(q, p, n, ns, temperature=t, alpha=alpha))
    slow = sum(eq1(q[i], p[i], n, ns[i], t, alpha) for i in range(count)) / count
    assert float(loss) == pytest.approx(slow, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(count=st.integers(2, 5), own=st.integers(1, 3), alpha=weights, t=temperatures)
def test_pair_loss_is_the_mean_of_equation_1_over_both_views(count, own, alpha, t):
    first, second, ns = unit(count, 5), unit(count, 5, seed=1), unit(count, 2, own, 5, seed=2)
    loss = contrastive_loss(pair_logits(first, second, ns, temperature=t, alpha=alpha))
    slow = 0.0
    for i in range(count):
        others = [z[j] for z in (first, second) for j in range(count) if j != i]
        slow += eq1(first[i], second[i], others, ns[i, 0], t, alpha)
        slow += eq1(second[i], first[i], others, ns[i, 1], t, alpha)
    assert float(loss) == pytest.approx(slow / (2 * count), abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(count=sizes, own=st.integers(1, 3), alpha=weights)
def test_byol_loss_is_equation_2_with_squares(count, own, alpha):
    z, p, ns = unit(count, 5), unit(count, 5, seed=1), unit(count, own, 5, seed=2)
    slow = 0.0
    for i in range(count):
        far = sum(float(((z[i] - one) ** 2).sum()) for one in ns[i]) / own
        slow += float(((z[i] - p[i]) ** 2).sum()) - alpha * far
    assert float(byol_loss(z, p, ns, alpha=alpha)) == pytest.approx(slow / count, abs=1e-12)


def test_simclr_without_ns_is_lightlys():
    first, second = unit(8, 16), unit(8, 16, seed=1)
    ours = contrastive_loss(pair_logits(first, second, temperature=0.2))
    theirs = NTXentLoss(temperature=0.2)(first, second)
    assert float(ours) == pytest.approx(float(theirs), abs=1e-12)


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0, 2.0, 3.0])
def test_simclr_with_ns_is_pytorch_metric_learnings_with_explicit_pairs(alpha):
    count, number = 6, 2
    first, second = unit(count, 16), unit(count, 16, seed=1)
    ns = unit(count, 2, number, 16, seed=2)
    ours = contrastive_loss(pair_logits(first, second, ns, temperature=0.2, alpha=alpha))
    everything = torch.cat([first, second, alpha * ns.transpose(0, 1).flatten(0, 2)])
    queries = list(range(2 * count))
    positive = [(i, (i + count) % (2 * count)) for i in queries]
    negative = [(i, j) for i in queries for j in queries if (i - j) % count]
    negative += [(i, 2 * count + i * number + m) for i in queries for m in range(number)]
    pairs = [
        torch.tensor(side) for group in (positive, negative) for side in zip(*group, strict=True)
    ]
    distance = DotProductSimilarity(normalize_embeddings=False)
    theirs = PairNTXentLoss(temperature=0.2, distance=distance)(
        everything, indices_tuple=tuple(pairs)
    )
    assert float(ours) == pytest.approx(float(theirs), abs=1e-12)


def test_byol_without_ns_is_lightlys():
    z, p = unit(8, 16), unit(8, 16, seed=1)
    theirs = 2 + 2 * NegativeCosineSimilarity()(z, p)
    assert float(byol_loss(z, p)) == pytest.approx(float(theirs), abs=1e-12)


def test_alpha_of_zero_is_not_the_baseline():
    q, p, n, ns = unit(4, 8), unit(4, 8, seed=1), unit(6, 8, seed=2), unit(4, 1, 8, seed=3)
    plain = contrastive_loss(contrastive_logits(q, p, n, temperature=0.2))
    zero = contrastive_loss(contrastive_logits(q, p, n, ns, temperature=0.2, alpha=0.0))
    assert float(zero) > float(plain)


def test_share_of_ns_is_their_part_of_the_denominator():
    logits = torch.log(torch.tensor([[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0]]))
    assert float(nonsemantic_share(logits, 2)) == pytest.approx((0.7 + 0.3) / 2)
    assert float(nonsemantic_share(logits, 0)) == 0.0


def test_equal_share_takes_the_alpha_that_the_number_of_negatives_says():
    """The formula in the docstring of `nonsemantic_share`, for negatives with a cosine of 0."""
    temperature, cosine, few, many = 0.2, 0.3, 126, 16384
    query, _, orthogonal = torch.eye(3, dtype=torch.float64)
    ns = torch.tensor([[[cosine, 0.0, math.sqrt(1 - cosine**2)]]], dtype=torch.float64)
    # The positive is one more negative to the formula.
    equal_alpha = 2 + temperature / cosine * math.log((few + 1) / (many + 1))
    shares = [
        nonsemantic_share(
            contrastive_logits(
                query[None],
                orthogonal[None],
                orthogonal.expand(negatives, 3),
                ns,
                temperature=temperature,
                alpha=alpha,
            ),
            1,
        )
        for negatives, alpha in ((many, 2.0), (few, equal_alpha))
    ]
    top = math.exp(2 * cosine / temperature)
    assert float(shares[0]) == pytest.approx(top / (many + 1 + top), abs=1e-12)
    assert float(shares[1]) == pytest.approx(float(shares[0]), abs=1e-12)


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
def test_logits_of_narrow_embeddings_are_computed_in_32_bits(kind):
    q, p, n = (unit(2, 8, seed=i).to(kind) for i in range(3))
    with torch.autocast("cpu", torch.bfloat16):
        logits = contrastive_logits(q, p, n, temperature=0.2)
    assert logits.dtype == torch.float32
    exact = contrastive_logits(q.double(), p.double(), n.double(), temperature=0.2)
    assert torch.allclose(logits.double(), exact, atol=1e-5)


@pytest.mark.parametrize("temperature", [0.0, -0.1])
def test_a_temperature_that_is_not_positive_is_refused(temperature):
    with pytest.raises(ValueError, match="above 0"):
        contrastive_logits(unit(1, 4), unit(1, 4), unit(1, 4), temperature=temperature)


@pytest.mark.parametrize("shape", [(1, 2, 8), (2, 4, 8), (4, 8)])
def test_ns_of_another_number_of_images_are_refused(shape):
    q, p, n = unit(4, 8), unit(4, 8, seed=1), unit(6, 8, seed=2)
    with pytest.raises(ValueError, match="for 4 queries"):
        contrastive_logits(q, p, n, unit(*shape, seed=3), temperature=0.2)
