"""Deep checks of data sets from real engines, and of images of every kind."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.build.test_whole_build import awkward_images, build
from tests.conftest import Texgen, make_source, synthetic_image
from tests.support.damage import forge

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]


def deep(texgen: Texgen, out: Path, src: Path, sample: int = 99) -> dict:
    result = texgen("verify", out, "--deep", "--src", src, "--sample", sample, "--json")
    report = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (bool(report["faults"]), "")
    return report


@pytest.mark.parametrize(
    "options",
    [
        ("--textures-per-image", 2, "--samples-per-shard", 3),
        ("--format", "webp"),
        ("--format", "jpg", "--quality", 80),
        ("--engine", "embark", "--size", 48),
    ],
)
def test_every_texture_of_a_real_engine_is_rebuilt_byte_for_byte(
    options: tuple[object, ...], imagenet_mini: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, imagenet_mini, out, "--limit", 3, "--no-ray", "--quiet", *options)
    report = deep(texgen, out, imagenet_mini)
    assert report["faults"] == []
    assert report["decoded"] == report["remade"] == report["rows"] > 0
    assert report["photographs"] == 6


def test_a_texture_of_another_image_is_found_with_all_sums_corrected(
    imagenet_mini: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, imagenet_mini, out, "--limit", 2, "--no-ray", "--quiet")

    def swap(rows: list[dict], images: dict[str, bytes]) -> None:
        first, second = (row["key"] for row in rows)
        images[first], images[second] = images[second], images[first]

    forge(out, swap)
    assert texgen("verify", out, "--deep").returncode == 0
    (fault,) = deep(texgen, out, imagenet_mini, sample=0)["faults"]
    assert "is not made of its patches" in fault
    assert fault.endswith("(and 1 row more)")


def test_awkward_images_are_no_fault(tmp_path: Path, texgen: Texgen) -> None:
    source, out = tmp_path / "src", tmp_path / "out"
    awkward_images(source / "train" / "x")
    stub = ("--engine", "stub", "--size", 32, "--no-ray", "--quiet", "--max-failures", "100%")
    build(texgen, source, out, *stub)
    report = deep(texgen, out, source)
    assert report["faults"] == []
    assert report["remade"] == report["textures"] > 0


def test_a_flat_split_is_compared_too(tmp_path: Path, texgen: Texgen) -> None:
    source, out = make_source(tmp_path / "src", {"x": 3}) / "x", tmp_path / "out"
    build(texgen, source, out, "--engine", "stub", "--size", 32, "--no-ray", "--quiet")
    report = deep(texgen, out, source)
    assert (report["faults"], report["photographs"], report["remade"]) == ([], 3, 3)
    synthetic_image(9).save(source / "one more.png")
    (fault,) = deep(texgen, out, source)["sources"]
    assert fault == "SRC/one more.png: the data set has no row of it"
