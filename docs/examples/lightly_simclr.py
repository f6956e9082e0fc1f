"""SimCLR with lightly's transform, head and encoder; only the loss is texgen's.

python docs/examples/lightly_simclr.py imagenet/train shards/
"""

import argparse

import torch
from lightly.models.modules import SimCLRProjectionHead
from lightly.transforms import SimCLRTransform
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
from torchvision.models import resnet18

import texgen


def main() -> None:
    """Trains some steps, and prints the loss of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("images", help="folder of the split, with class folders")
    parser.add_argument("textures", help="what `texgen build` made of it")
    parser.add_argument("--size", type=int, default=224, help="side of a view, px")
    parser.add_argument("--batch", type=int, default=64, help="images in a step")
    parser.add_argument("--steps", type=int, default=20, help="number of steps")
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    options = parser.parse_args()

    torch.manual_seed(0)
    # The ImageFolder's transform is applied to the textures too: two views of each.
    images = ImageFolder(options.images, transform=SimCLRTransform(input_size=options.size))
    pairs = texgen.TexturePairs(images, options.textures)
    loader = DataLoader(
        pairs, options.batch, shuffle=True, num_workers=options.workers, drop_last=True
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = resnet18()
    backbone.fc = torch.nn.Identity()
    encoder = torch.nn.Sequential(backbone, SimCLRProjectionHead(512, 512, 128)).to(device)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.03, momentum=0.9)

    step = 0
    while step < options.steps:
        for views, textures, _label in loader:
            z_1, z_2 = (encoder(view.to(device)) for view in views)
            z_textures = [
                texgen.losses.embed_textures(encoder, texture.to(device)) for texture in textures
            ]
            # Before: loss = NTXentLoss(temperature=0.5)(z_1, z_2)
            loss = texgen.losses.simclr_loss(z_1, z_2, z_textures, temperature=0.5, alpha=2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            print(f"step {step}: loss {loss.item():.3f}")
            if step == options.steps:
                break


if __name__ == "__main__":
    main()
