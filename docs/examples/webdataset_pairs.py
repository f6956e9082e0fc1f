"""Streams pairs of an image and its texture, where the images are WebDataset shards too.

    python docs/examples/webdataset_pairs.py 'images/train-{000..146}.tar' shards/

`texgen build --src images/ --out shards/` made the textures.
"""

import sys

import webdataset as wds
from torch.utils.data import DataLoader
from torchvision import transforms

import texgen


class Pair:
    """Adds the texture to a sample; its store opens in each loader process by itself."""

    def __init__(self, textures: str) -> None:
        self.store = texgen.TextureStore(textures)
        self.transform = transforms.Compose([transforms.Resize([224, 224]), transforms.ToTensor()])

    def __call__(self, sample: dict) -> tuple:
        """Returns image, texture and key."""
        key = texgen.image_key(sample["__key__"] + ".jpg")
        return self.transform(sample["jpg"]), self.transform(self.store.image(key)), key


if __name__ == "__main__":
    images = wds.WebDataset(sys.argv[1], shardshuffle=False, empty_check=False)
    pairs = images.decode("pil").rename(jpg="jpg;jpeg;JPEG").map(Pair(sys.argv[2]))
    for image, texture, key in DataLoader(pairs, batch_size=4, num_workers=2):
        print(tuple(image.shape), tuple(texture.shape), key[0])
