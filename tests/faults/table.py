"""The table of faults: each fault, its moments, the number of runs, and the outcome.

``pytest -m slow tests/faults --fault-table benchmarks/RESULTS.md`` writes it between two markers.
Faults that this run has not struck keep the rows that they have.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path

BEGIN, END = "<!-- faults: begin -->", "<!-- faults: end -->"
HEAD = ("fault", "moment", "runs", "outcome")


class FaultTable:
    """Counts outcomes of faults."""

    def __init__(self) -> None:
        self._outcomes: dict[tuple[str, str], Counter[str]] = {}

    def add(self, fault: str, moment: str, outcome: str, runs: int = 1) -> None:
        """Adds ``runs`` runs in which ``fault``, at ``moment``, had ``outcome``."""
        self._outcomes.setdefault((fault, moment), Counter())[outcome] += runs

    def rows(self) -> list[tuple[str, ...]]:
        """Cells of the table, without its head."""
        return [
            (fault, moment, str(outcomes.total()), _counted(outcomes))
            for (fault, moment), outcomes in self._outcomes.items()
        ]

    def update(self, text: str) -> str:
        """The text of a document with its table updated."""
        before, begin, rest = text.partition(BEGIN)
        old, end, after = rest.partition(END)
        if not begin or not end:
            message = f"no place for the table: {BEGIN} and {END} are not there"
            raise ValueError(message)
        new = self.rows()
        struck = {row[0] for row in new}
        kept = [row for row in _cells(old) if row[0] not in struck]
        lines = [_line(HEAD), _line(["---"] * len(HEAD)), *map(_line, sorted([*kept, *new]))]
        return f"{before}{begin}\n" + "\n".join(lines) + f"\n{end}{after}"

    def save(self, path: Path) -> None:
        """Updates the table in a file."""
        path.write_text(self.update(path.read_text()))


def _counted(outcomes: Counter[str]) -> str:
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return "; ".join(f"{count} x {outcome}" for outcome, count in outcomes.most_common())


def _cells(table: str) -> list[tuple[str, ...]]:
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    return [tuple(row) for row in rows[2:]]


def _line(cells: object) -> str:
    return f"| {' | '.join(cells)} |"
