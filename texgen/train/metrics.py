"""What a run says of itself: JSON lines and CSV always, TensorBoard where it is installed."""

from __future__ import annotations

import csv
import importlib.util
import json
from pathlib import Path
from types import TracebackType
from typing import Any

from texgen.core.errors import ConfigError

COLUMNS = (
    *("step", "epoch", "lr", "loss", "positive", "negative", "nonsemantic", "ns_share"),
    *("images_per_s", "data_share"),
)
LINES, TABLE, BOARD = "metrics.jsonl", "metrics.csv", "tensorboard"
"""In a run's folder."""


class Metrics:
    """Writes ``metrics.jsonl`` and ``metrics.csv`` in a run's folder, and TensorBoard's events.

    Args:
        run: The folder.
        step: Steps that are done; rows after it, of what is now made again, are dropped.
    """

    def __init__(self, run: Path, step: int) -> None:
        kept = [row for row in read_metrics(run) if row["step"] <= step]
        self._lines = (run / LINES).open("w", encoding="utf-8")
        self._table = (run / TABLE).open("w", encoding="utf-8", newline="")
        self._csv = csv.DictWriter(self._table, COLUMNS, restval="", lineterminator="\n")
        self._csv.writeheader()
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(run / BOARD, purge_step=step + 1)
        for row in kept:
            self._write(row)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lines.close()
        self._table.close()
        if self._board is not None:
            self._board.close()

    def add(self, row: dict[str, float]) -> None:
        """Writes one step's row."""
        self._write(row)
        if self._board is not None:
            for name in COLUMNS[2:]:
                if name in row:
                    self._board.add_scalar(name, row[name], row["step"])

    def _write(self, row: dict[str, float]) -> None:
        self._lines.write(json.dumps(row) + "\n")
        self._lines.flush()
        self._csv.writerow(row)
        self._table.flush()


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """The rows of a run so far; a last line that was cut off is left out."""
    path = run / LINES
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    # Every whole line ends with an end of line.
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        message = f"{path}: a line in it is no JSON ({error}); delete that line"
        raise ConfigError(message) from error
