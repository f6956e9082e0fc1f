"""The losses for training loops of others: equal to the trainer's, and misuse has one line."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from lightly.loss import NTXentLoss
from torch import nn

import texgen
from tests.support.ranks import both_answers
from texgen.core.errors import ArgumentError, TexgenError
from texgen.losses import byol_loss, embed_textures, moco_loss, simclr_loss
from texgen.train import losses
from texgen.train.methods import BYOL, MoCo, SimCLR


def rows(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)


def unit(tensor: torch.Tensor) -> torch.Tensor:
    return F.normalize(tensor, dim=-1)


@settings(deadline=None, max_examples=25)
@given(
    count=st.integers(2, 5),
    own=st.integers(1, 3),
    alpha=st.floats(0, 4),
    temperature=st.floats(0.05, 2),
    scale=st.floats(0.1, 50),
)
def test_any_length_of_embeddings_gives_the_trainers_own_loss(
    count, own, alpha, temperature, scale
):
    a, b, bank, ns = rows(count, 6), rows(count, 6, seed=1), rows(7, 6, seed=2), rows(count, own, 6)
    given_ns = {"temperature": temperature, "alpha": alpha}
    moco = losses.contrastive_logits(unit(a), unit(b), unit(bank), unit(ns), **given_ns)
    ours = moco_loss(scale * a, b, bank, scale * ns, **given_ns)
    assert float(ours) == pytest.approx(float(losses.contrastive_loss(moco)), abs=1e-12)
    both = torch.stack([unit(ns), unit(ns)], 1)
    pairs = losses.contrastive_loss(losses.pair_logits(unit(a), unit(b), both, **given_ns))
    assert float(simclr_loss(a, scale * b, ns, **given_ns)) == pytest.approx(
        float(pairs), abs=1e-12
    )
    own_byol = losses.byol_loss(unit(a), unit(b), unit(ns), alpha=alpha)
    assert float(byol_loss(a, scale * b, ns, alpha=alpha)) == pytest.approx(
        float(own_byol), abs=1e-12
    )


def encoder() -> nn.Module:
    layers = [nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8, 6)).double()


def test_a_loop_with_these_calls_has_the_loss_and_gradients_of_the_trainers_simclr():
    first, second = rows(4, 3, 9, 9), rows(4, 3, 9, 9, seed=1)
    ns = rows(4, 2, 2, 3, 9, 9, seed=2)
    mine, theirs = encoder(), encoder()
    theirs.load_state_dict(mine.state_dict())
    trainer = SimCLR(theirs, temperature=0.3, alpha=1.5)(first, second, ns)["loss"]
    trainer.backward()
    z_1, z_2 = mine(first), mine(second)
    z_ns = [embed_textures(mine, ns[:, view]) for view in range(2)]
    loss = simclr_loss(z_1, z_2, z_ns, temperature=0.3, alpha=1.5)
    loss.backward()
    assert loss.item() == pytest.approx(trainer.item(), abs=1e-12)
    for name, parameter in mine.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs.get_parameter(name).grad)
    for name, buffer in mine.named_buffers():
        torch.testing.assert_close(buffer, theirs.get_buffer(name))


def test_a_loop_with_these_calls_has_the_loss_of_the_trainers_moco_and_byol():
    first, second = rows(4, 3, 9, 9), rows(4, 3, 9, 9, seed=1)
    ns = rows(4, 2, 1, 3, 9, 9, seed=2)
    moco = MoCo(encoder(), dim=6, queue_size=8, momentum=0.9, temperature=0.2, alpha=2).double()
    # The queue was normalised in 32 bits.
    moco.queue.copy_(unit(moco.queue))
    z_ns = embed_textures(moco.key_encoder, ns[:, 0, 0])
    bank = moco.queue.clone()
    loss = moco_loss(moco.encoder(first), moco.key_encoder(second), bank, z_ns)
    assert float(loss) == pytest.approx(float(moco(first, second, ns[:, :1])["loss"]), abs=1e-12)

    byol = BYOL(encoder(), dim=6, hidden=8, momentum=0.9, alpha=0.05).double()
    halves = [
        byol_loss(
            byol.predictor(byol.encoder(view)),
            byol.target(other),
            embed_textures(byol.target, ns[:, number]),
        )
        for number, (view, other) in enumerate([(first, second), (second, first)])
    ]
    assert float(sum(halves)) == pytest.approx(float(byol(first, second, ns)["loss"]), abs=1e-12)


def test_without_textures_simclr_is_lightlys_for_embeddings_as_they_are():
    a, b = rows(8, 16), rows(8, 16, seed=1)
    assert float(simclr_loss(a, b, temperature=0.5)) == pytest.approx(
        float(NTXentLoss(temperature=0.5)(a, b)), abs=1e-12
    )


def test_textures_get_no_gradient_and_change_no_running_statistics():
    network = encoder()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    one = embed_textures(network, rows(4, 3, 9, 9))
    several = embed_textures(network, rows(4, 2, 3, 9, 9))
    assert (one.shape, several.shape) == ((4, 6), (4, 2, 6))
    assert not one.requires_grad
    assert torch.allclose(one.norm(dim=-1), torch.ones(4, dtype=torch.float64))
    assert all(torch.equal(buffer, before[name]) for name, buffer in network.named_buffers())
    assert network[1].track_running_stats


def test_autocasts_bfloat16_beside_float32_gives_a_float32_loss_near_the_exact_one():
    a, b = rows(6, 16), rows(6, 16, seed=1)
    bank, ns = rows(9, 16, seed=2), rows(6, 16, seed=3)
    exact = float(moco_loss(a, b, bank, ns))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        mixed = moco_loss(a.bfloat16().requires_grad_(), b.bfloat16(), bank.float(), ns.half())
    assert mixed.dtype == torch.float32
    assert float(mixed) == pytest.approx(exact, rel=0.02)
    mixed.backward()


def nan(tensor: torch.Tensor) -> torch.Tensor:
    tensor[0, 0] = float("nan")
    return tensor


A, B, BANK = rows(4, 6), rows(4, 6, seed=1), rows(8, 6, seed=2)

MISUSE = {
    "query (6,) float64: expected (N, C)": lambda: moco_loss(A[0], B, BANK),
    "query (4, 6) float64 and key (3, 6) float64 differ": lambda: moco_loss(A, B[:3], BANK),
    "queue (6, 8) float64 and query (4, 6) float64 differ in C; pass queue.T": (
        lambda: moco_loss(A, B, BANK.T)
    ),
    "query (0, 6) float64: the batch is empty": lambda: moco_loss(A[:0], B[:0], BANK),
    "no negatives: queue is empty and textures is None": lambda: moco_loss(A, B, BANK[:0]),
    "no negatives: the batch has one image and textures is None": (
        lambda: simclr_loss(A[:1], B[:1])
    ),
    "textures (3, 6) float64: expected (4, 6) or (4, M, 6)": (lambda: moco_loss(A, B, BANK, A[:3])),
    "textures (4, 3, 9, 9) float64: expected (4, 6) or (4, M, 6)": (
        lambda: moco_loss(A, B, BANK, rows(4, 3, 9, 9))
    ),
    "textures (4, 0, 6) float64: expected (4, 6) or (4, M, 6)": (
        lambda: byol_loss(A, B, rows(4, 0, 6))
    ),
    "textures has 3 parts: expected one for each of 2 views": (
        lambda: simclr_loss(A, B, [A, A, A])
    ),
    "textures[0] ndarray: expected a floating-point tensor": (lambda: simclr_loss(A, B, A.numpy())),
    "textures[0] int: expected a floating-point tensor": lambda: simclr_loss(A, B, 5),
    "textures[0] (4, 1, 6) float64 and textures[1] (4, 2, 6) float64 differ": (
        lambda: simclr_loss(A, B, [A, rows(4, 2, 6)])
    ),
    "key (4, 6) int64: expected a floating-point tensor": (
        lambda: moco_loss(A, torch.ones(4, 6, dtype=torch.long), BANK)
    ),
    "key NoneType: expected a floating-point tensor": lambda: moco_loss(A, None, BANK),
    "key is on meta, query on cpu": lambda: moco_loss(A, B.to("meta"), BANK),
    "textures is on meta, the queries on cpu": lambda: moco_loss(A, B, BANK, A.to("meta")),
    "key: 1 of 4 rows hold NaN or infinity": lambda: moco_loss(A, nan(B.clone()), BANK),
    "textures[1]: 1 of 4 rows hold NaN or infinity": (
        lambda: simclr_loss(A, B, [A, nan(A.clone())])
    ),
    "temperature 0: expected a number above 0": lambda: simclr_loss(A, B, temperature=0),
    "alpha -1 would attract textures: expected 0 or more": lambda: byol_loss(A, B, A, alpha=-1),
    "textures (4, 6) float64: expected images (N, 3, H, W) or (N, M, 3, H, W)": (
        lambda: embed_textures(encoder(), A)
    ),
}


@pytest.mark.parametrize("line", MISUSE)
def test_misuse_is_an_error_of_one_line_that_names_the_argument(line):
    with pytest.raises(ArgumentError) as caught:
        MISUSE[line]()
    assert str(caught.value) == line
    assert isinstance(caught.value, ValueError | TexgenError)


def test_a_loop_with_a_gradient_scaler_can_leave_nan_to_it():
    assert moco_loss(A, nan(B.clone()), BANK, check_finite=False).isnan()


def test_the_losses_are_in_the_package():
    assert texgen.losses.moco_loss is moco_loss
    assert sorted(texgen.losses.__all__) == texgen.losses.__all__


def one_rank(rank: int, place: str, answers: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    try:
        a, b, ns = (rows(4, 6, seed=seed)[2 * rank : 2 * rank + 2] for seed in range(3))
        a.requires_grad_()
        loss = simclr_loss(a, b, ns, gather_distributed=True)
        loss.backward()
        answers.put((rank, float(loss.detach()), a.grad.numpy()))
    finally:
        dist.destroy_process_group()


@pytest.mark.integration
def test_two_ranks_that_gather_have_the_loss_and_gradient_of_one_with_all_images(tmp_path):
    found = both_answers(one_rank, tmp_path)
    a, b, ns = (rows(4, 6, seed=seed) for seed in range(3))
    a.requires_grad_()
    loss = simclr_loss(a, b, ns)
    loss.backward()
    assert sum(one[1] for one in found) / 2 == pytest.approx(float(loss.detach()), abs=1e-12)
    # DistributedDataParallel averages the gradients of ranks.
    gradient = torch.cat([torch.from_numpy(one[2]) for one in found]) / 2
    assert torch.allclose(gradient, a.grad, atol=1e-12)
