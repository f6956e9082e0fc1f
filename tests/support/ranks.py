"""Two ranks of a distributed run, as processes of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch.multiprocessing as mp


def both_answers(target: Callable[..., None], folder: Path, *arguments: Any) -> list[Any]:
    """Runs ``target(rank, *arguments, place, answers)`` for ranks 0 and 1.

    ``place`` is the path of a file by which they may meet. Each rank puts a tuple that begins with
    its number into ``answers``.

    Returns:
        Both tuples, by rank.
    """
    context = mp.get_context("spawn")
    answers = context.Queue()
    place = str(folder / "meet")
    ranks = [
        context.Process(target=target, args=(rank, *arguments, place, answers), daemon=True)
        for rank in range(2)
    ]
    for process in ranks:
        process.start()
    found = sorted((answers.get(timeout=120) for _ in ranks), key=lambda one: one[0])
    for process in ranks:
        process.join(30)
        assert process.exitcode == 0
    return found
