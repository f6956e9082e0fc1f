"""SimCLR whose textures a GPU makes, those of a whole batch in one call; nothing is built.

python docs/examples/fresh_textures_gpu.py imagenet/train

The processes of the loader decode images. The process that trains has one engine, on the GPU if
there is one, and on the processors if not: the textures are the same.
"""

import argparse
import random

import torch
from torch.utils.data import DataLoader, Dataset, default_collate
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

import texgen


class Images(Dataset):
    """Whole images with their keys."""

    def __init__(self, folder: str) -> None:
        self.images = ImageFolder(folder)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple:
        """Returns an image and its key."""
        path, _label = self.images.samples[index]
        return self.images.loader(path), texgen.image_key(path, self.images.root)


def as_lists(samples: list) -> tuple:
    """Returns the images and the keys of a batch; images of any size do not fit one tensor."""
    images, keys = zip(*samples, strict=True)
    return list(images), list(keys)


def main() -> None:
    """Trains some epochs, and prints the loss of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", help="folder of the split, with class folders")
    parser.add_argument("--size", type=int, default=64, help="side of a view, px")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--epochs", type=int, default=3, help="number of epochs")
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    parser.add_argument("--texture-device", default="auto", help="cpu, gpu or auto")
    options = parser.parse_args()

    torch.manual_seed(0)
    # The views draw from Python's random numbers.
    random.seed(0)
    loader = DataLoader(
        Images(options.images),
        options.batch,
        shuffle=True,
        num_workers=options.workers,
        collate_fn=as_lists,
        persistent_workers=options.workers > 0,
        drop_last=True,
    )
    negative = texgen.TextureNegative(options.size, device=options.texture_device)
    views = texgen.PairedViews(options.size)
    print(negative.device_note() or "textures are made on the processors")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = resnet18(num_classes=128).to(device)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.03, momentum=0.9)

    for epoch in range(options.epochs):
        losses = []
        for images, keys in loader:
            made = negative.batch(images, keys, epoch)
            pairs = [views(image, texture) for image, texture in zip(images, made, strict=True)]
            (first, second), textures = default_collate(pairs)
            z_1, z_2 = encoder(first.to(device)), encoder(second.to(device))
            z_textures = [
                texgen.losses.embed_textures(encoder, texture.to(device)) for texture in textures
            ]
            loss = texgen.losses.simclr_loss(z_1, z_2, z_textures, temperature=0.2, alpha=2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        print(f"epoch {epoch}: loss {sum(losses) / len(losses):.3f}")


# Loader processes import this file where they are spawned, as on macOS.
if __name__ == "__main__":
    main()
