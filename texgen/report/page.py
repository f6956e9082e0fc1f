"""The page: one HTML file that loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.resources import files

from texgen.core.text import pluralize
from texgen.report import contrasts, plots, sections
from texgen.report.figures import Figures
from texgen.report.html.markup import paragraph, section, text
from texgen.report.html.wall import card

# Nothing may be loaded, whatever a name that slipped through says.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"

_PARTS = (
    ("counts", "Counts"),
    ("failures", "Failures"),
    ("pictures", "Pictures"),
    ("patches", "Patches"),
    ("colour", "Mean colour"),
    ("spectrum", "Power spectrum"),
    ("time", "Time"),
    ("provenance", "Provenance"),
)


def render(figures: Figures) -> str:
    """The page of what was gathered."""
    title = text(figures.index.name)
    body = "\n".join(
        [
            sections.counts(figures),
            sections.failures(figures.tally),
            _pictures(figures),
            plots.patches(figures.tally),
            contrasts.colour(figures.samples),
            contrasts.spectrum(figures.samples),
            plots.time(figures.times),
            sections.provenance(figures),
        ]
    )
    return document(title, _lead(figures), _PARTS, body)


def document(title: str, lead: str, parts: Iterable[tuple[str, str]], body: str) -> str:
    """A whole page, for a report on anything.

    Args:
        title: Its heading; HTML, as all that follows.
        lead: What comes before the links to its parts.
        parts: Slug and title of each section.
        body: The sections.
    """
    style = files("texgen.report").joinpath("style.css").read_text("utf-8")
    links = "".join(f'<li><a href="#{slug}">{name}</a></li>' for slug, name in parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} · texgen report</title>
<link rel="icon" href="data:,">
<style>
{style}</style>
</head>
<body>
<header>
<h1>{title}</h1>
{lead}
</header>
<nav aria-label="Parts of this page"><ul>{links}</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""


def _lead(figures: Figures) -> str:
    """What the data set is, in a sentence."""
    splits = figures.index.splits.values()
    config = figures.index.config
    textures = sum(split.textures for split in splits)
    images = sum(split.images for split in splits)
    failed = sum(split.failed for split in splits)
    words = (
        f"{textures:,} textures of {images:,} photographs, {text(config.get('size'))} px, "
        f"{text(config['format'])}, made by the engine {text(config['engine'])} "
        f"{text(config['engine_version'])}; {failed:,} failed."
    )
    return f'<p class="lead">{words}</p>'


def _pictures(figures: Figures) -> str:
    samples = figures.samples
    if not samples.shown:
        return section("pictures", "Pictures", [paragraph("There are no textures to show.")])
    words = [f"{pluralize(len(samples.shown), 'texture')}, spread over the whole set."]
    kind = "wall alone"
    if not figures.with_photographs:
        words.append("<code>--src</code> adds the photographs that they were made of.")
    else:
        kind = "wall"
        words.append(
            "Each photograph has the frames of its two patches: the centre patch's is "
            '<span class="key center">solid yellow</span>, the random patch\'s '
            '<span class="key random">dashed blue</span>. Then come both patches, centre '
            "above random, and the texture that is synthesised from them."
        )
    if samples.missing:
        words.append(
            f"{pluralize(len(samples.missing), 'photograph')} could not be read and "
            f"is left out, for example: {text(samples.missing[0])}."
        )
    if samples.reduced:
        words.append("Textures are reduced here.")
    cards = "\n".join(card(shown) for shown in samples.shown)
    return section(
        "pictures",
        "Pictures",
        [paragraph(" ".join(words)), f'<div class="{kind}">\n{cards}\n</div>'],
    )
