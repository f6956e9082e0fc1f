"""The losses for training loops of others: checked, and normalised as those loops expect.

They compute what `texgen.train.losses` does. The trainer's own functions take embeddings of unit
length and check little, because the trainer makes those embeddings itself.
"""

from __future__ import annotations

import functools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from texgen.core.errors import ArgumentError
from texgen.train import losses
from texgen.train.distributed import all_gather_with_gradient, rank_and_world_size
from texgen.train.methods import embed, embed_sets
from texgen.train.networks import without_bn_tracking


@torch.no_grad()
def embed_textures(encoder: nn.Module, textures: Tensor) -> Tensor:
    """Embeds textures without gradient, and leaves the encoder's running statistics unchanged.

    Textures in the batch statistics that evaluation uses lower the accuracy.

    Args:
        encoder: Maps (N, 3, H, W) to (N, C); for MoCo and BYOL the momentum encoder.
        textures: (N, 3, H, W) float, or (N, M, 3, H, W) with M textures per image, each set of N
            of which is embedded as a separate batch.

    Returns:
        (N, C) or (N, M, C) of unit length, in 32 bits or more.

    Raises:
        ArgumentError: If ``textures`` has another shape.
    """
    if not isinstance(textures, Tensor) or textures.ndim not in (4, 5):
        raise ArgumentError(
            f"textures {_described(textures)}: expected images (N, 3, H, W) or (N, M, 3, H, W)"
        )
    with without_bn_tracking(encoder):
        if textures.ndim == 4:
            return embed(encoder, textures)
        return embed_sets(lambda part: embed(encoder, part), textures)


def moco_loss(
    query: Tensor,
    key: Tensor,
    queue: Tensor,
    textures: Tensor | None = None,
    *,
    temperature: float = 0.2,
    alpha: float = 2.0,
    check_finite: bool = True,
) -> Tensor:
    """Returns the loss of MoCo with textures as negatives (Ge et al. 2021, Eq. 1).

    Embeddings may have any length and any floating-point type, also mixed ones as under autocast;
    the loss is computed in 32 bits or more.

    Args:
        query: (N, C) embeddings of the queries.
        key: (N, C) embeddings of the keys, by the momentum encoder.
        queue: (K, C) earlier keys. Some libraries keep (C, K): pass its transpose.
        textures: (N, C) or (N, M, C) embeddings of each image's textures, see `embed_textures`;
            None leaves the term out.
        temperature: tau > 0.
        alpha: Factor on the cosines of the textures, 0 or more.
        check_finite: Whether NaN or infinite embeddings are an error, which waits for the device
            once per step. Set it to False with a `GradScaler`, which skips such steps itself.

    Raises:
        ArgumentError: If a shape, type, device or value is wrong, or there are no negatives.
    """
    q, k, bank = _matched(query=query, key=key, queue=queue)
    _check_same_shape("query", q, "key", k)
    ns = None if textures is None else _sets("textures", textures, q)
    if not len(bank) and ns is None:
        raise ArgumentError("no negatives: queue is empty and textures is None")
    _check_factors(temperature, alpha)
    logits = losses.contrastive_logits(q, k, bank, ns, temperature=temperature, alpha=alpha)
    loss = losses.contrastive_loss(logits)
    given = {"query": query, "key": key, "queue": queue, "textures": textures}
    return _checked(loss, given) if check_finite else loss


def simclr_loss(
    first: Tensor,
    second: Tensor,
    textures: Tensor | tuple[Tensor, Tensor] | list[Tensor] | None = None,
    *,
    temperature: float = 0.2,
    alpha: float = 2.0,
    gather_distributed: bool = False,
    check_finite: bool = True,
) -> Tensor:
    """Returns the loss of SimCLR (NT-Xent) with textures as negatives (Ge et al. 2021, Eq. 1).

    See `moco_loss` for types and lengths of embeddings, and for the other arguments.

    Args:
        first: (N, C) embeddings of the first views.
        second: (N, C) embeddings of the second views.
        textures: (N, C) or (N, M, C) embeddings of the textures for the queries of both views, or
            two of them, for those of the first and of the second view; None leaves the term out.
        temperature: tau > 0.
        alpha: Factor on the cosines of the textures, 0 or more.
        gather_distributed: Whether images of all ranks are negatives; each rank has N of them.
        check_finite: See `moco_loss`.

    Raises:
        ArgumentError: If a shape, type, device or value is wrong, or there are no negatives.
    """
    a, b = _matched(first=first, second=second)
    _check_same_shape("first", a, "second", b)
    given: dict[str, Tensor | None] = {"first": first, "second": second}
    ns = None
    if textures is not None:
        pair = textures if isinstance(textures, tuple | list) else (textures, textures)
        if len(pair) != 2:
            raise ArgumentError(f"textures has {len(pair)} parts: expected one for each of 2 views")
        given |= {"textures[0]": pair[0], "textures[1]": pair[1]}
        sets = [_sets(f"textures[{view}]", part, a) for view, part in enumerate(pair)]
        _check_same_shape("textures[0]", sets[0], "textures[1]", sets[1])
        ns = torch.stack(sets, 1)
    rank, ranks = rank_and_world_size() if gather_distributed else (0, 1)
    if len(a) * ranks < 2 and ns is None:
        raise ArgumentError("no negatives: the batch has one image and textures is None")
    _check_factors(temperature, alpha)
    others = (all_gather_with_gradient(a), all_gather_with_gradient(b)) if ranks > 1 else None
    logits = losses.pair_logits(
        a, b, ns, temperature=temperature, alpha=alpha, others=others, offset=rank * len(a)
    )
    loss = losses.contrastive_loss(logits)
    return _checked(loss, given) if check_finite else loss


def byol_loss(
    prediction: Tensor,
    target: Tensor,
    textures: Tensor | None = None,
    *,
    alpha: float = 0.05,
    check_finite: bool = True,
) -> Tensor:
    """Returns the loss of BYOL with textures as negatives, for one view (Ge et al. 2021, Eq. 2).

    BYOL adds the losses of both views. See `moco_loss` for types and lengths of embeddings.

    Args:
        prediction: (N, C) outputs of the online predictor.
        target: (N, C) outputs of the target projector for the other view.
        textures: (N, C) or (N, M, C) outputs of the target projector; None leaves the term out.
        alpha: Weight of the textures, 0 or more; 1 or more stops learning.
        check_finite: See `moco_loss`.

    Raises:
        ArgumentError: If a shape, type, device or value is wrong.
    """
    p, t = _matched(prediction=prediction, target=target)
    _check_same_shape("prediction", p, "target", t)
    ns = None if textures is None else _sets("textures", textures, p)
    _check_factors(1.0, alpha)
    loss = losses.byol_loss(p, t, ns, alpha=alpha)
    given = {"prediction": prediction, "target": target, "textures": textures}
    return _checked(loss, given) if check_finite else loss


def _matched(**named: Tensor) -> list[Tensor]:
    """Returns embeddings with unit length in their widest type, of 32 bits or more."""
    (head, query), *_ = named.items()
    for name, tensor in named.items():
        _check_floating(name, tensor)
        if tensor.ndim != 2:
            raise ArgumentError(f"{name} {_described(tensor)}: expected (N, C)")
        _check_device(name, tensor, head, query)
        if tensor.shape[1] != query.shape[1]:
            hint = f"; pass {name}.T" if tensor.shape[0] == query.shape[1] else ""
            raise ArgumentError(
                f"{name} {_described(tensor)} and {head} {_described(query)} differ in C{hint}"
            )
    if not len(query):
        raise ArgumentError(f"{head} {_described(query)}: the batch is empty")
    widest = functools.reduce(torch.promote_types, (t.dtype for t in named.values()), torch.float32)
    return [F.normalize(tensor.to(widest), dim=-1) for tensor in named.values()]


def _sets(name: str, textures: Tensor, queries: Tensor) -> Tensor:
    """Returns textures' embeddings (N, M, C) with unit length in the type of ``queries``."""
    _check_floating(name, textures)
    _check_device(name, textures, "the queries", queries)
    sets = textures[:, None] if textures.ndim == 2 else textures
    count, size = queries.shape
    if sets.ndim != 3 or (sets.shape[0], sets.shape[2]) != (count, size) or not sets.shape[1]:
        raise ArgumentError(
            f"{name} {_described(textures)}: expected ({count}, {size}) or ({count}, M, {size})"
        )
    return F.normalize(sets.to(queries.dtype), dim=-1)


def _check_floating(name: str, tensor: object) -> None:
    if not isinstance(tensor, Tensor) or not tensor.is_floating_point():
        raise ArgumentError(f"{name} {_described(tensor)}: expected a floating-point tensor")


def _check_device(name: str, tensor: Tensor, head: str, query: Tensor) -> None:
    if tensor.device != query.device:
        raise ArgumentError(f"{name} is on {tensor.device}, {head} on {query.device}")


def _check_same_shape(head: str, one: Tensor, name: str, other: Tensor) -> None:
    if one.shape != other.shape:
        raise ArgumentError(f"{head} {_described(one)} and {name} {_described(other)} differ")


def _check_factors(temperature: float, alpha: float) -> None:
    if not temperature > 0:
        raise ArgumentError(f"temperature {temperature}: expected a number above 0")
    if not alpha >= 0:
        raise ArgumentError(f"alpha {alpha} would attract textures: expected 0 or more")


def _checked(loss: Tensor, given: dict[str, Tensor | None]) -> Tensor:
    if torch.compiler.is_compiling() or bool(loss.isfinite()):
        return loss
    for name, tensor in given.items():
        if tensor is not None and (bad := int((~tensor.isfinite()).flatten(1).any(1).sum())):
            raise ArgumentError(f"{name}: {bad} of {len(tensor)} rows hold NaN or infinity")
    raise ArgumentError(f"the loss is {float(loss)}: temperature or alpha is too extreme")


def _described(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    return type(value).__name__
