"""The wall of pictures: photographs with their patches' frames, the patches, the textures."""

from __future__ import annotations

from texgen.core.types import Geometry
from texgen.report.html.markup import data_uri, text
from texgen.report.samples import Shown


def card(shown: Shown) -> str:
    """One texture with what it was made of."""
    row = shown.row
    key = text(row["key"])
    parts = [*_example(shown, key), _picture("texture", f"Texture of {key}", *shown.texture)]
    label = "" if row["class"] is None else f" · class {text(row['class'])}"
    # Where a long name may be broken.
    name = key.replace("/", "/<wbr>").replace("_", "_<wbr>")
    return (
        f'<figure class="card"><div class="strip">{"".join(parts)}</div>'
        f"<figcaption><b>{name}</b><br>{text(shown.split)}{label}</figcaption></figure>"
    )


def _example(shown: Shown, key: str) -> list[str]:
    if shown.photograph is None or shown.patches is None or shown.boxes is None:
        return []
    boxes = shown.boxes
    places = f"centre patch at {_place(boxes.center)}, random patch at {_place(boxes.random)}"
    photograph = _image(f"Photograph of {key}; {places}", "image/jpeg", shown.photograph)
    center, random = (
        _picture(f"patch {kind}", f"{title} patch of {key}", "image/jpeg", patch)
        for kind, title, patch in zip(
            ("center", "random"), ("Centre", "Random"), shown.patches, strict=True
        )
    )
    return [
        f'<div class="photograph">{photograph}{_frames(boxes)}</div>',
        f'<div class="both">{center}{random}</div>',
    ]


def _place(corner: tuple[int, int]) -> str:
    return f"x {corner[0]}, y {corner[1]} px"


def _frames(boxes: Geometry) -> str:
    """Both frames over the photograph, in its own pixels; each with a dark line below it."""
    frames = []
    for (x, y), kind in ((boxes.center, "center"), (boxes.random, "random")):
        box = f'x="{x}" y="{y}" width="{boxes.side}" height="{boxes.side}"'
        frames.append(f'<rect class="halo" {box}/><rect class="frame {kind}" {box}/>')
    return (
        f'<svg viewBox="0 0 {boxes.width} {boxes.height}" aria-hidden="true">'
        f"{''.join(frames)}</svg>"
    )


def _picture(kind: str, alt: str, mime: str, data: bytes) -> str:
    return f'<div class="{kind}">{_image(alt, mime, data)}</div>'


def _image(alt: str, mime: str, data: bytes) -> str:
    """``alt`` is escaped already."""
    return f'<img alt="{alt}" src="{data_uri(mime, data)}">'
