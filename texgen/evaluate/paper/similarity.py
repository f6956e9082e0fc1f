"""Similarity of an image to its views, to other images and to its negatives (Figs. 2 and 3)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from texgen.core.errors import ConfigError
from texgen.dataset.random_access import TextureStore
from texgen.evaluate.config import SimilarityConfig
from texgen.evaluate.run import TrainedRun
from texgen.train.config_checks import check_patches
from texgen.train.data import augmentation_of
from texgen.train.images import ImageSet
from texgen.train.loader import LoaderSpec, make_loader, raise_sample_errors
from texgen.train.negatives import (
    Negatives,
    PatchNegatives,
    Queries,
    TextureNegatives,
    check_textures,
)
from texgen.train.networks import without_bn_tracking
from texgen.train.pairs import ContrastiveDataset

BINS = 50
"""Number of bins of cosines from -1 to 1."""
MODES = ("eval", "batch")
"""Batch normalisation by running statistics, or by each set's own batch as in training."""

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class _Cosines:
    """Cosines of one mode: a number per image, and counts of all pairs of different images."""

    per_image: dict[str, list[FloatArray]] = field(default_factory=dict)
    pairs: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))


def measure_similarity(
    run: TrainedRun, images: ImageSet, store: TextureStore | None, config: SimilarityConfig
) -> dict[str, Any]:
    """Cosines of an image's first view to its second, other images' second, patches and texture.

    Embeddings are those of the encoder with its head, of unit length, as the loss sees them (for
    BYOL before its predictor). Views and NS are made as in training. The encoder does not change.
    With a store of textures, images without a texture are left out; without it, texture NS are.

    Returns:
        ``images``, ``batch_size`` and ``patch_range``, and for each of `MODES`: ``cosines`` by
        kind, each with ``mean``, its standard error ``se`` over images, ``sd`` and ``counts`` in
        `BINS` bins from -1 to 1; and ``rel``, the relative hardness of each NS.

    Raises:
        ConfigError: If there are fewer than two images, or no image has a texture.
        DatasetError: If a texture is damaged.
    """
    positions = np.arange(len(images.keys))
    check_patches(config.patch_range, run.config.size)
    makers: dict[str, Negatives] = {"patch": PatchNegatives(1, config.patch_range)}
    if store is not None:
        positions, _ = check_textures(images, store, "skip")
        makers["texture"] = TextureNegatives(1, images, store)
    chosen = np.random.default_rng(config.seed).permutation(positions)[: config.images]
    batch = min(config.batch, len(chosen))
    # A single image has no negatives, and its batch statistics mean nothing.
    if batch < 2:
        raise ConfigError("similarities need at least two images; raise --images, or name more")
    chosen = chosen[: len(chosen) // batch * batch]
    cosines = {mode: _Cosines() for mode in MODES}
    for batch_images in _batches(run, images, makers, chosen, batch, config.seed):
        for mode in MODES:
            with _normalisation_mode(run.encoder, mode):
                embeddings = {k: _embed(run.encoder, v) for k, v in batch_images.items()}
                _add(cosines[mode], embeddings)
    return {
        "images": len(chosen),
        "batch_size": batch,
        "patch_range": list(config.patch_range),
        **{mode: _summary(one) for mode, one in cosines.items()},
    }


@contextlib.contextmanager
def _normalisation_mode(encoder: nn.Module, mode: str) -> Iterator[None]:
    """Switches batch normalisation to a mode without changing its running statistics."""
    if mode == "eval":
        yield
        return
    with without_bn_tracking(encoder):
        encoder.train()
        try:
            yield
        finally:
            encoder.eval()


@torch.no_grad()
def _embed(encoder: nn.Module, images: Tensor) -> Tensor:
    return F.normalize(encoder(images).double(), dim=1)


def _add(cosines: _Cosines, z: dict[str, Tensor]) -> None:
    """Adds a batch; ``z`` has the views ``first`` and ``second`` and each kind of NS, (B, C)."""
    pairs = (z["first"] @ z["second"].T).cpu().numpy()
    other = ~np.eye(len(pairs), dtype=bool)
    values = {
        "positive": pairs.diagonal().copy(),
        # The mean over the other images gives one number per image, as for the other kinds.
        "negative": np.where(other, pairs, 0.0).sum(1) / (len(pairs) - 1),
    }
    for name in z.keys() - {"first", "second"}:
        values[name] = (z["first"] * z[name]).sum(1).cpu().numpy()
    for name, one in values.items():
        cosines.per_image.setdefault(name, []).append(one)
    cosines.pairs += _binned(pairs[other])


def _binned(values: FloatArray) -> NDArray[np.int64]:
    return np.histogram(values.clip(-1, 1), BINS, (-1, 1))[0].astype(np.int64)


def _summary(cosines: _Cosines) -> dict[str, Any]:
    values = {name: np.concatenate(parts) for name, parts in cosines.per_image.items()}
    kinds = [name for name in ("positive", "negative", "patch", "texture") if name in values]
    return {
        "cosines": {
            name: {
                "mean": float(values[name].mean()),
                "se": float(values[name].std(ddof=1) / np.sqrt(len(values[name]))),
                "sd": float(values[name].std(ddof=1)),
                "counts": (cosines.pairs if name == "negative" else _binned(values[name])).tolist(),
            }
            for name in kinds
        },
        "rel": {
            name: relative_hardness(values["positive"], values["negative"], values[name])
            for name in kinds[2:]
        },
    }


def relative_hardness(
    positive: FloatArray, negative: FloatArray, nonsemantic: FloatArray
) -> dict[str, float]:
    """(NS - negative) / (positive - negative) of the means of each image's cosines, (n,) each.

    It is 0 for an easy negative and 1 for one as hard as a positive.

    Returns:
        ``value`` and its standard error ``se`` by the jackknife over images.

    Raises:
        ConfigError: If positives are exactly as similar as negatives, or cosines are not finite.
    """
    count = len(positive)
    sums = np.stack([positive, negative, nonsemantic])
    gap = positive.mean() - negative.mean()
    if not abs(gap) > 1e-12:
        raise ConfigError(
            f"positive and negative cosines differ by {gap:g}: the encoder has collapsed; evaluate "
            "an earlier checkpoint"
        )
    value = _relative(sums.mean(1))
    without_one = _relative((sums.sum(1, keepdims=True) - sums) / (count - 1))
    error = np.sqrt((count - 1) / count * ((without_one - without_one.mean()) ** 2).sum())
    return {"value": float(value), "se": float(error)}


def _relative(means: FloatArray) -> Any:  # noqa: ANN401 - a number or an array
    positive, negative, nonsemantic = means
    return (nonsemantic - negative) / (positive - negative)


def _of_all_kinds(makers: list[Negatives], queries: Queries) -> Tensor:
    return torch.cat([make(queries) for make in makers], 1)


def _batches(
    run: TrainedRun,
    images: ImageSet,
    makers: dict[str, Negatives],
    chosen: NDArray[np.int64],
    batch: int,
    seed: int,
) -> Iterator[dict[str, Tensor]]:
    """Batches of both views and each kind of NS, (B, 3, S, S) each."""
    negatives = partial(_of_all_kinds, list(makers.values()))
    pairs = ContrastiveDataset(images, augmentation_of(run.config), negatives, 1, seed)
    pixels = (2 + len(makers)) * 3 * run.config.size**2
    spec = LoaderSpec(run.workers, batch, pixels)
    # The samples are those that training has in epoch 0 with this seed.
    order = [(0, int(position)) for position in chosen]
    for sample in raise_sample_errors(make_loader(pairs, spec, order)):
        ns = dict(zip(makers, sample["nonsemantic"][:, 0].unbind(1), strict=True))
        views = {"first": sample["first"], "second": sample["second"]}
        yield {name: part.to(run.device) for name, part in {**views, **ns}.items()}
