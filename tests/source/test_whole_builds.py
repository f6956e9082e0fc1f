"""Real images through every source, on disk and in a bucket, with real processes."""

from __future__ import annotations

import json
import os
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Texgen
from tests.support.archives import (
    Files,
    write_folder,
    write_ilsvrc_train,
    write_parquet,
    write_tar,
    write_webdataset,
)

if TYPE_CHECKING:
    from tests.support.store import Store

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

OPTIONS = ("--engine", "stub", "--size", 32, "--limit", 12, "--samples-per-shard", 5, "--no-ray")


def images_of(folder: Path, classes: int) -> Files:
    """Path below the split to content, for the images of its first classes."""
    names = sorted(path.name for path in folder.iterdir())[:classes]
    return {
        f"{name}/{path.name}": path.read_bytes()
        for name in names
        for path in sorted((folder / name).iterdir())
    }


@pytest.fixture(scope="module")
def places(imagenet_mini: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("sources")
    for split, classes in (("train", 20), ("val", 8)):
        files = images_of(imagenet_mini / split, classes)
        write_folder(root / "folder" / split, files)
        write_webdataset(root / "webdataset", files, shards=3, prefix=f"imagenet-{split}-")
        parquet = root / "parquet" / "data" / f"{split}-00000-of-00001.parquet"
        write_parquet(parquet, files, rows=4)
        if split == "train":
            write_ilsvrc_train(root / "ilsvrc", files)
            continue
        flat = {
            path.rpartition("/")[2]: (path.partition("/")[0], data) for path, data in files.items()
        }
        members = [(name, data) for name, (_, data) in flat.items()]
        write_tar(root / "ilsvrc" / "ILSVRC2012_img_val.tar", members)
        lines = [f"{name},{class_name}" for name, (class_name, _) in flat.items()]
        (root / "labels.csv").write_text("file,class\n" + "\n".join(lines) + "\n")
    return {name: root / name for name in ("folder", "ilsvrc", "webdataset", "parquet")}


def labels_and_textures(out: Path) -> dict[str, bytes]:
    """Labels and textures of all shards, by split and member."""
    found = {}
    for path in sorted(out.glob("*/*.tar")):
        with tarfile.open(path) as tar:
            for member in tar:
                if not member.name.endswith(".json"):
                    found[f"{path.parent.name}/{member.name}"] = tar.extractfile(member).read()  # type: ignore[union-attr]
    return found


def test_real_images_give_the_same_textures_through_every_source(
    places: dict[str, Path], tmp_path: Path, texgen: Texgen
) -> None:
    labels = ("--labels", places["folder"].parent / "labels.csv")
    expected: dict[str, bytes] = {}
    for name, place in places.items():
        out = tmp_path / name
        more = labels if name == "ilsvrc" else ()
        built = texgen("build", "--src", place, "--out", out, *OPTIONS, *more, "--json")
        assert built.returncode == 0, built.stderr
        assert f"listing {place} ({name})" in built.stderr
        assert json.loads(built.stdout)["textures"] == 20
        verified = texgen("verify", out)
        assert verified.returncode == 0, verified.stdout
        expected = expected or labels_and_textures(out)
        assert labels_and_textures(out) == expected, name
    assert len(expected) == 40


def test_real_images_give_the_same_textures_from_a_bucket(
    places: dict[str, Path], s3: Store, tmp_path: Path, texgen: Texgen
) -> None:
    built = texgen("build", "--src", places["folder"], "--out", tmp_path / "0", *OPTIONS)
    assert built.returncode == 0, built.stderr
    # Only SRC is in the bucket, and only the option names its endpoint.
    environment = {k: v for k, v in os.environ.items() if k != "AWS_ENDPOINT_URL_S3"}
    for name in ("folder", "webdataset"):
        for path in (path for path in places[name].rglob("*") if path.is_file()):
            s3.put_at_once(f"{name}/{path.relative_to(places[name])}", path.read_bytes())
        given = ("--src", f"s3://{s3.bucket}/{name}", *OPTIONS, "--s3-endpoint", s3.endpoint)
        planned = texgen("plan", *given, "--json", env=environment)
        assert planned.returncode == 0, planned.stderr
        built = texgen("build", *given, "--out", tmp_path / name, "--json", env=environment)
        assert built.returncode == 0, built.stderr
        assert json.loads(built.stdout)["textures"] == json.loads(planned.stdout)["textures"] == 20
        assert labels_and_textures(tmp_path / name) == labels_and_textures(tmp_path / "0"), name


def test_parts_on_machines_without_a_cache_and_a_resume_make_the_same(
    places: dict[str, Path], tmp_path: Path, texgen: Texgen
) -> None:
    pattern = places["webdataset"] / "imagenet-{train,val}-{000000..000002}.tar"
    arguments = ("build", "--src", pattern, *OPTIONS, "--quiet")
    assert texgen(*arguments, "--out", tmp_path / "whole").returncode == 0
    for number in (1, 2):
        part = texgen(*arguments, "--out", tmp_path / "parts", "--part", f"{number}/2",
                      env=_with_cache(tmp_path / f"cache{number}"))  # fmt: skip
        assert part.returncode == 0, part.stderr
    assert labels_and_textures(tmp_path / "parts") == labels_and_textures(tmp_path / "whole")
    planned = texgen("plan", "--src", pattern, *OPTIONS, "--out", tmp_path / "parts")
    assert "0 textures left" in planned.stdout


def _with_cache(folder: Path) -> dict[str, str]:
    return {**os.environ, "XDG_CACHE_HOME": str(folder)}


def test_an_archive_that_is_cut_off_stops_plan_and_build_with_one_line(
    places: dict[str, Path], tmp_path: Path, texgen: Texgen
) -> None:
    src = tmp_path / "src"
    src.mkdir()
    whole = (places["ilsvrc"] / "ILSVRC2012_img_train.tar").read_bytes()
    archive = src / "ILSVRC2012_img_train.tar"
    archive.write_bytes(whole[: len(whole) // 2])
    arguments = ("--src", src, *OPTIONS)
    planned = texgen("plan", *arguments)
    assert planned.returncode == 1
    assert "problem: ILSVRC2012_img_train.tar" in planned.stdout
    assert "is cut off at byte" in planned.stdout
    built = texgen("build", *arguments, "--out", tmp_path / "out", "--quiet")
    assert built.returncode == 2
    assert "is cut off at byte" in built.stderr
    assert len(built.stderr.strip().splitlines()) == 1
    archive.write_bytes(whole)
    assert texgen("build", *arguments, "--out", tmp_path / "out", "--quiet").returncode == 0
