"""YAML at the top of a card, which the Hub's viewer, search and gate read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from texgen.dataset.index import Index

if TYPE_CHECKING:
    from texgen.transfer.card.card import License

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"),
          (10**7, "1M<n<10M"), (10**8, "10M<n<100M"), (10**9, "100M<n<1B"),
          (10**10, "1B<n<10B"))  # fmt: skip
"""Categories of the Hub and the numbers of rows below which they end."""

_TAGS = ["texgen", "webdataset", "texture-synthesis", "contrastive-learning", "imagenet-texture"]

GATE_PROMPT = (
    "These textures consist of pixels of ImageNet's images, and ImageNet's terms of access apply "
    "to them. The terms allow non-commercial research and education only, and ask everybody who "
    "gets the images to agree to them: https://image-net.org/download"
)
_GATE_FIELD = "I agree to ImageNet's terms: non-commercial research and education only"


def front_matter(index: Index, license: License, *, imagenet: bool) -> str:
    """Returns the metadata between two lines of ``---``."""
    data: dict[str, Any] = {"pretty_name": index.name}
    if license.id:
        data["license"] = license.id
        data |= {"license_name": license.name} if license.name else {}
        data |= {"license_link": license.link} if license.link else {}
    data["task_categories"] = ["image-feature-extraction"]
    data["size_categories"] = [_size_category(index.samples)]
    data["tags"] = _TAGS
    if files := _data_files(index):
        data["configs"] = [{"config_name": "default", "data_files": files}]
    if imagenet:
        # The Hub shows it where a person asks for access, if the repository is gated.
        data["extra_gated_prompt"] = GATE_PROMPT
        data["extra_gated_fields"] = {_GATE_FIELD: "checkbox"}
    text = yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=10_000)
    return f"---\n{text}---\n"


def _data_files(index: Index) -> list[dict[str, str]]:
    """The shards of each split that has textures; the Hub's names of splits have no hyphen."""
    files, used = [], set()
    for name, split in sorted(index.splits.items(), key=lambda item: (item[0] != "train", item[0])):
        if any(shard.samples for shard in split.shards):
            loaded = name.replace("-", "_")
            while loaded in used:
                loaded += "_"
            used.add(loaded)
            files.append({"split": loaded, "path": f"{name}/{name}-*.tar"})
    return files


def _size_category(rows: int) -> str:
    return next((name for most, name in _SIZES if rows < most), "n>1T" if rows >= 10**12 else
                "10B<n<100B" if rows < 10**11 else "100B<n<1T")  # fmt: skip
