"""Numbers of the paper (Ge et al. 2021), which are shown beside those of runs.

They are for ImageNet at 224 px after 200 epochs. Small runs are not comparable with them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from texgen.source import read_classes

TABLE_1: dict[str, tuple[float | None, ...]] = {
    "MoCo-v2, K = 16384": (77.88, 43.08, 28.24, 16.20, 32.92),
    "+ texture, alpha = 2": (77.76, 43.58, 29.11, 16.59, 33.36),
    "+ patch, alpha = 2": (79.35, 45.13, 31.76, 17.37, 34.78),
    "+ patch, alpha = 3": (75.58, 44.45, 34.03, 18.60, 36.89),
    "K = 8192, + patch, alpha = 2": (79.54, 45.48, 33.36, 17.81, 36.31),
    "MoCo-v2* (lr .8, batch 512)": (80.00, None, None, None, None),
    "MoCo-v2* + patch": (81.49, 47.48, 34.20, 17.95, 38.45),
    "BYOL": (78.76, 44.43, 35.84, 15.01, 39.53),
    "BYOL + patch, alpha = .05": (78.81, 44.60, 36.76, 15.52, 41.16),
    "supervised": (86.26, None, None, None, None),
}
"""Top-1 on IN-100 in percent, on the sets of `TABLE_COLUMNS`."""

TABLE_2: dict[str, tuple[float | None, ...]] = {
    "MoCo-v2": (67.60, 87.7, 17.47, 5.55, 27.81),
    "+ patch, alpha = 2": (67.92, 87.6, 18.58, 6.34, 28.95),
}
"""Top-1 on IN-1K in percent, but mCE on IN-C, where lower is better."""

TABLE_COLUMNS = ("IN", "IN-C", "Sketch", "Stylized", "R")

FIGURE_2 = {"positive": 0.94257, "negative": 0.00018, "patch": 0.29503, "texture": 0.35248}
"""Mean cosines of MoCo-v2 on IN-1K."""

FIGURE_3 = {
    "patch": {0: 0.4040, 2: 0.3252, 3: 0.1593},
    "texture": {0: 0.4114, 2: 0.3541, 3: 0.1896},
}
"""Mean cosines of models trained with patch NS, by alpha (0 is without NS)."""

FIGURE_6_POSITIVE = {1: 0.9267, 5: 0.7541}
"""Mean positive cosine at the ends of the sweep over alpha."""

_WORDNET = re.compile(r"n[0-9]{8}")

SOURCE = "Ge et al. 2021"


def table_for(classes: Sequence[str]) -> dict[str, Any] | None:
    """The paper's Table 1 for IN-100's classes, Table 2 for IN-1K's, None for others.

    Returns:
        ``name``, ``columns`` and ``rows``; each row is a name and a number or None for each column.
    """
    if tuple(sorted(classes)) == read_classes("imagenet100"):
        name, columns, rows = "Table 1 (IN-100, top-1, %)", TABLE_COLUMNS, TABLE_1
    elif len(classes) == 1000 and all(_WORDNET.fullmatch(one) for one in classes):
        columns = ("IN", "IN-C (mCE)", *TABLE_COLUMNS[2:])
        name, rows = "Table 2 (IN-1K, top-1, %)", TABLE_2
    else:
        return None
    return {
        "name": name,
        "columns": list(columns),
        "rows": [[name, *values] for name, values in rows.items()],
    }
