"""The same images through every source."""

from __future__ import annotations

import json
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import synthetic_image, tree
from tests.support.archives import (
    Files,
    write_folder,
    write_ilsvrc_train,
    write_parquet,
    write_webdataset,
)
from texgen.cli.main import run
from texgen.core.errors import SourceError
from texgen.dataset.reader import Dataset
from texgen.source import SourceSpec, find_format, open_source
from texgen.storage import Sink


def listed(location: Path, **more: object) -> tuple[object, ...]:
    """Everything that a build takes from a source, without the places of the images."""
    source = open_source(SourceSpec(str(location), **more))
    (split,) = source.splits()
    entries = list(source.entries(split))
    # A second source, as another process opens it.
    reader = open_source(SourceSpec(str(location), **more))
    read = [(e.key, e.label, e.class_name, reader.read(e)) for e in entries]
    return split.name, split.classes, read


def written(root: Path, files: Files) -> dict[str, Path]:
    write_folder(root / "folder" / "train", files)
    return {
        "folder": root / "folder",
        "ilsvrc": write_ilsvrc_train(root / "ilsvrc", files).parent,
        "webdataset": write_webdataset(root / "webdataset" / "train", files, shards=3).parent,
        "parquet": write_parquet(root / "parquet" / "train-00000-of-00001.parquet", files).parent,
    }


PART = st.text("ab-_~ éZ0\\", min_size=1, max_size=5)
TREES = st.dictionaries(
    st.tuples(PART, PART).map("/".join),
    st.binary(max_size=1200),
    min_size=1,
    max_size=8,
)


@settings(max_examples=40)
@given(TREES)
def test_any_tree_has_the_same_keys_labels_and_bytes_in_every_form(files: dict[str, bytes]):
    files = {f"{name}.jpg": data for name, data in files.items()}
    with tempfile.TemporaryDirectory() as folder:
        places = written(Path(folder), files)
        expected = listed(places.pop("folder"))
        for form, place in places.items():
            assert listed(place, format=form) == expected


NESTED = st.dictionaries(
    st.lists(PART, min_size=3, max_size=4).map("/".join),
    st.binary(max_size=30),
    min_size=1,
    max_size=6,
)


@settings(max_examples=30)
@given(NESTED, st.sampled_from([tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]))
def test_folders_inside_classes_stay_in_keys(files: dict[str, bytes], form: int):
    # The prefix and suffix keep a file and a folder from having the same name.
    files = {
        "/".join(f"d{part}" for part in name.split("/")) + "f.jpg": data
        for name, data in files.items()
    }
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        write_folder(root / "folder" / "train", files)
        # With --layout auto a single folder around others is refused.
        expected = listed(root / "folder", layout="splits")
        assert listed(write_ilsvrc_train(root / "i", files, format=form)) == expected
        assert listed(write_webdataset(root / "w" / "train", files, format=form)) == expected
        whole = write_parquet(root / "p" / "train.parquet", files, paths="whole", names=False)
        assert listed(whole) == expected


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    files = {}
    folder = tmp_path_factory.mktemp("images")
    for seed in range(9):
        path = folder / "x.JPEG"
        synthetic_image(seed, (50, 40)).save(path)
        files[f"n0000000{seed % 2}/n_{seed}.JPEG"] = path.read_bytes()
    files["n00000000/broken.JPEG"] = b"not an image"
    return written(tmp_path_factory.mktemp("forms"), files)


FIXED = ["--size", "16", "--engine", "stub", "--no-ray", "--samples-per-shard", "4"]
FORMS = ["ilsvrc", "webdataset", "parquet"]


def build(place: Path, out: Path, *more: str) -> int:
    budget = ["--max-failures", "1", "--quiet"]
    return run(["build", "--src", str(place), "--out", str(out), *FIXED, *budget, *more])


def textures(out: Path) -> dict[str, bytes]:
    found = {}
    for path in sorted(out.glob("train/*.tar")):
        with tarfile.open(path) as tar:
            found |= {m.name: tar.extractfile(m).read() for m in tar}  # type: ignore[union-attr]
    # The source of an image differs; only the JSON contains it.
    return {name: data for name, data in found.items() if not name.endswith(".json")}


@pytest.mark.parametrize("form", FORMS)
def test_each_format_is_detected_planned_built_resumed_and_verified(form, places, tmp_path, capsys):
    place = places[form]
    assert find_format(str(place)) == form
    assert run(["plan", "--src", str(place), *FIXED, "--max-failures", "2", "--json"]) == 0
    planned = json.loads(capsys.readouterr().out)
    assert planned["splits"]["train"]["images"] == 10
    assert build(place, tmp_path / "out") == 0
    before = tree(tmp_path / "out")
    for path in ("index.json", "train/train-000001.tar", "_build/records/train-000002.arrow"):
        (tmp_path / "out" / path).unlink()
    assert build(place, tmp_path / "out", "--src-format", form) == 0
    assert tree(tmp_path / "out") == before
    assert build(places["folder"], tmp_path / "folder") == 0
    assert textures(tmp_path / "out") == textures(tmp_path / "folder")
    assert len(textures(tmp_path / "out")) == 18
    assert run(["verify", str(tmp_path / "out")]) == 0
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["splits"]["train"]["failed"] == 1
    assert index["fingerprint"] == planned["fingerprint"]


@pytest.mark.parametrize("form", FORMS)
def test_a_subset_of_classes_and_a_limit_are_those_of_folders(form, places):
    more = {"classes": ("n00000001", "none")}
    source = open_source(SourceSpec(str(places[form]), **more))
    (split,) = source.splits()
    assert split.classes == ("n00000001",)
    assert any(n.startswith("1 of the --classes is not in 'train'") for n in split.notes)
    assert listed(places[form], **more) == listed(places["folder"], **more)


@pytest.mark.parametrize("form", FORMS)
def test_bench_reads_every_format(form, places, capsys):
    assert run(["bench", "--src", str(places[form]), "--engine", "stub", "--size", "16", "--limit",
                "4"]) == 0  # fmt: skip


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-512])


def rewritten(path: Path) -> None:
    """Changes images and keeps the size, as another run of the tool that wrote the archive may."""
    data = path.read_bytes()
    path.write_bytes(data.replace(b"n_0", b"m_0").replace(b"n_2", b"m_2"))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("change", [shortened, rewritten, Path.unlink])
def test_an_archive_that_changed_since_the_plan_is_an_error(
    form: str, change: Callable[[Path], None], places: dict[str, Path], tmp_path: Path
):
    from texgen.core.errors import SourceChangedError

    copy = Path(str(tmp_path / "copy"))
    for path in places[form].rglob("*.*"):
        if path.is_file():
            target = copy / path.relative_to(places[form])
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    source = open_source(SourceSpec(str(copy)))
    entries = list(source.entries(source.splits()[0]))
    archives = [path for path in copy.rglob("*.*") if path.suffix in {".tar", ".parquet"}]
    for path in archives:
        change(path)
    reader = open_source(SourceSpec(str(copy), format=form))
    caught = []
    for entry in entries:
        try:
            reader.read(entry)
        except SourceChangedError as error:
            caught.append(str(error))
    # In a tar, only images whose own names changed are recognized as changed.
    assert len(caught) == len(entries) if change is not rewritten or form == "parquet" else caught
    assert any(Path(path).name in text for path in archives for text in caught)


@pytest.mark.parametrize("form", ["folder", *FORMS])
def test_inspect_report_and_verify_read_every_format(form, places, tmp_path, capsys):
    out, place = tmp_path / "out", str(places[form])
    assert build(places[form], out, "--textures-per-image", "2", "--max-failures", "2") == 0
    assert run(["inspect", str(out), "--src", place, "--sheet", str(tmp_path / "sheet.png")]) == 0
    assert run(["report", str(out), "--src", place, "--html", str(tmp_path / "page.html")]) == 0
    capsys.readouterr()
    assert run(["verify", str(out), "--deep", "--src", place, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["photographs"] == 10
    assert not report["faults"]


@pytest.mark.parametrize("form", ["folder", *FORMS])
def test_the_python_of_a_row_reads_its_image(form, places, tmp_path, capsys):
    out = tmp_path / "out"
    assert build(places[form], out, "--max-failures", "2") == 0
    key = Dataset(Sink(out)).sample("train", 1)[0]["key"]
    capsys.readouterr()
    assert run(["inspect", str(out), key, "--src", str(places[form]), "--json"]) == 0
    with_src = json.loads(capsys.readouterr().out)
    assert run(["inspect", str(out), key, "--json"]) == 0
    without = json.loads(capsys.readouterr().out)["python"].replace("SRC", str(places[form]))
    for python in (with_src["python"], without):
        made: dict[str, Any] = {}
        # The last line calls the real engine, which this test does not have.
        exec("\n".join(python.splitlines()[:-1]), made)  # noqa: S102 - what a reader would do
        height, width, _ = made["image"].shape
        assert (width, height) == (with_src["row"]["width"], with_src["row"]["height"])


@pytest.mark.parametrize("form", ["folder", *FORMS])
def test_the_image_of_a_row_is_found_and_no_other(form, places):
    source = open_source(SourceSpec(str(places[form])))
    (split,) = source.splits()
    fresh = open_source(SourceSpec(str(places[form])))
    for entry in source.entries(split):
        for key in (entry.key, f"{entry.key}+001"):
            assert fresh.read(fresh.find(key, entry.source)) == source.read(entry)
    with pytest.raises(SourceError, match="name the SRC of the build"):
        fresh.find("n00000000/none", "none.tar!none.JPEG")
