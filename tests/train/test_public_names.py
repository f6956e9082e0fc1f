"""Public names: present, imported late, and clear where an extra is not installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

import texgen


@pytest.mark.parametrize("name", texgen.__all__)
def test_every_public_name_can_be_had(name):
    assert getattr(texgen, name) is not None


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("used", ["texgen.TexturePairs", "texgen.TextureNegative(64)"])
def test_what_needs_no_torch_is_imported_without_it(used):
    done = python(f"import sys, texgen; {used}; assert 'torch' not in sys.modules")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("code", "name"),
    [
        ("texgen.losses", "texgen.losses"),
        ("from texgen.losses import simclr_loss", "texgen.losses"),
        ("texgen.PairedViews", "texgen.PairedViews"),
        ("texgen.PatchNegative", "texgen.PatchNegative"),
    ],
)
def test_without_torch_one_line_names_the_extra(code, name):
    # A finder that knows no torch is what an environment without it has.
    without = """
import sys, texgen
class NoTorch:
    def find_spec(name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, NoTorch)
try:
    CODE
except texgen.TexgenError as error:
    assert isinstance(error, ImportError)
    print(error)
"""
    done = python(without.replace("CODE", code))
    assert done.stdout == (
        f"{name} needs torch, which is not installed: pip install 'texgen-shards[train]'\n"
    ), done.stderr
