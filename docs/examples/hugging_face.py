"""Textures as a Hugging Face data set that is streamed, and each with its image.

python docs/examples/hugging_face.py imagenet/ shards/
"""

import itertools
import sys
from pathlib import Path

from datasets import load_dataset
from PIL import Image

if __name__ == "__main__":
    source, shards = map(Path, sys.argv[1:])
    textures = load_dataset(
        "webdataset",
        data_files={"train": str(shards / "train" / "*.tar")},
        split="train",
        streaming=True,
    )
    for row in itertools.islice(textures, 4):
        # `source` is the image's path below SRC, and `png` the texture as a PIL image.
        image = Image.open(source / row["json"]["source"])
        print(row["__key__"], image.size, row["png"].size, row["cls"])
