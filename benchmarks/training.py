"""Measures a training step and its data loading, beside lightly and torchvision in the same run.

Three comparisons, alternated, in one process with one thread:

- ``step``: forward, backward and SGD of SimCLR over a torchvision ResNet, against lightly's
  NTXentLoss and projection head over the same network and batch; and with one NS a view.
- ``loading``: (image, texture) pairs under one augmentation, against two ImageFolders
  of the same files with torchvision's transforms, two loads a sample.
- ``patches``: `PatchNegative` at 224 px.

    python benchmarks/training.py --src IMAGES --textures OUT [--pairs 10] [--size 64]
"""

from __future__ import annotations

import argparse
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from lightly.loss import NTXentLoss
from lightly.models.modules import SimCLRProjectionHead
from PIL import Image, ImageFilter
from torch import nn
from torchvision import models, transforms
from torchvision.datasets import ImageFolder

import texgen
from texgen.train.augment import MEAN, STD, Augmentation
from texgen.train.images import open_images
from texgen.train.methods import SimCLR
from texgen.train.negatives import Queries, TextureNegatives
from texgen.train.networks import mlp, resnet

Work = Callable[[], object]


def main() -> None:
    """Reads the command line and prints the medians of each comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--src", type=Path, required=True)
    parser.add_argument("--textures", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--size", type=int, default=64)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args()
    torch.set_num_threads(1)
    step(given.pairs, given.size, given.batch)
    loading(given.pairs, given.src, given.textures, given.size)
    patches()


def step(pairs: int, size: int, batch: int) -> None:
    """Compares a step with lightly's."""
    first, second = torch.randn(2, batch, 3, size, size)
    ns = torch.randn(batch, 2, 1, 3, size, size)
    ours = SimCLR(resnet("resnet18", "imagenet", head), temperature=0.2, alpha=1.0)
    ours = ours.to(memory_format=torch.channels_last)
    theirs = Theirs().to(memory_format=torch.channels_last)
    optimizers = [torch.optim.SGD(m.parameters(), 0.1, momentum=0.9) for m in (ours, theirs)]

    def own(nonsemantic: torch.Tensor | None) -> None:
        ours.begin_step(0.0)
        descend(ours(first, second, nonsemantic)["loss"], optimizers[0])

    def forward() -> None:
        with torch.no_grad():
            ours.encoder(ns[:, 0, 0])
            ours.encoder(ns[:, 1, 0])

    works: dict[str, Work] = {
        "lightly": lambda: descend(theirs(first, second), optimizers[1]),
        "texgen": lambda: own(None),
        "texgen, one NS a view": lambda: own(ns),
        "the NS's forward pass alone": forward,
    }
    found = alternated(works, pairs)
    show(f"step, ResNet-18, {batch} x {size} px", found, "lightly")
    more, plain, alone = (found[name] for name in list(works)[2:0:-1] + list(works)[3:])
    extra = [a - b - c for a, b, c in zip(more, plain, alone, strict=True)]
    print(f"  NS beyond their forward pass: {statistics.median(extra):+.4f} s a step")


class Theirs(nn.Module):
    """SimCLR as lightly's examples build it."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = models.resnet18(weights=None)
        self.backbone.fc = nn.Identity()
        self.head = SimCLRProjectionHead(512, 512, 128)
        self.loss = NTXentLoss(temperature=0.2)

    def forward(self, first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
        """Loss of both views."""
        loss: torch.Tensor = self.loss(
            self.head(self.backbone(first)), self.head(self.backbone(second))
        )
        return loss


def head(features: int) -> nn.Module:
    """Head of `texgen train`, as wide as lightly's."""
    return mlp(features, 512, 128, batch_norm=True)


def descend(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step along the gradients."""
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    optimizer.step()


def loading(pairs: int, src: Path, textures: Path, size: int) -> None:
    """Compares pairs under one augmentation with two ImageFolders."""
    images = open_images(str(src), "train")
    store = texgen.TextureStore(textures)
    negatives = TextureNegatives(1, images, store)
    augmentation = Augmentation(size)
    count = min(256, len(images.keys))

    def own() -> None:
        for position in range(count):
            rng = random.Random(position)
            view = augmentation.draw(rng)
            image = images.image(position)
            negatives(Queries(position, 0, image, [view], [view(image)], rng))

    with tempfile.TemporaryDirectory() as folder:
        for position in range(count):
            key = images.keys[position].as_py()
            place = Path(folder) / f"{key}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(store.read(key))
        folders = [
            ImageFolder(str(place), torchvisions(size)) for place in (src / "train", Path(folder))
        ]

        def theirs() -> None:
            for one in folders:
                for position in range(count):
                    one[position]

        found = alternated({"two ImageFolders": theirs, "texgen": own}, pairs)
    per_image = {name: [t / count for t in times] for name, times in found.items()}
    show(f"loading, {count} pairs, {size} px, a pair", per_image, "two ImageFolders")


def torchvisions(size: int) -> transforms.Compose:
    """MoCo-v2's augmentation of transforms that torchvision has."""
    jitter = transforms.ColorJitter(0.4, 0.4, 0.4, 0.1)
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(size, (0.2, 1.0)),
            transforms.RandomApply([jitter], p=0.8),
            transforms.RandomGrayscale(p=0.2),
            transforms.RandomApply([blurred], p=0.5),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(MEAN, STD),
        ]
    )


def blurred(image: Image.Image) -> Image.Image:
    """MoCo-v2's blur."""
    return image.filter(ImageFilter.GaussianBlur(random.uniform(0.1, 2.0)))


def patches() -> None:
    """Measures `PatchNegative` at 224 px."""
    image = torch.randn(3, 224, 224)
    make = texgen.PatchNegative((16, 72))
    times = []
    for _ in range(300):
        begin = time.perf_counter()
        make(image)
        times.append(time.perf_counter() - begin)
    print(f"PatchNegative, 224 px: {1000 * float(np.median(times)):.2f} ms an image")


def alternated(works: dict[str, Work], pairs: int) -> dict[str, list[float]]:
    """Processor seconds of each function, in turns, after one turn that is not counted."""
    found: dict[str, list[float]] = {name: [] for name in works}
    for number in range(pairs + 1):
        for name, work in works.items():
            begin = time.process_time()
            work()
            if number:
                found[name].append(time.process_time() - begin)
    return found


def show(title: str, found: dict[str, list[float]], base: str) -> None:
    """Prints medians, and the ratio of each to ``base`` within its turn."""
    print(title)
    for name, times in found.items():
        ratios = sorted(a / b for a, b in zip(times, found[base], strict=True))
        print(
            f"  {name}: {statistics.median(times):.4f} s, {statistics.median(ratios):.3f} times "
            f"{base} ({ratios[0]:.3f} to {ratios[-1]:.3f})"
        )


if __name__ == "__main__":
    main()
