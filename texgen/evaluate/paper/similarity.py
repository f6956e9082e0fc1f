"""How similar an image is to its views, to other images and to its negatives (Figs. 2 and 3)."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from texgen.core.errors import ConfigError
from texgen.dataset.random_access import TextureStore
from texgen.evaluate.config import SimilarityConfig
from texgen.evaluate.run import TrainedRun, check_unchanged
from texgen.train.augment import ViewParameters
from texgen.train.config import check_patches
from texgen.train.data import augmentation_of
from texgen.train.images import ImageSet
from texgen.train.loader import LoaderSpec, make_loader, raise_sample_errors
from texgen.train.negatives import (
    Negatives,
    PatchNegatives,
    TextureNegatives,
    check_textures,
)
from texgen.train.networks import without_bn_tracking
from texgen.train.pairs import ContrastiveDataset, Sample

BINS = 50
MODES = ("eval", "batch")
"""Batch normalisation by running statistics, and by each set's own batch as in training."""

FloatArray = NDArray[np.float64]


@dataclass(slots=True)
class _Cosines:
    """Of one mode: a number an image, and all pairs of different images in bins."""

    of_images: dict[str, list[FloatArray]] = field(default_factory=dict)
    pairs: NDArray[np.int64] = field(default_factory=lambda: np.zeros(BINS, np.int64))


def similarity(
    run: TrainedRun, photographs: ImageSet, store: TextureStore | None, config: SimilarityConfig
) -> dict[str, Any]:
    """Cosines of a photograph's first view with its second, others' second, patch and texture NS.

    Embeddings are of the encoder with its head, of unit length, as the loss sees them (for BYOL
    before its predictor). Views and NS are made as in training. The encoder stays as it is.

    Args:
        run: The encoder, with its head.
        photographs: Those to draw from.
        store: Their textures; None leaves texture NS out. Photographs without one are left out.
        config: What is looked at.

    Returns:
        For each of `MODES`: ``cosines`` by kind, each with ``mean``, its standard error ``se``
        over images, ``sd`` and ``counts`` in `BINS` bins from -1 to 1; and ``rel``, the relative
        hardness of each NS.

    Raises:
        ConfigError: If there is less than a batch, or no photograph has a texture.
        DatasetError: If a texture is damaged.
    """
    positions = np.arange(len(photographs.keys))
    check_patches(config.patch_range, run.config.size)
    makers: dict[str, Negatives] = {"patch": PatchNegatives(1, config.patch_range)}
    if store is not None:
        positions, _ = check_textures(photographs, store, "skip")
        makers["texture"] = TextureNegatives(1, photographs, store)
    chosen = np.random.default_rng(config.seed).permutation(positions)[: config.images]
    batch = min(config.batch, len(chosen))
    # Batch normalisation by one image alone says nothing, and has no negatives.
    if batch < 2:
        raise ConfigError("similarities take two photographs at least")
    chosen = chosen[: len(chosen) // batch * batch]
    found = {mode: _Cosines() for mode in MODES}
    with check_unchanged(run.encoder):
        for sets in _sets(run, photographs, makers, chosen, batch, config.seed):
            for mode in MODES:
                with _mode(run.encoder, mode):
                    _add(found[mode], {k: _embed(run.encoder, v) for k, v in sets.items()})
    return {
        "images": len(chosen),
        "batch_size": batch,
        "patch_range": list(config.patch_range),
        **{mode: _summary(cosines) for mode, cosines in found.items()},
    }


@contextlib.contextmanager
def _mode(encoder: nn.Module, mode: str) -> Iterator[None]:
    """Batch statistics never become running ones."""
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
    """``z`` holds the views ``first`` and ``second`` and each kind of NS, all (B, C)."""
    pairs = (z["first"] @ z["second"].T).cpu().numpy()
    other = ~np.eye(len(pairs), dtype=bool)
    values = {
        "positive": pairs.diagonal().copy(),
        # Of each image with all others, so that images are what varies.
        "negative": np.where(other, pairs, 0.0).sum(1) / (len(pairs) - 1),
    }
    for name in z.keys() - {"first", "second"}:
        values[name] = (z["first"] * z[name]).sum(1).cpu().numpy()
    for name, one in values.items():
        cosines.of_images.setdefault(name, []).append(one)
    cosines.pairs += _binned(pairs[other])


def _binned(values: FloatArray) -> NDArray[np.int64]:
    return np.histogram(values.clip(-1, 1), BINS, (-1, 1))[0].astype(np.int64)


def _summary(cosines: _Cosines) -> dict[str, Any]:
    values = {name: np.concatenate(parts) for name, parts in cosines.of_images.items()}
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
    """(NS - negative) / (positive - negative) of mean cosines: 0 an easy negative, 1 a positive.

    Args:
        positive: (n,), of each image.
        negative: (n,), of each image the mean over others.
        nonsemantic: (n,), of each image.

    Returns:
        ``value`` and its standard error ``se`` by the jackknife over images.

    Raises:
        ConfigError: If positives are exactly as similar as negatives, or no numbers.
    """
    count = len(positive)
    sums = np.stack([positive, negative, nonsemantic])
    gap = positive.mean() - negative.mean()
    if not abs(gap) > 1e-12:
        message = f"positive and negative cosines differ by {gap:g}: the encoder has collapsed"
        raise ConfigError(message)
    value = _rel(sums.mean(1))
    without = _rel((sums.sum(1, keepdims=True) - sums) / (count - 1))
    spread = np.sqrt((count - 1) / count * ((without - without.mean()) ** 2).sum())
    return {"value": float(value), "se": float(spread)}


def _rel(means: FloatArray) -> Any:  # noqa: ANN401 - a number or an array
    positive, negative, nonsemantic = means
    return (nonsemantic - negative) / (positive - negative)


class _All:
    """`Negatives` of several kinds, one after the other."""

    def __init__(self, makers: list[Negatives]) -> None:
        self._makers = makers

    def __call__(
        self, position: int, view: ViewParameters, image: Tensor, rng: random.Random
    ) -> Tensor:
        return torch.cat([make(position, view, image, rng) for make in self._makers])


class _Chosen(Dataset[Sample]):
    """Training samples by position: epoch 0 of the seed."""

    def __init__(self, pairs: ContrastiveDataset, positions: NDArray[np.int64]) -> None:
        self._pairs, self._positions = pairs, positions

    def __len__(self) -> int:
        return len(self._positions)

    def __getitem__(self, number: int) -> Sample:
        return self._pairs[0, int(self._positions[number])]


def _sets(
    run: TrainedRun,
    photographs: ImageSet,
    makers: dict[str, Negatives],
    chosen: NDArray[np.int64],
    batch: int,
    seed: int,
) -> Iterator[dict[str, Tensor]]:
    """Batches of both views and each kind of NS, (B, 3, S, S) each."""
    pairs = ContrastiveDataset(
        photographs, augmentation_of(run.config), _All(list(makers.values())), 1, seed
    )
    pixels = (2 + len(makers)) * 3 * run.config.size**2
    spec = LoaderSpec(run.workers, batch, pixels, seed=seed)
    loader = make_loader(_Chosen(pairs, chosen), spec)
    for sample in raise_sample_errors(loader):
        ns = dict(zip(makers, sample["nonsemantic"][:, 0].unbind(1), strict=True))
        views = {"first": sample["first"], "second": sample["second"]}
        yield {name: images.to(run.device) for name, images in {**views, **ns}.items()}
