"""An ImageFolder with its textures as a data set of pairs, in five lines.

python docs/examples/image_folder.py imagenet/train shards/
"""

import sys

from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

import texgen

if __name__ == "__main__":
    to_tensor = transforms.Compose([transforms.Resize([224, 224]), transforms.ToTensor()])
    images = ImageFolder(sys.argv[1], transform=to_tensor)
    pairs = texgen.TexturePairs(images, sys.argv[2])
    for image, texture, label in DataLoader(pairs, batch_size=4, num_workers=2):
        print(tuple(image.shape), tuple(texture.shape), label.tolist())
