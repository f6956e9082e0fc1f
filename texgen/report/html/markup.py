"""Pieces of HTML; all text that comes from outside goes through `text`."""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from texgen.core.text import escape_unprintable


def text(value: object) -> str:
    """``value`` for the inside of an element or a quoted attribute, on one line.

    Characters that do not print are shown as escapes: some turn the text around them.
    """
    return html.escape(escape_unprintable(str(value)), quote=True)


def data_uri(mime: str, data: bytes) -> str:
    """A file as the address of itself."""
    return f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"


def section(slug: str, title: str, parts: Iterable[str]) -> str:
    """A part of the page with its heading."""
    body = "\n".join(parts)
    return f'<section aria-labelledby="{slug}"><h2 id="{slug}">{title}</h2>\n{body}\n</section>'


def paragraph(words: str) -> str:
    """Running text; ``words`` is HTML."""
    return f"<p>{words}</p>"


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A table whose first column names the row; columns of numbers stand right.

    Args:
        caption: What it shows; HTML.
        head: Column titles; HTML.
        rows: Cells; whole numbers are written with thousands set apart, and all else is escaped.
    """
    cells = [list(row) for row in rows]
    right = [bool(cells) and all(_is_number(row[i]) for row in cells) for i in range(len(head))]
    columns = "".join(
        f'<th scope="col"{_RIGHT if number else ""}>{title}</th>'
        for title, number in zip(head, right, strict=True)
    )
    body = "\n".join(f"<tr>{_cells(row, right)}</tr>" for row in cells)
    return (
        # What is wider than a phone is moved sideways by itself, with the keyboard too.
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
    """A number that is written already, such as ``1.5 MB``."""

    __slots__ = ()


def figures(charts: Iterable[Chart], kind: str = "charts") -> str:
    """Charts side by side where there is room, each below its title and above its caption."""
    body = "\n".join(
        f"<figure><h3>{chart.title}</h3>{chart.svg}"
        + (f"<figcaption>{chart.caption}</figcaption>" if chart.caption else "")
        + "</figure>"
        for chart in charts
    )
    return f'<div class="{kind}">{body}</div>'


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart as it stands on the page.

    Attributes:
        title: HTML.
        svg: The drawing.
        caption: HTML; may be empty.
    """

    title: str
    svg: str
    caption: str = ""


def side_by_side(parts: Iterable[str]) -> str:
    """Tables beside each other where there is room."""
    return f'<div class="tables">{"".join(parts)}</div>'


def details(summary: str, body: str) -> str:
    """What is shown on demand, without a script; ``summary`` and ``body`` are HTML."""
    return f"<details><summary>{summary}</summary>{body}</details>"
