"""Faults that `verify` finds only with ``--deep``, or only with ``--src``."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from tests.conftest import make_source, synthetic_image, tree
from tests.support.builds import request
from tests.support.damage import (
    MANIFEST,
    SHARD,
    Images,
    Rows,
    edit_index,
    flip,
    forge,
    members,
    retar,
    rewrite_rows,
    trust,
)
from texgen.build import SilentMonitor, build
from texgen.cli.main import run
from texgen.core.errors import FAILURES, TexgenError
from texgen.storage import Sink
from texgen.synthesis.patches import patch_geometry
from texgen.verify import DeepOptions, VerifyProgress, verify
from texgen.verify.shards import check_shard

PLAIN, DEEP, SOURCE, SAMPLE = "", "--deep", "--src", "--sample"
ONE, OTHER, LATER = "ant/ant_000", "ant/ant_001", "bee/bee_001"


@dataclass
class Result:
    code: int
    report: dict[str, Any]


@pytest.fixture
def source(tmp_path: Path, small_source: Path) -> Path:
    """A copy of the images that a test may change."""
    return Path(shutil.copytree(small_source, tmp_path / "src", symlinks=True))


@pytest.fixture
def check(out, source, capsys) -> Callable[..., Result]:
    """Returns a function that runs ``texgen verify OUT`` with the options of a level."""

    def look(level: str, *more: str) -> Result:
        options = {
            PLAIN: [],
            DEEP: ["--deep"],
            SOURCE: ["--deep", "--src", str(source), "--sample", "0"],
            SAMPLE: ["--deep", "--src", str(source), "--sample", "99", "--sample-seed", "7"],
        }
        capsys.readouterr()
        code = run(["verify", str(out), "--json", "--workers", "2", *options[level], *more])
        printed = capsys.readouterr()
        assert printed.err == ""
        return Result(code, json.loads(printed.out))

    return look


def row_of(rows: Rows, key: str = ONE) -> dict[str, Any]:
    return next(row for row in rows if row["key"] == key)


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        return np.array(image)


def encoded(image: np.ndarray | Image.Image, image_format: str = "PNG") -> bytes:
    stream = io.BytesIO()
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    image.save(stream, image_format)
    return stream.getvalue()


def texture(edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Replaces the file of a texture by the result of ``edit``."""
    return lambda out: forge(out, lambda _, images: images.update({ONE: edit(images[ONE])}))


def rows(edit: Callable[[Rows], object]) -> Callable[[Path], None]:
    return lambda out: forge(out, lambda rows, _: edit(rows))


def another_color(data: bytes) -> bytes:
    image = pixels(data)
    image[3, 5] ^= 255
    return encoded(image)


def two_pixels_swapped(data: bytes) -> bytes:
    image = pixels(data)
    assert (image[0, 0] != image[15, 15]).any()
    image[0, 0], image[15, 15] = image[15, 15].copy(), image[0, 0].copy()
    return encoded(image)


def resized(rows: Rows, width: int = 60) -> None:
    """Gives a row another width, with the patches that follow from it."""
    row = row_of(rows)
    boxes = patch_geometry(width, row["height"], row["seed"])
    row["width"] = width
    (row["center_x"], row["center_y"]), (row["random_x"], row["random_y"]) = (
        boxes.center,
        boxes.random,
    )


def failed_as(code: str, key: str = ONE, **more: object) -> Callable[[Path], None]:
    def edit(rows: Rows) -> None:
        row = row_of(rows, key)
        row |= dict.fromkeys([*PLACE, "shard", "offset", "length", "sha256"])
        row |= {"status": "failed", "error": f"{code}: {FAILURES[code]}", **more}

    return rows(edit)


PLACE = ("width", "height", "patch_size", "center_x", "center_y", "random_x", "random_y")


def swapped(first: str, second: str) -> Callable[[Path], None]:
    def edit(_: Rows, images: Images) -> None:
        images[first], images[second] = images[second], images[first]

    return lambda out: forge(out, edit)


def trusted(damage: Callable[[Path], object], *paths: str) -> Callable[[Path], None]:
    def both(out: Path) -> None:
        damage(out)
        for path in paths or (SHARD,):
            trust(out, path)

    return both


def tampered(edit: Callable[[list], list]) -> Callable[[Path], None]:
    return lambda out: retar(out / SHARD, edit(members(out / SHARD)))


def cut(out: Path) -> None:
    path = out / SHARD
    path.write_bytes(path.read_bytes()[:1024])


def shards_swapped(out: Path) -> None:
    first, second = out / "train/train-000000.tar", out / SHARD
    data = first.read_bytes(), second.read_bytes()
    second.write_bytes(data[0])
    first.write_bytes(data[1])


MISSING = tampered(lambda content: content[1:])
DOUBLED = tampered(lambda content: [*content[:1], *content])
RENAMED = tampered(lambda content: [("x" + content[0][0], content[0][1]), *content[1:]])
BOTH = ("train/train-000000.tar", SHARD)

DAMAGE: dict[str, tuple[str, Callable[[Path], object]]] = {
    "a bit of a shard flipped": (PLAIN, lambda out: flip(out, SHARD)),
    "a bit of a manifest flipped": (PLAIN, lambda out: flip(out, MANIFEST)),
    "a tar cut between members": (PLAIN, cut),
    "a tar cut between members, sums corrected": (PLAIN, trusted(cut)),
    "a member missing": (PLAIN, MISSING),
    "a member missing, sums corrected": (PLAIN, trusted(MISSING)),
    "a member doubled": (PLAIN, DOUBLED),
    "a member doubled, sums corrected": (PLAIN, trusted(DOUBLED)),
    "a member renamed": (PLAIN, RENAMED),
    "a member renamed, sums corrected": (PLAIN, trusted(RENAMED)),
    "two shards swapped": (PLAIN, shards_swapped),
    "two shards swapped, sums corrected": (PLAIN, trusted(shards_swapped, *BOTH)),
    "a row changed": (PLAIN, lambda out: rewrite_rows(out, lambda rows: rows[0].update(width=51))),
    "a row gone": (PLAIN, lambda out: rewrite_rows(out, lambda rows: rows.pop(1))),
    "rows out of order": (
        PLAIN,
        lambda out: rewrite_rows(out, lambda rows: rows.append(rows.pop(0))),
    ),
    "a stray file": (PLAIN, lambda out: (out / "train/notes.txt").touch()),
    "a patch moved, with all sums": (PLAIN, rows(lambda rows: row_of(rows).update(random_x=0))),
    "a seed changed, with all sums": (PLAIN, rows(lambda rows: row_of(rows).update(seed=1))),
    "a seed below zero, with all sums": (PLAIN, rows(lambda rows: row_of(rows).update(seed=-1))),
    "the card's size changed": (
        PLAIN,
        lambda out: edit_index(out, lambda card: card["config"].update(size=15)),
    ),
    "a texture of no known format": (DEEP, texture(lambda data: b"x" * len(data))),
    "a texture cut off": (DEEP, texture(lambda data: data[: len(data) // 2])),
    "a texture of another format": (DEEP, texture(lambda data: encoded(pixels(data), "WEBP"))),
    "a texture of another size": (DEEP, texture(lambda data: encoded(pixels(data)[:15]))),
    "a texture without colours": (DEEP, texture(lambda data: encoded(pixels(data)[..., 0]))),
    "a texture with alpha": (
        DEEP,
        texture(lambda data: encoded(Image.fromarray(pixels(data)).convert("RGBA"))),
    ),
    "two textures swapped": (SOURCE, swapped(ONE, LATER)),
    "a pixel of another colour": (SOURCE, texture(another_color)),
    "another image's size": (SOURCE, rows(resized)),
    "another class": (
        SOURCE,
        rows(lambda rows: row_of(rows).update({"label": 1, "class": "bee"})),
    ),
    "another source": (SOURCE, rows(lambda rows: row_of(rows).update(source="train/ant/x.JPEG"))),
    "a texture said to have failed": (SOURCE, failed_as("image_corrupt")),
    "another reason of a failure": (SOURCE, failed_as("image_empty", "ant/broken")),
    "patches of no image": (SOURCE, failed_as("image_unreadable", "ant/broken", width=9)),
    "an engine's failure on no image": (SOURCE, failed_as("engine_panicked", "ant/broken")),
    "an engine's failure on other patches": (SOURCE, failed_as("engine_panicked", width=49)),
    "two pixels swapped": (SAMPLE, texture(two_pixels_swapped)),
    "the same pixels, encoded again": (SAMPLE, texture(lambda data: encoded(pixels(data)))),
}
LEVELS = [PLAIN, DEEP, SOURCE, SAMPLE]


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_found_from_the_level_on_that_can_tell(kind, out, check):
    least, damage = DAMAGE[kind]
    damage(out)
    for level in LEVELS:
        result = check(level)
        expected = LEVELS.index(level) >= LEVELS.index(least)
        assert (result.code, bool(result.report["faults"])) == (expected, expected), result
        assert all(fault.isprintable() for fault in result.report["faults"])
        assert result.report["sources"] == []


FORGED = [kind for kind, (level, _) in DAMAGE.items() if level != PLAIN]


@pytest.mark.parametrize("kind", FORGED)
def test_the_printed_commands_repair_the_data_set(kind, out, source, finished, capsys):
    DAMAGE[kind][1](out)
    arguments = ["verify", str(out), "--deep", "--src", str(source), "--sample", "99"]
    assert run(arguments) == 1
    printed = capsys.readouterr().out
    assert "the same `texgen build` again" in printed
    assert "SRC differs from" not in printed
    (line,) = [line for line in printed.splitlines() if line.startswith("rm ")]
    subprocess.run(["sh", "-c", line], check=True)
    build(request(source, out), SilentMonitor())
    assert tree(out) == tree(finished)
    assert run(arguments) == 0


def test_an_intact_data_set_is_decoded_compared_and_rebuilt(check):
    plain, deep, compared, rebuilt = (check(level) for level in LEVELS)
    assert [r.code for r in (plain, deep, compared, rebuilt)] == [0, 0, 0, 0]
    looked_at = [(r.report["decoded"], r.report["photographs"], r.report["remade"])
                 for r in (plain, deep, compared, rebuilt)]  # fmt: skip
    assert looked_at == [(0, 0, 0), (12, 0, 0), (12, 7, 0), (12, 7, 12)]
    assert [len(r.report["notes"]) for r in (plain, deep, compared, rebuilt)] == [0, 1, 0, 0]
    assert rebuilt.report["sample_seed"] == 7


def test_one_texture_is_one_fault_that_names_shard_key_and_engine(out, check):
    texture(two_pixels_swapped)(out)
    report = check(SAMPLE).report
    shard = "train/train-000000.tar"
    what = f"{shard}: {ONE} is not the texture that stub 1 makes of its patches and seed"
    assert report["faults"] == [what]
    assert (report["delete"], report["unlike_src"]) == ([], [shard])
    assert any("another Pillow" in note for note in report["notes"])


def test_a_fault_of_many_textures_is_one_line_a_shard(out, check):
    forge(out, lambda _, images: images.update(dict.fromkeys(images, b"x")))
    faults = check(DEEP).report["faults"]
    assert len(faults) == 4
    assert f"{faults[0]}".startswith(f"train/train-000000.tar: {ONE} does not decode")
    assert faults[0].endswith("(and 2 rows more)")


def test_a_texture_of_no_known_format_has_the_same_fault_in_every_run(out, check):
    forge(out, lambda _, images: images.update({ONE: b"x" * 9}))
    (fault,) = check(DEEP).report["faults"]
    assert fault.endswith("does not decode (UnidentifiedImageError: cannot identify image file)")


def test_the_sample_is_the_same_for_the_same_seed_and_another_for_another(out, source):
    def faults(seed: int) -> list[str]:
        return verify(Sink(out), 2, deep=DeepOptions(str(source), 3, seed)).faults

    def encode(_: Rows, images: Images) -> None:
        images |= {key: encoded(pixels(data)) for key, data in images.items()}

    forge(out, encode)
    forge(out, encode, "val")
    one, again, other = faults(1), faults(1), faults(2)
    assert len(one) == len(other) == 3
    assert one == again != other


def rename(place: str, name: str) -> Callable[[Path], object]:
    return lambda source: (source / place).rename(source / name)


def rewrite(place: str, data: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    def change(source: Path) -> None:
        (source / place).write_bytes(data((source / place).read_bytes()))

    return change


FIRST = "train/ant/ant_000.JPEG"

SOURCES: dict[str, tuple[str, Callable[[Path], object]]] = {
    "an image gone": (f"SRC/{FIRST}: not there", lambda src: (src / FIRST).unlink()),
    "the last one gone": ("not there", lambda src: (src / "val/ant/ant_000.JPEG").unlink()),
    "one more": ("SRC/train/bee/x.png: the data set has no row",
                 lambda src: synthetic_image(1).save(src / "train/bee/x.png")),
    "one more at the end": ("no row", lambda src: synthetic_image(1).save(src / "val/ant/z.png")),
    "one renamed": (f"SRC/{FIRST}: not there", rename(FIRST, "train/ant/x.JPEG")),
    "another size": (f"SRC/{FIRST}: ", rewrite(FIRST, lambda data: data + b"x")),
    "a class more": ("SRC/train: also has the class folder wasp",
                     lambda src: (src / "train/wasp").mkdir()),
    "a class gone": ("SRC/train: lacks the class folder bee",
                     lambda src: shutil.rmtree(src / "train/bee")),
}  # fmt: skip


@pytest.mark.parametrize("planned", [True, False])
@pytest.mark.parametrize("kind", SOURCES)
def test_differences_of_src_are_named(kind, planned, out, source, check):
    what, change = SOURCES[kind]
    change(source)
    if not planned:
        shutil.rmtree(out / "_build")
    report = check(SOURCE).report
    # Without a plan only the fingerprint knows the sizes.
    what = "index.json: its fingerprint" if kind == "another size" and not planned else what
    assert any(what in fault for fault in report["sources"]), report
    assert report["faults"] == report["sources"]
    assert report["delete"] == []


def test_no_build_is_advised_with_a_wrong_src(out, source, capsys):
    (source / FIRST).unlink()
    assert run(["verify", str(out), "--deep", "--src", str(source)]) == 1
    printed = capsys.readouterr().out
    assert "restore its images" in printed
    assert "texgen build" not in printed


def shifted(source: Path) -> None:
    """Adds a class that changes every label."""
    shutil.copytree(source / "train" / "ant", source / "train" / "aaa", symlinks=True)
    shutil.copytree(source / "val" / "ant", source / "val" / "aaa", symlinks=True)


@pytest.mark.parametrize("damaged", [False, True])
def test_for_a_wrong_src_nothing_of_out_is_to_be_deleted(damaged, out, source, check, capsys):
    shifted(source)
    if damaged:
        flip(out, SHARD)
    report = check(SOURCE).report
    # Every shard differs from SRC, and most have no other fault.
    assert len(report["faults"]) > len(report["sources"]) > 0
    assert (report["delete"], report["unlike_src"]) == ([], [])
    assert run(["verify", str(out), "--deep", "--src", str(source), "--sample", "0"]) == 1
    printed = capsys.readouterr().out
    assert "SRC differs from what OUT was built from" in printed
    assert "Delete nothing in OUT" in printed
    assert "rm " not in printed
    assert "texgen build" not in printed


def test_a_shard_that_only_src_belies_is_deleted_on_one_condition(out, source, check, capsys):
    """An image may have changed and kept its size in bytes, which no digest reveals."""
    data = (source / FIRST).read_bytes()
    (source / FIRST).write_bytes(bytes(len(data)))
    report = check(SOURCE).report
    assert (report["delete"], report["unlike_src"]) == ([], ["train/train-000000.tar"])
    assert run(["verify", str(out), "--deep", "--src", str(source), "--sample", "0"]) == 1
    before, _, after = capsys.readouterr().out.partition("rm -- ")
    assert before.rstrip().endswith("restore it; otherwise delete these shards:")
    assert after.startswith(str(out / "train/train-000000.tar"))


def test_an_image_with_other_content_of_the_same_size_is_found(source, check):
    data = (source / FIRST).read_bytes()
    other = encoded(synthetic_image(99, (50, 40)), "JPEG")[: len(data)]
    (source / FIRST).write_bytes(other + bytes(len(data) - len(other)))
    assert any(ONE in fault for fault in check(SOURCE).report["faults"])


def test_an_image_that_became_unreadable_is_found(source, check):
    data = (source / FIRST).read_bytes()
    (source / FIRST).write_bytes(bytes(len(data)))
    (fault, *_) = check(SOURCE).report["faults"]
    assert "has a texture, but its image cannot be read (image_unreadable" in fault


@pytest.mark.parametrize("rest", [True, False])
def test_images_beyond_the_limit_are_no_fault(tmp_path, rest, capsys):
    source = make_source(tmp_path / "src" / "train", {"ant": 3, "bee": 3}, (20, 20)).parent
    out = tmp_path / "out"
    build(request(source, out, limit=4 if rest else 9), SilentMonitor())
    arguments = ["verify", str(out), "--deep", "--src", str(source), "--json"]
    assert run(arguments) == 0, capsys.readouterr().out
    synthetic_image(7).save(source / "train/bee/z.png")
    assert run(arguments) == (not rest)
    synthetic_image(7).save(source / "train/ant/z.png")
    capsys.readouterr()
    assert run(arguments) == 1
    assert "SRC/train/ant/z.png: the data set has no row" in capsys.readouterr().out


@pytest.mark.parametrize("image_format", ["webp", "jpg"])
def test_other_formats_are_decoded_and_rebuilt(image_format, tmp_path, small_source):
    out = tmp_path / "out"
    quality = 90 if image_format == "jpg" else None
    build(request(small_source, out, format=image_format, quality=quality), SilentMonitor())
    deep = DeepOptions(str(small_source), 99, 0)
    report = verify(Sink(out), deep=deep)
    assert (report.faults, report.remade) == ([], 12)
    assert bool(report.notes) == (image_format == "jpg")
    swapped(ONE, LATER)(out)
    report = verify(Sink(out), deep=deep)
    assert report.unlike_src == ["train/train-000000.tar", "train/train-000003.tar"]


OTHER_ENGINES = {
    "another version": {"engine_version": "0"},
    "another encoder": {"encoder": "none"},
    "other parameters": {"engine_parameters": {"x": 1}},
    "an unknown engine": {"engine": "magic"},
    "a threaded engine": {"engine": "embark-cli"},
}


@pytest.mark.parametrize("kind", OTHER_ENGINES)
def test_with_another_engine_a_note_says_that_nothing_is_rebuilt(kind, out, check):
    shutil.rmtree(out / "_build")
    edit_index(out, lambda card: card["config"].update(OTHER_ENGINES[kind]))
    for split in ("train", "val"):
        forge_provenance(out, split, OTHER_ENGINES[kind])
    result = check(SAMPLE)
    assert any("rebuilt" in note for note in result.report["notes"]), result
    assert (result.report["remade"], result.report["sample_seed"]) == (0, None)
    # The config no longer fits the fingerprint; the textures still fit the images.
    (fault,) = result.report["faults"]
    assert "index.json: its fingerprint" in fault


def forge_provenance(out: Path, split: str, changes: dict[str, object]) -> None:
    about = {k: v for k, v in changes.items() if k in {"engine", "engine_version"}}
    for shard in (out / split).glob("*.tar"):
        content = [
            (n, json.dumps({**json.loads(d), **about}, sort_keys=True, separators=(",", ":"))
                .encode() if n.endswith(".json") else d)
            for n, d in members(shard)
        ]  # fmt: skip
        retar(shard, content)
    forge(out, lambda *_: None, split)


@pytest.mark.parametrize(
    ("name", "value"),
    [("size", 0), ("size", None), ("size", 10**9), ("patch_size", -1), ("max_pixels", "x"),
     ("limit", 0), ("limit", True)],
)  # fmt: skip
def test_a_card_that_no_build_writes_is_a_fault(name, value, out, check):
    shutil.rmtree(out / "_build")
    edit_index(out, lambda card: card["config"].update({name: value}))
    result = check(SAMPLE)
    assert result.code == 1
    assert any(f"config {name} is {value!r}" in fault for fault in result.report["faults"])


def test_another_decode_rule_is_noted(out, check):
    shutil.rmtree(out / "_build")
    edit_index(out, lambda card: card["config"].update(decode_rule="other"))
    result = check(SAMPLE)
    assert (result.code, result.report["decoded"], result.report["photographs"]) == (0, 12, 0)
    assert any("'other'" in note for note in result.report["notes"])


def test_a_plan_that_lists_other_sizes_is_not_taken_for_a_changed_src(out, source, check):
    path = out / "_build/plan/train.arrow"
    data = path.read_bytes()
    size = (source / FIRST).stat().st_size.to_bytes(8, "little")
    assert size in data
    path.write_bytes(data.replace(size, (7).to_bytes(8, "little")))
    report = check(SOURCE).report
    assert report["faults"] == []
    assert any("train.arrow is damaged" in note for note in report["notes"])
    path.write_bytes(b"")
    report = check(SOURCE).report
    assert (report["faults"], report["notes"], report["photographs"]) == ([], [], 7)


@pytest.mark.parametrize(
    ("options", "what"),
    [
        (["--src", "."], "--src goes with --deep"),
        (["--deep", "--sample", "3"], "go with --src"),
        (["--deep", "--sample-seed", "3"], "go with --src"),
        (["--deep", "--src", ".", "--sample", "0", "--device", "gpu"], "--device gpu goes with"),
        (["--deep", "--src", ".", "--sample", "0", "--device", "cpu"], "--sample 0 rebuilds none"),
        (["--deep", "--src", ".", "--sample", "0", "--sample-seed", "3"], "--sample-seed 3 goes"),
        (["--deep", "--src", "/nowhere"], "/nowhere: no such file or folder"),
        (["--deep", "--src", "/nowhere", "--sample", "-1"], "--sample"),
    ],
)
def test_options_that_make_no_sense_are_one_line(out, options, what, capsys):
    assert run(["verify", str(out), *options]) == 2
    error = capsys.readouterr().err
    assert what in error
    assert error.count("\n") == 1


def test_an_src_without_the_splits_is_refused(out, small_source, capsys):
    assert run(["verify", str(out), "--deep", "--src", str(small_source / "train")]) == 2
    assert "lacks splits of the data set (train, val); name" in capsys.readouterr().err


def test_a_split_of_src_that_was_not_built_is_noted(out, source, check):
    (source / "test").mkdir()
    result = check(SOURCE)
    assert result.code == 0
    assert any("'test' is not in the data set" in note for note in result.report["notes"])


def test_the_counts_of_a_deep_check_are_printed(out, source, capsys):
    assert run(["verify", str(out), "--deep", "--src", str(source), "--sample", "5"]) == 0
    _, looked_at = capsys.readouterr().out.splitlines()
    assert looked_at.startswith("  12 textures decoded, 7 images compared, 5 rebuilt")
    assert "(--sample-seed " in looked_at


def test_progress_ends_with_all_textures_of_both_rounds(out, source):
    seen: list[VerifyProgress] = []
    verify(Sink(out), 2, deep=DeepOptions(str(source), 5, 0), progress=seen.append)
    done = {checked.rebuilding: (checked.done, checked.total) for checked in seen}
    assert done == {False: (12, 12), True: (5, 5)}


FILES = ["index.json", MANIFEST, SHARD, "manifest/val-00000.parquet", "_build/plan/train.arrow"]


@settings(max_examples=80, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(FILES), place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_whatever_bit_is_flipped_a_check_ends_with_faults_or_one_of_our_errors(
    finished, small_source, tmp_path_factory, path, place, bit
):
    copy = Path(shutil.copytree(finished, tmp_path_factory.mktemp("flipped") / "out"))
    data = bytearray((copy / path).read_bytes())
    data[int(place * len(data))] ^= 1 << bit
    (copy / path).write_bytes(data)
    if path in {MANIFEST, SHARD, "manifest/val-00000.parquet"}:
        trust(copy, path)
    for planned in (True, False):
        try:
            verify(Sink(copy), 2, deep=DeepOptions(str(small_source), 2, 0))
        except TexgenError as error:
            assert path == "index.json", error  # noqa: PT017 - it need not be raised
        if planned:
            shutil.rmtree(copy / "_build")
    shutil.rmtree(copy.parent)


def test_a_damaged_card_is_not_taken_for_a_wrong_src(out, check):
    edit_index(out, lambda card: card["splits"].update(vam=card["splits"].pop("val")))
    result = check(SOURCE)
    assert result.code == 1
    assert any("nothing is compared with SRC" in note for note in result.report["notes"])


def test_a_checked_shard_holds_no_rows_and_no_image_while_it_waits(out, source, monkeypatch):
    checked = []

    def spy(*arguments: Any) -> Any:
        checked.append(check_shard(*arguments))
        return checked[-1]

    monkeypatch.setattr("texgen.verify.check.check_shard", spy)
    report = verify(Sink(str(out)), 2, deep=DeepOptions(str(source), 2, 0))
    assert report.photographs > 0
    assert not report.faults
    assert {(one.rows, one.inspection) for one in checked} == {(None, None)}
