"""Metrics of a run: JSON lines and CSV, and TensorBoard if it is installed."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from texgen.core.errors import ConfigError

METRIC_COLUMNS = (
    *("step", "epoch", "lr", "loss", "positive", "negative", "nonsemantic", "ns_share"),
    *("images_per_s", "data_share"),
)
LINES, TABLE, BOARD = "metrics.jsonl", "metrics.csv", "tensorboard"
"""Names in the folder of a run."""


class Metrics:
    """Writes ``metrics.jsonl``, ``metrics.csv`` and TensorBoard's events in the folder of a run.

    Rows of steps after ``step`` are dropped, since these run again.
    """

    def __init__(self, run: Path, step: int) -> None:
        kept = [row for row in read_metrics(run) if row["step"] <= step]
        self._lines = (run / LINES).open("w", encoding="utf-8")
        self._table = (run / TABLE).open("w", encoding="utf-8", newline="")
        self._csv = csv.DictWriter(self._table, METRIC_COLUMNS, restval="", lineterminator="\n")
        self._csv.writeheader()
        self._board: Any = None
        if importlib.util.find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(run / BOARD, purge_step=step + 1)
        for row in kept:
            self._write(row)

    def __enter__(self) -> Metrics:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
        self._table.close()
        if self._board is not None:
            self._board.close()

    def add(self, row: dict[str, float]) -> None:
        """Writes the row of a step."""
        self._write(row)
        if self._board is not None:
            for name in METRIC_COLUMNS[2:]:
                if name in row:
                    self._board.add_scalar(name, row[name], row["step"])

    def _write(self, row: dict[str, float]) -> None:
        self._lines.write(json.dumps(row) + "\n")
        self._lines.flush()
        self._csv.writerow(row)
        self._table.flush()


def read_metrics(run: Path) -> list[dict[str, Any]]:
    """Returns the rows of a run, without a last line that is incomplete.

    Raises:
        ConfigError: If another line is not valid JSON.
    """
    path = run / LINES
    if not path.is_file():
        return []
    text = path.read_text(encoding="utf-8")
    # Every complete line ends with a newline.
    lines = text[: text.rfind("\n") + 1].splitlines()
    try:
        return [json.loads(line) for line in lines]
    except ValueError as error:
        raise ConfigError(
            f"{path}: a line is not valid JSON ({error}); delete that line"
        ) from error


class SpeedMeter:
    """Measures images per second, and the share of the time that passes in waiting for data."""

    def __init__(self, images: int) -> None:
        self._images = images
        self._begin = time.perf_counter()
        self._waited_s = 0.0
        self._steps = 0

    @contextlib.contextmanager
    def loading(self) -> Iterator[None]:
        """Counts the time inside as waiting for data, and one step."""
        begin = time.perf_counter()
        yield
        self._waited_s += time.perf_counter() - begin
        self._steps += 1

    def read(self) -> dict[str, float]:
        """Returns ``images_per_s`` and ``data_share`` (0 to 1) since the last reading."""
        now = time.perf_counter()
        span_s = max(now - self._begin, 1e-9)
        rate = self._images * self._steps / span_s
        share = self._waited_s / span_s
        self._begin, self._waited_s, self._steps = now, 0.0, 0
        return {"images_per_s": rate, "data_share": share}
