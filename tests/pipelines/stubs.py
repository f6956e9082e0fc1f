"""Programs that replace real ones and record how they were called."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

CLUSTER = Path(__file__).parents[2] / "pipelines" / "cluster"

_RECORD = """#!/usr/bin/env python3
import json, os, sys
from pathlib import Path
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps([Path(sys.argv[0]).name, *sys.argv[1:]]) + "\\n")
"""


def recorder(folder: Path, *names: str) -> None:
    """Writes programs into ``folder`` that only record how they were called."""
    folder.mkdir(exist_ok=True)
    for name in names:
        program(folder, name, _RECORD)


def program(folder: Path, name: str, text: str) -> None:
    """Writes an executable file."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def calls(script: str, folder: Path, *arguments: str, **environment: str) -> list[list[str]]:
    """Stubs of `ray`, `texgen` and `srun`, the programs that a pipeline calls."""
    recorder(folder, "ray", "texgen", "srun")
    program(folder, "scontrol", "#!/bin/sh\necho localhost; echo 127.0.0.1\n")
    log = folder / "calls"
    subprocess.run(
        ["bash", CLUSTER / script, *arguments],
        env={"PATH": f"{folder}:/usr/local/bin:/usr/bin:/bin", "CALLS": str(log), **environment},
        check=True,
        timeout=60,
    )
    return [json.loads(line) for line in log.read_text().splitlines()]


SLURM = {
    "SLURM_JOB_ID": "4711",
    "SLURM_JOB_NODELIST": "n[1-2]",
    "SLURM_CPUS_PER_TASK": "2",
    "SLURM_ARRAY_JOB_ID": "4711",
    "SLURM_ARRAY_TASK_ID": "3",
    "SLURM_ARRAY_TASK_MIN": "1",
    "SLURM_ARRAY_TASK_MAX": "32",
    "SLURM_ARRAY_TASK_STEP": "1",
    "SLURM_ARRAY_TASK_COUNT": "32",
}
