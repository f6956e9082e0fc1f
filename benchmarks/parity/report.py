"""Tables of a comparison, for people, programs and RESULTS.md."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from compare import BOUNDS, LIMIT, Row

BEGIN, END = "<!-- parity: begin -->", "<!-- parity: end -->"


class Comparison(NamedTuple):
    """Comparison of one variant of `fast` with `embark`."""

    name: str
    rows: list[Row]

    @property
    def passed(self) -> bool:
        """Whether every figure is the same."""
        return all(row.verdict == "same" for row in self.rows)


def table(comparison: Comparison, chance: list[Row]) -> str:
    """Formats the comparison for a terminal."""
    head = ("", "embark", "fast", "across", "ratio", "offset, se", "chance", "")
    lines = [cells(row, null) for row, null in zip(comparison.rows, chance, strict=True)]
    verdict = "the same as embark" if comparison.passed else "not the same as embark"
    widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
    text = [
        "  ".join(
            c.ljust(w) if i in (0, 7) else c.rjust(w)
            for i, (c, w) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in [head, *lines]
    ]
    return "\n".join([f"{comparison.name}: {verdict}", *text, ""])


def cells(row: Row, null: Row) -> tuple[str, ...]:
    """Formats one line of the table."""
    return (
        row.figure,
        number(row.embark),
        number(row.fast),
        number(row.across),
        f"{row.ratio:.3f} ± {row.error:.3f}",
        f"{row.offset:+.1f}",
        f"{null.ratio:.3f} ({null.offset:+.1f})",
        row.verdict,
    )


def number(value: float | None) -> str:
    """Formats a number with three digits or more."""
    return "" if value is None else f"{value:.4g}"


def as_json(comparisons: list[Comparison], chance: list[Row]) -> dict[str, object]:
    """Returns the comparison for programs, as JSON."""
    return {
        "bounds": BOUNDS,
        "limit": LIMIT,
        "chance": [row._asdict() for row in chance],
        "comparisons": {
            each.name: {
                "passed": each.passed,
                "figures": [row._asdict() | {"verdict": row.verdict} for row in each.rows],
            }
            for each in comparisons
        },
    }


def markdown(comparisons: list[Comparison], chance: list[Row], conditions: str) -> str:
    """Returns the table for RESULTS.md; figures by which a variant is detected are bold."""
    first, *others = comparisons
    titles = ["figure", "embark", "fast", "across", "ratio", "offset, se", "chance"]
    lines = [titles + [other.name for other in others]]
    lines.append(["---"] * len(lines[0]))
    for index, (row, null) in enumerate(zip(first.rows, chance, strict=True)):
        figure, *numbers, _ = cells(row, null)
        title = figure if row.verdict == "same" else f"**{figure}**"
        lines.append([title, *numbers, *(judged(other.rows[index]) for other in others)])
    body = ["| " + " | ".join(line) + " |" for line in lines]
    verdicts = [f"{each.name}: {'passes' if each.passed else 'fails'}" for each in comparisons]
    return "\n".join([conditions, "", *body, "", f"Verdicts: {'; '.join(verdicts)}."])


def judged(row: Row) -> str:
    """Cell of a variant."""
    text = f"{row.ratio:.2f} ({row.offset:+.1f})"
    return text if row.verdict == "same" else f"**{text}**"


def around(file: Path) -> tuple[str, str]:
    """Returns the text before and after the table, with its marks.

    Raises:
        ValueError: If the marks are missing.
    """
    before, begin, rest = file.read_text().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{file} has no {BEGIN} ... {END} to put the table in")
    return f"{before}{BEGIN}\n", f"\n{END}{after}"
