"""Whole builds with real engine processes, in plain processes and on a real local Ray."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

import texgen as texgen_package
from tests.conftest import Texgen, command, make_source, synthetic_image, tree
from texgen.core.decode import decode

pytestmark = [pytest.mark.whole, pytest.mark.integration, pytest.mark.usefixtures("no_orphans")]

STUB = ("--engine", "stub", "--size", 64, "--quiet")


def rows(out: Path, split: str = "train") -> list[dict]:
    return pq.read_table(out / "manifest" / f"{split}-00000.parquet").to_pylist()


def build(texgen: Texgen, src: Path, out: Path, *options: object) -> None:
    result = texgen("build", "--src", src, "--out", out, *options)
    assert result.returncode == 0, result.stderr


def test_ray_plain_processes_and_resumed_builds_give_the_same_bytes(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    options = (*STUB, "--samples-per-shard", 4, "--textures-per-image", 3)
    build(texgen, image_source, tmp_path / "ray", *options, "--workers", 2)
    for workers in (1, 3):
        out = tmp_path / f"plain{workers}"
        build(texgen, image_source, out, *options, "--no-ray", "--workers", workers)
        assert tree(out) == tree(tmp_path / "ray")
    resumed = tmp_path / "plain1"
    (resumed / "index.json").unlink()
    (resumed / "train" / "train-000001.tar").unlink()
    (resumed / "_build" / "records" / "train-000003.arrow").unlink()
    (resumed / "_build" / "records" / "val-000000.arrow").write_bytes(b"damaged")
    (resumed / "val" / "val-000001.tar").write_bytes(b"cut")
    build(texgen, image_source, resumed, *options, "--workers", 2)
    assert tree(resumed) == tree(tmp_path / "ray")


def test_a_local_ray_starts_where_the_folder_for_temporary_files_has_a_long_name(
    tmp_path: Path, texgen: Texgen
) -> None:
    """Schedulers name TMPDIR after the job; below it, paths of Ray's sockets get too long."""
    src = make_source(tmp_path / "src", {"ant": 2})
    long = tmp_path / ("job" * 25)
    long.mkdir()
    options = ("--src", src, "--out", tmp_path / "out", *STUB, "--workers", 1)
    made = texgen("build", *options, env={**os.environ, "TMPDIR": str(long)})
    assert made.returncode == 0, made.stderr


def test_parts_side_by_side_give_the_whole_and_one_of_them_the_index(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    options = (*STUB, "--samples-per-shard", 2, "--no-ray", "--workers", 1)
    build(texgen, image_source, tmp_path / "whole", *options)
    arguments = ("build", "--src", image_source, "--out", tmp_path / "out", *options, "--json")
    parts = [
        subprocess.Popen(
            command(*arguments, "--part", f"{number}/3"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in (1, 2, 3)
    ]
    said = [part.communicate(timeout=120) for part in parts]
    assert [part.returncode for part in parts] == [0, 0, 0], said
    left = [json.loads(output)["left_to_others"] for output, _ in said]
    assert 0 in left
    assert tree(tmp_path / "out") == tree(tmp_path / "whole")
    assert texgen("verify", tmp_path / "out").returncode == 0


def test_a_finished_build_is_recognised_and_not_made_again(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, image_source, out, *STUB, "--no-ray")
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")}
    result = texgen("build", "--src", image_source, "--out", out, *STUB, "--json")
    assert json.loads(result.stdout)["made"] == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.tar")} == times


def test_every_row_is_a_real_texture_of_its_image(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    small = ("--size", 48, "--patch-size", 32, "--small-patch-size", 16, "--limit", 3)
    build(texgen, image_source, out, "--no-ray", "--quiet", *small)
    for row in rows(out):
        image = np.asarray(Image.open(image_source / row["source"]).convert("RGB"))
        drawn = texgen_package.sample_patches(
            image, row["seed"], patch_size=32, small_patch_size=16
        )
        assert drawn.boxes.center == (row["center_x"], row["center_y"])
        assert drawn.boxes.random == (row["random_x"], row["random_y"])
        with (out / row["shard"]).open("rb") as shard:
            shard.seek(row["offset"])
            data = shard.read(row["length"])
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        texture = np.asarray(Image.open(io.BytesIO(data)))
        again = texgen_package.synthesize([drawn.center, drawn.random], 48, row["seed"])
        assert np.array_equal(texture, again)


def test_plain_webdataset_reads_the_shards(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, image_source, out, *STUB, "--no-ray", "--samples-per-shard", 8)
    urls = [str(path) for path in sorted(out.glob("train/*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("pil"))
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in rows(out)]
    assert all(sample["png"].size == (64, 64) for sample in samples)
    assert [sample["cls"] for sample in samples] == [row["label"] for row in rows(out)]
    assert all(sample["json"]["key"] == sample["__key__"] for sample in samples)


@pytest.mark.parametrize("image_format", ["webp", "jpg"])
def test_other_formats_hold_the_same_textures(
    image_format: str, image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    build(texgen, image_source, tmp_path / "png", *STUB, "--no-ray", "--split", "val")
    options = (*STUB, "--no-ray", "--split", "val", "--format", image_format)
    build(texgen, image_source, tmp_path / "other", *options)
    assert texgen("verify", tmp_path / "other").returncode == 0
    pngs, others = (
        [s[ext] for s in webdataset.WebDataset(
            str(tmp_path / name / "val" / "val-000000.tar"), shardshuffle=False
        ).decode("rgb8")]
        for name, ext in (("png", "png"), ("other", image_format))
    )  # fmt: skip
    for exact, other in zip(pngs, others, strict=True):
        error = np.abs(exact.astype(int) - other.astype(int)).mean()
        assert error == 0 if image_format == "webp" else 0 < error < 6


def test_a_flat_split_has_no_labels(tmp_path: Path, texgen: Texgen) -> None:
    source = tmp_path / "flat"
    make_source(source, {"images": 3})
    build(texgen, source / "images", tmp_path / "out", *STUB, "--no-ray", "--split", "val")
    assert [row["label"] for row in rows(tmp_path / "out", "val")] == [None] * 3
    names = webdataset.WebDataset(
        str(tmp_path / "out" / "val" / "val-000000.tar"), shardshuffle=False
    )
    assert all("cls" not in sample for sample in names)
    assert texgen("verify", tmp_path / "out").returncode == 0


def test_a_changed_configuration_is_refused_and_named(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, image_source, out, *STUB, "--no-ray")
    before = tree(out)
    result = texgen("build", "--src", image_source, "--out", out, *STUB, "--seed", 1, "--no-ray")
    assert result.returncode == 2
    assert "seed was 0 and is now 1" in result.stderr
    assert result.stderr.count("\n") == 1
    assert tree(out) == before


def test_a_changed_source_is_refused_and_named(tmp_path: Path, texgen: Texgen) -> None:
    source = make_source(tmp_path / "train", {"ant": 3, "bee": 2})
    out = tmp_path / "out"
    build(texgen, source, out, *STUB, "--no-ray")
    synthetic_image(99).save(source / "ant" / "ant_000x.JPEG")
    result = texgen("build", "--src", source, "--out", out, *STUB, "--no-ray")
    assert result.returncode == 2
    assert "split 'train' has changed (5 images then, 6 now)" in result.stderr
    assert "ant/ant_000x.JPEG" in result.stderr


def test_workers_and_time_outs_may_change_on_resume(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, image_source, out, *STUB, "--no-ray", "--workers", 1)
    (out / "train" / "train-000000.tar").unlink()
    build(texgen, image_source, out, *STUB, "--no-ray", "--workers", 3, "--sample-timeout", 9)
    assert texgen("verify", out).returncode == 0


def awkward_images(folder: Path) -> dict[str, str | None]:
    """Writes unusual files as users have them; name to the code they fail with, or None."""
    folder.mkdir(parents=True)
    image = synthetic_image(0)
    image.convert("L").save(folder / "grey.png")
    image.convert("LA").save(folder / "grey_alpha.png")
    image.convert("P").save(folder / "palette.png")
    image.convert("1").save(folder / "one_bit.png")
    image.convert("RGBA").save(folder / "rgba.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    Image.fromarray(np.arange(120 * 110, dtype=np.uint16).reshape(110, 120) * 4).save(
        folder / "grey16.png"
    )
    image.save(folder / "png_named.png")
    (folder / "png_named.png").rename(folder / "png_named.JPEG")
    image.save(folder / "exif_junk.jpg", exif=b"Exif\0\0II*\0\xff\xff\xff\xff junk")
    image.resize((20, 17)).save(folder / "tiny.png")
    image.resize((1, 1)).save(folder / "dot.png")
    image.save(folder / "whole.jpg")
    whole = (folder / "whole.jpg").read_bytes()
    (folder / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "text.jpg").write_text("not an image")
    Image.new("1", (20000, 20000)).save(folder / "bomb.png")
    (folder / "nowhere.jpg").symlink_to("missing.jpg")
    with (folder / "sparse.jpg").open("wb") as file:
        file.truncate(200 << 30)
    bad = {
        "truncated.jpg": "image_corrupt",
        "empty.jpg": "image_empty",
        "text.jpg": "image_unreadable",
        "bomb.png": "image_too_large",
        "nowhere.jpg": "image_missing",
        "sparse.jpg": "image_file_too_large",
    }
    return {path.name: bad.get(path.name) for path in folder.iterdir()}


def test_awkward_images_give_a_texture_or_a_failed_row_with_its_reason(
    tmp_path: Path, texgen: Texgen
) -> None:
    expected = awkward_images(tmp_path / "train" / "zoo")
    out = tmp_path / "out"
    result = texgen("build", "--src", tmp_path / "train", "--out", out, *STUB, "--no-ray")
    assert result.returncode == 1, result.stderr
    assert "--max-failures allows " in result.stdout
    assert "for example zoo/" in result.stdout
    found = {Path(row["source"]).name: row for row in rows(out)}
    assert set(found) == set(expected)
    for name, code in expected.items():
        row = found[name]
        assert (row["error"] or "None").split(":")[0] == str(code), name
        if code is None:
            image = decode((tmp_path / "train" / "zoo" / name).read_bytes())
            assert (row["height"], row["width"]) == image.shape[:2]
            assert row["patch_size"] == {"tiny.png": 17, "dot.png": 1}.get(name, 96)
        else:
            assert row["shard"] is row["width"] is row["sha256"] is None
    assert texgen("verify", out).returncode == 0
    again = texgen("build", "--src", tmp_path / "train", "--out", out, *STUB, "--no-ray")
    assert again.returncode == 1
    assert "already complete" in again.stdout


def test_failures_within_the_budget_are_exit_code_0(tmp_path: Path, texgen: Texgen) -> None:
    source = make_source(tmp_path / "train", {"ant": 4})
    (source / "ant" / "empty.jpg").touch()
    options = (*STUB, "--no-ray")
    tight = texgen("build", "--src", source, "--out", tmp_path / "out", *options)
    assert tight.returncode == 1
    enough = texgen(
        "build", "--src", source, "--out", tmp_path / "out", *options, "--max-failures", 1
    )
    assert enough.returncode == 0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--src", "gs://bucket/x"), "name a folder, or s3://bucket/prefix"),
        (("--out", "gs://bucket/x"), "name a folder, or s3://bucket/prefix"),
        (("--src", "/missing"), "no such file or folder"),
        (("--src", "/dev/null/missing"), "Not a directory"),
        (("--engine", "embark-cli", "--engine-bin", "/missing/program"), "cargo install"),
        (("--quality", 90), "--quality goes with jpg"),
        (("--engine-bin", "/dev/null"), "--engine embark-cli"),
        (("--workers", 10**9), "--workers"),
        (("--sample-timeout", "nan"), "--sample-timeout"),
        (("--engine", "quilt"), "'fast', 'embark', 'embark-cli'."),
        (("--engine", "fast", "--size", 1025), "--engine embark goes to 4096"),
        (("--size", 4097), "--size"),
        (("--max-failures", "many"), "percentage"),
        (("--ray-address", "127.0.0.1:1", "--no-ray"), "exclude each other"),
        (("--colour", "red"), "--colour"),
    ],
)
def test_usage_errors_are_one_line_and_exit_code_2(
    options: tuple[object, ...], words: str, image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    arguments = ["--src", image_source, "--out", tmp_path / "out", *STUB, "--no-ray"]
    result = texgen("build", *arguments, *options)
    assert result.returncode == 2
    assert words in result.stderr
    assert result.stderr.startswith("texgen: ")
    assert result.stderr.count("\n") == 1
    assert result.stdout == ""


def test_out_inside_src_and_a_foreign_out_are_refused(
    image_source: Path, tmp_path: Path, texgen: Texgen
) -> None:
    inside = texgen("build", "--src", image_source, "--out", image_source / "train" / "out", *STUB)
    assert (inside.returncode, "inside the other" in inside.stderr) == (2, True)
    (tmp_path / "mine.txt").write_text("precious")
    foreign = texgen("build", "--src", image_source, "--out", tmp_path, *STUB, "--no-ray")
    assert (foreign.returncode, "mine.txt" in foreign.stderr) == (2, True)
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]


def test_synth_makes_a_texture_from_files(tmp_path: Path, texgen: Texgen) -> None:
    for name in ("a.png", "b.png"):
        synthetic_image(len(name), (40, 40)).save(tmp_path / name)
    out = tmp_path / "texture.png"
    arguments = ("synth", tmp_path / "a.png", tmp_path / "b.png", "--out", out, "--size", 48)
    assert texgen(*arguments).returncode == 0
    texture = np.asarray(Image.open(out))
    pair = [np.asarray(Image.open(tmp_path / name)) for name in ("a.png", "b.png")]
    assert np.array_equal(texture, texgen_package.synthesize(pair, 48))
    missing = texgen("synth", tmp_path / "none.png", "--out", out)
    assert (missing.returncode, "none.png" in missing.stderr) == (2, True)


def test_imagenet_images_give_textures_of_their_own_pixels(
    imagenet_mini: Path, tmp_path: Path, texgen: Texgen
) -> None:
    out = tmp_path / "out"
    build(texgen, imagenet_mini, out, "--limit", 3, "--quiet")
    assert texgen("verify", out).returncode == 0
    for split in ("train", "val"):
        urls = str(out / split / f"{split}-000000.tar")
        dataset = webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8")
        for sample, row in zip(dataset, rows(out, split), strict=True):
            image = np.asarray(Image.open(imagenet_mini / row["source"]).convert("RGB"))
            drawn = texgen_package.sample_patches(image, row["seed"])
            both = np.concatenate([drawn.center.reshape(-1, 3), drawn.random.reshape(-1, 3)])
            known = {tuple(pixel) for pixel in both.tolist()}
            assert sample["png"].shape == (224, 224, 3)
            assert all(tuple(pixel) in known for pixel in sample["png"].reshape(-1, 3).tolist())
