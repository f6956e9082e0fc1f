"""MoCo with lightly's transform, head, memory bank and momentum; only the loss is texgen's.

python docs/examples/lightly_moco.py imagenet/train shards/
"""

import argparse
import copy

import torch
from lightly.models.modules import MoCoProjectionHead
from lightly.models.modules.memory_bank import MemoryBankModule
from lightly.models.utils import deactivate_requires_grad, update_momentum
from lightly.transforms import MoCoV2Transform
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
    parser.add_argument("--queue", type=int, default=4096, help="keys in the memory bank")
    parser.add_argument("--steps", type=int, default=20, help="number of steps")
    parser.add_argument("--workers", type=int, default=2, help="loader processes")
    options = parser.parse_args()

    torch.manual_seed(0)
    # The ImageFolder's transform is applied to the textures too: two views of each.
    images = ImageFolder(options.images, transform=MoCoV2Transform(input_size=options.size))
    pairs = texgen.TexturePairs(images, options.textures)
    loader = DataLoader(
        pairs, options.batch, shuffle=True, num_workers=options.workers, drop_last=True
    )
    device = "cuda" if torch.cuda.is_available() else "cpu"
    backbone = resnet18()
    backbone.fc = torch.nn.Identity()
    encoder = torch.nn.Sequential(backbone, MoCoProjectionHead(512, 512, 128)).to(device)
    momentum_encoder = copy.deepcopy(encoder)
    deactivate_requires_grad(momentum_encoder)
    memory_bank = MemoryBankModule((options.queue, 128), feature_dim_first=False).to(device)
    optimizer = torch.optim.SGD(encoder.parameters(), lr=0.03, momentum=0.9)

    step = 0
    while step < options.steps:
        for (view_1, view_2), (texture, _), _label in loader:
            update_momentum(encoder, momentum_encoder, m=0.99)
            query = encoder(view_1.to(device))
            with torch.no_grad():
                key = momentum_encoder(view_2.to(device))
            z_texture = texgen.losses.embed_textures(momentum_encoder, texture.to(device))
            # The queue is (K, C), from before this step's keys enter it.
            key, queue = memory_bank(torch.nn.functional.normalize(key, dim=1), update=True)
            # Before: loss = NTXentLoss(temperature=0.2, memory_bank_size=(4096, 128))(query, key)
            loss = texgen.losses.moco_loss(query, key, queue, z_texture, temperature=0.2, alpha=2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            step += 1
            print(f"step {step}: loss {loss.item():.3f}")
            if step == options.steps:
                break


if __name__ == "__main__":
    main()
