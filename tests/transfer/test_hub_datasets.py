"""What is published to a Hub, as Hugging Face's `datasets` reads it there."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.hub import OWNER, Hub
from tests.support.hub_api import running_hub
from texgen.dataset.random_access import TextureStore

READ = """
import hashlib, json, sys
from datasets import Image, load_dataset

streaming = sys.argv[1] == "streaming"
for split in ("train", "val"):
    rows = load_dataset("lab/textures", split=split, streaming=streaming)
    rows = rows.cast_column("png", Image(decode=False))
    for row in rows:
        data = row["png"]["bytes"]
        print(json.dumps([split, row["__key__"], row["cls"], hashlib.sha256(data).hexdigest()]))
"""


@pytest.mark.parametrize("how", ["streaming", "whole"])
def test_load_dataset_reads_the_pictures_byte_for_byte(how: str, finished: Path, tmp_path: Path):
    with running_hub() as hub:
        environment = here(hub, tmp_path)
        line = [
            sys.executable,
            "-m",
            "texgen",
            "publish",
            str(finished),
            "hf://datasets/lab/textures",
        ]
        subprocess.run([*line, "--license", "other", "--private"], env=environment, check=True)
        # The settings of `datasets` are read when it is imported.
        read = subprocess.run(
            [sys.executable, "-c", READ, how],
            env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert read.returncode == 0, read.stderr
    expected = []
    for split in ("train", "val"):
        store = TextureStore(finished, split)
        for position, key in enumerate(store.keys()):
            digest = hashlib.sha256(store.read(position)).hexdigest()
            expected.append([split, key, int(store.labels[position]), digest])
    assert [json.loads(line) for line in read.stdout.splitlines()] == expected


def here(hub: Hub, folder: Path) -> dict[str, str]:
    """Environment of a process whose Hub is ``hub``."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    home = str(folder / "hf-home")
    return {**kept, "HF_ENDPOINT": hub.url, "HF_TOKEN": OWNER, "HF_HOME": home,
            "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
