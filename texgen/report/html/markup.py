"""Pieces of HTML. All text from outside, such as keys, goes through `text`."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.resources import files

from texgen.core.text import escape_unprintable

# A browser loads nothing, even if a name from outside were taken for markup.
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def text(value: object) -> str:
    """Escapes ``value`` for the inside of an element or a quoted attribute, on one line.

    Characters that do not print are shown as escapes: some reverse the text around them.
    """
    return html.escape(escape_unprintable(str(value)), quote=True)


def data_uri(mime: str, data: bytes) -> str:
    """A URI that contains a whole file."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def paragraph(words: str) -> str:
    """A paragraph; ``words`` is HTML."""
    return f"<p>{words}</p>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column names the row; columns of numbers are aligned right.

    Args:
        caption: Caption; HTML.
        head: Column titles; HTML.
        rows: Cells; integers are written with commas, and everything else is escaped.
    """
    cells = [list(row) for row in rows]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(head))]
    columns = "".join(
        f'<th scope="col"{_RIGHT if number else ""}>{title}</th>'
        for title, number in zip(head, right, strict=True)
    )
    body = "\n".join(f"<tr>{_cells(row, right)}</tr>" for row in cells)
    return (
        # A table wider than the screen scrolls by itself, with the keyboard too.
        f'<div class="wide" tabindex="0" role="region" aria-label="{caption}"><table>'
        f"<caption>{caption}</caption><thead><tr>{columns}</tr></thead>"
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


_RIGHT = ' class="number"'


def _cells(row: Sequence[object], right: Sequence[bool]) -> str:
    first, *others = row
    cells = [f'<th scope="row">{text(first)}</th>']
    for value, number in zip(others, right[1:], strict=True):
        words = f"{value:,}" if isinstance(value, int) else text(value)
        cells.append(f"<td{_RIGHT if number else ''}>{words}</td>")
    return "".join(cells)


def _is_number(value: object) -> bool:
    return isinstance(value, int | Number)


class Number(str):
    """A number that is formatted already, such as ``1.5 MB``."""

    __slots__ = ()


def chart_grid(charts: Iterable[Chart], kind: str = "charts") -> str:
    """Charts side by side if there is room, each below its title and above its caption."""
    body = "\n".join(
        f"<figure><h3>{chart.title}</h3>{chart.svg}"
        + (f"<figcaption>{chart.caption}</figcaption>" if chart.caption else "")
        + "</figure>"
        for chart in charts
    )
    return f'<div class="{kind}">{body}</div>'


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart with its title and caption.

    Attributes:
        title: Title; HTML.
        svg: The drawing.
        caption: Caption; HTML, may be empty.
    """

    title: str
    svg: str
    caption: str = ""


def table_grid(tables: Iterable[str]) -> str:
    """Tables side by side if there is room."""
    return f'<div class="tables">{"".join(tables)}</div>'


def details(summary: str, body: str) -> str:
    """Content that is shown on demand, without a script; ``summary`` and ``body`` are HTML."""
    return f"<details><summary>{summary}</summary>{body}</details>"


def document(title: str, lead: str, sections: Sequence[tuple[str, str, Iterable[str]]]) -> str:
    """A whole page that needs no other file.

    Args:
        title: Heading; HTML.
        lead: Content before the links to the sections; HTML.
        sections: Id, unique on the page, heading (HTML) and content (HTML) of each section.
    """
    style = files("texgen.report.html").joinpath("style.css").read_text("utf-8")
    links = "".join(f'<li><a href="#{slug}">{name}</a></li>' for slug, name, _ in sections)
    body = "\n".join(_section(*section) for section in sections)
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
<nav aria-label="Sections of this page"><ul>{links}</ul></nav>
<main>
{body}
</main>
</body>
</html>
"""


def _section(slug: str, title: str, parts: Iterable[str]) -> str:
    body = "\n".join(parts)
    return f'<section aria-labelledby="{slug}"><h2 id="{slug}">{title}</h2>\n{body}\n</section>'
