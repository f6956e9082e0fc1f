"""SimCLR in plain PyTorch, with textures that are made while training runs; nothing is built.

python docs/examples/fresh_textures.py imagenet/train
"""

import argparse

import torch
from torch.utils.data import DataLoader, Dataset
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

import texgen


class FreshPairs(Dataset):
    """Two views of each image, and the same views of a texture of it that is new in each epoch."""

    def __init__(self, folder: str, size: int) -> None:
        self.images = ImageFolder(folder)
        self.negative = texgen.TextureNegative(size)
        self.views = texgen.PairedViews(size)

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple:
        """Returns the views of an image, and those of its texture."""
        path, _label = self.images.samples[index]
        image = self.images.loader(path)
        texture = self.negative(image, texgen.image_key(path, self.images.root))
        return self.views(image, texture)


def main() -> None:
    """Trains some epochs, and prints the loss of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", help="folder of the split, with class folders")
    parser.add_argument("--size", type=int, default=64, help="side of a view, px")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--epochs", type=int, default=3, help="number of epochs")
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    options = parser.parse_args()

    torch.manual_seed(0)
    pairs = FreshPairs(options.images, options.size)
    # Workers that stay keep their engines warm.
    loader = DataLoader(
        pairs,
        options.batch,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
        drop_last=True,
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    encoder = resnet18(num_classes=128).to(device)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.03, momentum=0.9)

    for epoch in range(options.epochs):
        pairs.negative.set_epoch(epoch)
        losses = []
        for (first, second), textures in loader:
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
