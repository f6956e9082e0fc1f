"""The page's section of textures, beside the images and patches that they were made of."""

from __future__ import annotations

from collections.abc import Iterator

from texgen.core.text import pluralize
from texgen.core.types import Geometry
from texgen.dataset.manifest import geometry_of
from texgen.report.html.markup import data_uri, paragraph, text
from texgen.report.samples import SampledTextures, ShownTexture


def gallery(samples: SampledTextures, *, with_images: bool) -> Iterator[str]:
    """Section of textures that are spread over the set, with their images if SRC was named."""
    if not samples.shown:
        yield paragraph("There are no textures to show.")
        return
    sentences = [f"{pluralize(len(samples.shown), 'texture')}, spread over the whole set."]
    if with_images:
        sentences.append(
            "Frames on each image mark its two patches: the centre patch in "
            '<span class="key center">solid yellow</span>, the random patch in '
            '<span class="key random">dashed blue</span>. Beside the image are both patches, '
            "centre above random, and the texture that is synthesised from them."
        )
    else:
        sentences.append("Add <code>--src</code> to see the images that they were made of.")
    if samples.missing:
        sentences.append(
            f"{pluralize(len(samples.missing), 'image')} could not be read, for example: "
            f"{text(samples.missing[0])}."
        )
    if samples.reduced:
        sentences.append("Textures are shown smaller than they are.")
    yield paragraph(" ".join(sentences))
    cards = "\n".join(_card(shown) for shown in samples.shown)
    kind = "wall" if with_images else "wall alone"
    yield f'<div class="{kind}">\n{cards}\n</div>'


def _card(shown: ShownTexture) -> str:
    """One texture with its image and patches."""
    row = shown.row
    key = text(row["key"])
    parts = [*_original(shown, key), _boxed("texture", f"Texture of {key}", *shown.texture)]
    label = "" if row["class"] is None else f" · class {text(row['class'])}"
    # A long name may be broken after a slash or an underscore.
    name = key.replace("/", "/<wbr>").replace("_", "_<wbr>")
    return (
        f'<figure class="card"><div class="strip">{"".join(parts)}</div>'
        f"<figcaption><b>{name}</b><br>{text(shown.split)}{label}</figcaption></figure>"
    )


def _original(shown: ShownTexture, key: str) -> list[str]:
    """The image with the patches' frames, and both patches; nothing if they are not shown."""
    if shown.original is None:
        return []
    image, center, random = shown.original
    boxes = geometry_of(shown.row)
    positions = (
        f"centre patch at {_position(boxes.center)}, random patch at {_position(boxes.random)}"
    )
    element = _img(f"Image of {key}; {positions}", "image/jpeg", image)
    patches = "".join(
        _boxed(f"patch {kind}", f"{title} patch of {key}", "image/jpeg", patch)
        for kind, title, patch in (("center", "Centre", center), ("random", "Random", random))
    )
    return [
        f'<div class="original">{element}{_frames(boxes)}</div>',
        f'<div class="both">{patches}</div>',
    ]


def _position(corner: tuple[int, int]) -> str:
    return f"x {corner[0]}, y {corner[1]} px"


def _frames(boxes: Geometry) -> str:
    """Both frames over the image, in its own pixels; each has a dark line below it."""
    frames = []
    for (x, y), kind in ((boxes.center, "center"), (boxes.random, "random")):
        box = f'x="{x}" y="{y}" width="{boxes.side}" height="{boxes.side}"'
        frames.append(f'<rect class="halo" {box}/><rect class="frame {kind}" {box}/>')
    return (
        f'<svg viewBox="0 0 {boxes.width} {boxes.height}" aria-hidden="true">'
        f"{''.join(frames)}</svg>"
    )


def _boxed(kind: str, alt: str, mime: str, data: bytes) -> str:
    return f'<div class="{kind}">{_img(alt, mime, data)}</div>'


def _img(alt: str, mime: str, data: bytes) -> str:
    """An image's element; ``alt`` is escaped already."""
    return f'<img alt="{alt}" src="{data_uri(mime, data)}">'
