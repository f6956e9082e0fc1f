"""The text of a data set card, in Markdown."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from texgen.core.text import escape_unprintable, format_bytes
from texgen.dataset.index import NOTICE, Index
from texgen.storage.hub.address import SCHEME as HUB_SCHEME
from texgen.storage.hub.address import parse_hub_url
from texgen.transfer.card.examples import Example

if TYPE_CHECKING:
    from texgen.transfer.card.card import License

_PROJECT = "texgen"
_PAPER = "[Ge et al., NeurIPS 2021](https://arxiv.org/abs/2110.14189)"
_MARKS = re.compile(r"([\\`*_{}\[\]()#+!|~$<>&])")
_COLUMNS = 3
_CAPTION = 24
"""Most characters below a picture."""

_PARAMETERS = {
    "size": "side of a texture, px",
    "patch_size": "side of the patches, px",
    "small_patch_size": "side of the patches of smaller images, px",
    "textures_per_image": "textures per image",
    "seed": "seed",
    "format": "image format",
    "quality": "JPEG quality",
    "encoder": "encoder",
    "samples_per_shard": "textures per shard",
    "limit": "images taken from each split",
    "decode_rule": "rule of decoding",
    "max_pixels": "most pixels of an image",
}
"""Fields of the configuration that a card lists, with their names for people."""


def card_text(
    index: Index, license: License, url: str, examples: Sequence[Example], *, imagenet: bool
) -> str:
    """Returns the card below its metadata."""
    sections = (
        _introduction(index, examples),
        _content(index),
        _loading(index, url),
        _training(),
        _making(index),
        _terms(license, imagenet=imagenet),
    )
    return "\n".join(line for section in sections for line in section)


def plain(text: str) -> str:
    """Returns text in which Markdown and HTML find no marks."""
    return _MARKS.sub(r"\\\1", escape_unprintable(text)).replace("\\<", "&lt;")


def _introduction(index: Index, examples: Sequence[Example]) -> Iterator[str]:
    yield from (f"\n# {plain(index.name)}\n",)
    yield (
        "Textures made of images: each keeps the look of an image and loses its meaning. They "
        f"are *non-semantic negatives* for contrastive learning ({_PAPER}). A texture is "
        "synthesised from two patches of its image, one of the centre and one from a random place."
    )
    if index.partial:
        yield "\nThis is a part of the data set: some shards are left out."
    if not examples:
        return
    yield ""
    for first in range(0, len(examples), _COLUMNS):
        row = examples[first : first + _COLUMNS]
        cells = [*row, *[None] * (min(_COLUMNS, len(examples)) - len(row))]
        pictures = (f'<img src="{e.path}" width="224" alt="{e.key}">' if e else "" for e in cells)
        if first == 0:
            yield _row(pictures)
            yield _row([":---:"] * len(cells))
        else:
            yield _row(pictures)
        yield _row(f"`{_shortened(e.key)}`" if e else "" for e in cells)


def _shortened(key: str) -> str:
    """Returns a key's last step, of a length that fits below a picture."""
    name = key.rpartition("/")[2]
    return name if len(name) <= _CAPTION else f"{name[: _CAPTION - 1]}…"


def _content(index: Index) -> Iterator[str]:
    yield "\n## Content\n"
    yield _row(["split", "images", "textures", "failed", "classes", "shards", "size"])
    yield _row(["---", "---:", "---:", "---:", "---:", "---:", "---:"])
    for name, split in sorted(index.splits.items()):
        size = format_bytes(sum(file.bytes for file in split.files))
        counts = (split.images, split.textures, split.failed, len(split.classes), len(split.shards))
        yield _row([name, *(f"{count:,}" for count in counts), size])
    yield (
        "\n- `<split>/<split>-000000.tar` and so on are WebDataset shards. A sample has "
        f"`KEY.{index.config['format']}`, the texture; `KEY.json`, its origin: source, patches, "
        "seed; and `KEY.cls`, the label of its image, where there is one."
    )
    yield (
        "- `manifest/*.parquet` have a row for each texture: key, source, label, patches, seed, "
        "place in its shard and SHA-256."
    )
    yield (
        "- `index.json` lists all files with their SHA-256. "
        f"[{_PROJECT}](https://pypi.org/project/texgen-shards/) checks it when it downloads."
    )


def _loading(index: Index, url: str) -> Iterator[str]:
    split = _shown_split(index)
    image = index.config["format"]
    yield "\n## Load it\n"
    yield "All of it, or a part, checked and resumed:\n"
    yield from _code("bash", ["pip install 'texgen-shards[hub]'", _download(url)])
    if url.startswith(HUB_SCHEME):
        yield "\nA private or gated set needs a token first: `hf auth login`."
    if split is None:
        yield "\nIt has no textures: none could be made of its images."
        return
    yield "\nTextures by key, or as a stream:\n"
    yield from _code(
        "python",
        [
            "import texgen",
            "",
            f'store = texgen.TextureStore("textures/", split="{split}")',
            "pixels = store[0]                        # (H, W, 3) uint8; store[key] by key",
            f'stream = texgen.webdataset("textures/", split="{split}")',
        ],
    )
    yield "\nWith Hugging Face's `datasets`:\n"
    yield from _code("python", ["from datasets import load_dataset", "", *_datasets(url, split)])
    yield (
        f"\nEach row has `__key__`, `{image}` (a PIL image), `json` and, with labels, `cls`. With "
        "`webdataset`, from the downloaded folder:\n"
    )
    yield from _code(
        "python",
        [
            "from glob import glob",
            "",
            "import webdataset as wds",
            "",
            # A part has gaps in the numbers of its shards.
            f'shards = sorted(glob("textures/{split}/*.tar"))',
            'samples = wds.WebDataset(shards, shardshuffle=False).decode("pil")',
            f'samples = samples.to_tuple("{image}", "json")',
        ],
    )


def _shown_split(index: Index) -> str | None:
    """Returns the split of the examples of code: one with textures, ``train`` if it is one."""
    names = sorted(
        name for name, split in index.splits.items() if any(s.samples for s in split.shards)
    )
    return "train" if "train" in names else next(iter(names), None)


def _datasets(url: str, split: str) -> list[str]:
    if url.startswith(HUB_SCHEME):
        name = split.replace("-", "_")
        repo = parse_hub_url(url).repo
        return [f'textures = load_dataset("{repo}", split="{name}", streaming=True)']
    files = f'{{"{split}": "textures/{split}/*.tar"}}'
    return [f'textures = load_dataset("webdataset", data_files={files}, split="{split}")']


def _download(url: str) -> str:
    return f"texgen download {shlex.quote(url)} --out textures/"


def _training() -> Iterator[str]:
    yield "\n## Train with it\n"
    yield (
        "The keys are those of the images, so that the trainer finds the texture of each image. "
        "`imagenet/` is the folder with the images:\n"
    )
    command = "texgen train --src imagenet/ --textures textures/ \\"
    yield from _code(
        "bash",
        [
            "pip install 'texgen-shards[train]'",
            command,
            "    --negatives texture --alpha 2 --out runs/texture",
        ],
    )


def _making(index: Index) -> Iterator[str]:
    config = index.config
    yield "\n## How it was made\n"
    yield _row(["setting", "value"])
    yield _row(["---", "---"])
    yield _row(["engine", plain(f"{config['engine']}, version {config['engine_version']}")])
    if parameters := config.get("engine_parameters"):
        yield _row(["parameters of the engine", f"`{_json(parameters)}`"])
    for field, name in _PARAMETERS.items():
        if config.get(field) is not None:
            yield _row([name, plain(str(config[field]))])
    if classes := config.get("classes"):
        yield _row(["classes that were taken", f"{len(classes):,}"])
    if options := config.get("source_options"):
        yield _row(["reading of the source", f"`{_json(options)}`"])
    if index.texgen is not None:
        yield _row(["version of texgen", plain(index.texgen)])
    yield _row(["fingerprint", f"`{index.fingerprint}`"])
    yield (
        "\nThe column `source` of the manifest names the image of each texture, relative to the "
        "folder or archives that it was read from. The fingerprint covers configuration and "
        "images: the same images and options give the same bytes, and `texgen verify textures/ "
        "--deep --src IMAGES` rebuilds some textures to check that."
    )
    if index.notes:
        yield "\nWhat was left out or guessed when the images were listed:\n"
        yield from (f"- {plain(note)}" for note in index.notes)


def _terms(license: License, *, imagenet: bool) -> Iterator[str]:
    yield "\n## Terms\n"
    yield NOTICE.replace("https://image-net.org/download", "<https://image-net.org/download>")
    if imagenet:
        yield (
            "\nThe classes are named as ImageNet's are. Whoever hosts textures of ImageNet's "
            "images must ensure that those who get them have agreed to ImageNet's terms: a public "
            "page asks nobody, so access should be gated."
        )
    yield ""
    yield f"Licence as stated by the publisher: {_license(license)}."


def _license(license: License) -> str:
    if license.id is None:
        return "none"
    name = plain(license.name or license.id)
    if license.link is None:
        return name
    link = license.link.replace("<", "%3C").replace(">", "%3E")
    return f"[{name}](<{link}>)"


def _json(value: Any) -> str:  # noqa: ANN401 - any JSON value
    return json.dumps(value, sort_keys=True).replace("`", "'").replace("|", "\\|")


def _row(cells: Sequence[str] | Iterator[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _code(language: str, lines: Sequence[str]) -> Iterator[str]:
    yield f"```{language}"
    yield from lines
    yield "```"
