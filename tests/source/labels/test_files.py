"""Classes of flat splits, and subsets of classes."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from pathlib import Path

import numpy as np
import pytest

from tests.conftest import make_source, synthetic_image, tree
from texgen.cli.main import run
from texgen.core.errors import ConfigError, SourceError
from texgen.source import FolderSource, SourceSpec, read_classes, read_labels
from texgen.source.labels.files import Labels

NAMES = [f"ILSVRC2012_val_{number:08d}" for number in range(1, 6)]
CLASSES = ["n02119789", "n01440764", "n02119789", "n03495258", "n01440764"]
"""Classes of the images in order; their numbers in the kit do not follow the sorted order."""
NUMBERS = {"n02119789": 1, "n03495258": 2, "n01440764": 3}


def kit(tmp_path: Path) -> Path:
    """The tar of a development kit with three classes."""
    scipy_io = pytest.importorskip("scipy.io")
    synsets = np.zeros(len(NUMBERS), dtype=[("ILSVRC2012_ID", object), ("WNID", object)])
    for row, (wnid, number) in zip(synsets, NUMBERS.items(), strict=True):
        row["ILSVRC2012_ID"], row["WNID"] = number, wnid
    meta = io.BytesIO()
    scipy_io.savemat(meta, {"synsets": synsets})
    truth = "\n".join(str(NUMBERS[name]) for name in CLASSES).encode() + b"\n"
    path = tmp_path / "ILSVRC2012_devkit_t12.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, data in (("meta.mat", meta.getvalue()),
                           ("ILSVRC2012_validation_ground_truth.txt", truth)):  # fmt: skip
            info = tarfile.TarInfo(f"ILSVRC2012_devkit_t12/data/{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def unpacked(tmp_path: Path) -> Path:
    # `tarfile` has its filters from Python 3.11.4 on, and Debian 12 has 3.11.2.
    shutil.unpack_archive(kit(tmp_path), tmp_path / "kit")
    return tmp_path / "kit"


def kaggle(tmp_path: Path) -> Path:
    lines = [f"{n},{c} 1 2 3 4 {c} 5 6 7 8 " for n, c in zip(NAMES, CLASSES, strict=True)]
    path = tmp_path / "LOC_val_solution.csv"
    path.write_text("ImageId,PredictionString\n" + "\n".join(reversed(lines)) + "\n")
    return path


def plain_csv(tmp_path: Path) -> Path:
    lines = [f"val/{n}.JPEG,{c}" for n, c in zip(NAMES, CLASSES, strict=True)]
    path = tmp_path / "labels.csv"
    path.write_text("\ufefffile,class\r\n" + "\r\n".join(lines))
    return path


@pytest.fixture
def flat(tmp_path: Path) -> Path:
    root = tmp_path / "src" / "val"
    root.mkdir(parents=True)
    for seed, name in enumerate(NAMES):
        synthetic_image(seed, (50, 40)).save(root / f"{name}.JPEG")
    return root.parent


@pytest.mark.parametrize("write", [kit, unpacked, kaggle, plain_csv])
def test_a_flat_split_with_labels_has_the_keys_of_class_folders(write, flat, tmp_path):
    source = FolderSource(SourceSpec(str(flat), labels=str(write(tmp_path))))
    (listing,) = source.splits()
    assert listing.classes == tuple(sorted(set(CLASSES)))
    entries = list(source.entries(listing))
    expected = sorted((f"{c}/{n}", c) for n, c in zip(NAMES, CLASSES, strict=True))
    assert [(entry.key, entry.class_name) for entry in entries] == expected
    assert [listing.classes[entry.label or 0] for entry in entries] == [c for _, c in expected]
    assert all(source.read(entry) for entry in entries)


def test_labels_give_the_textures_of_the_same_images_in_class_folders(flat, tmp_path):
    folders = tmp_path / "folders" / "val"
    for name, class_name in zip(NAMES, CLASSES, strict=True):
        (folders / class_name).mkdir(parents=True, exist_ok=True)
        data = (flat / "val" / f"{name}.JPEG").read_bytes()
        (folders / class_name / f"{name}.JPEG").write_bytes(data)
    fixed = ["--size", "16", "--engine", "stub", "--no-ray", "--quiet"]
    labels = ["--labels", str(kaggle(tmp_path))]
    assert run(["build", "--src", str(flat), "--out", str(tmp_path / "a"), *fixed, *labels]) == 0
    assert run(["build", "--src", str(folders), "--out", str(tmp_path / "b"), *fixed]) == 0
    members = []
    for out in ("a", "b"):
        with tarfile.open(tmp_path / out / "val" / "val-000000.tar") as tar:
            found = {m.name: tar.extractfile(m).read() for m in tar}
        # The source of an image differs; only the JSON contains it.
        members.append({n: d for n, d in found.items() if not n.endswith(".json")})
    assert members[0] == members[1]


def test_a_image_without_a_label_is_an_error_that_names_it(flat, tmp_path):
    synthetic_image(9).save(flat / "val" / "stranger.JPEG")
    source = FolderSource(SourceSpec(str(flat), labels=str(kaggle(tmp_path))))
    with pytest.raises(SourceError, match=r"val/stranger\.JPEG is not in --labels"):
        list(source.entries(source.splits()[0]))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("name;class\n", "expected the columns"),
        ("file,class\n", "names no file"),
        ("file,class\na.jpg,ant\na.jpg,bee\n", "a.jpg has two classes, ant and bee"),
    ],
)
def test_labels_without_files_or_with_two_classes_for_one_are_refused(text, error, tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text(text)
    with pytest.raises(ConfigError, match=error):
        read_labels(str(path))


def test_labels_that_cannot_be_read_are_named(tmp_path):
    (tmp_path / "latin.csv").write_bytes(b"file,class\n\xe9,a")
    (tmp_path / "kit").mkdir()
    for path in ("gone.csv", "latin.csv", "kit"):
        with pytest.raises(ConfigError, match=f"--labels .*{path}"):
            read_labels(str(tmp_path / path))


def test_the_papers_hundred_classes_come_with_texgen():
    classes = read_classes("imagenet100")
    assert len(set(classes)) == 100
    assert list(classes) == sorted(classes)
    assert all(name.startswith("n") and name[1:].isdigit() for name in classes)


def test_a_subset_has_labels_of_its_own(tmp_path, capsys):
    source = make_source(tmp_path / "src", {"ant": 1, "bee": 2, "cat": 1})
    wanted = tmp_path / "wanted.txt"
    wanted.write_text("# two of three\ncat\n\nbee  # also\ndodo\n")
    fixed = ["--size", "16", "--engine", "stub", "--no-ray"]
    arguments = ["build", "--src", str(source), "--out", str(tmp_path / "out"), *fixed]
    assert run([*arguments, "--classes", str(wanted)]) == 0
    assert "1 of the --classes is not in 'train'" in capsys.readouterr().err
    index = json.loads((tmp_path / "out" / "index.json").read_text())
    assert index["splits"]["train"]["classes"] == ["bee", "cat"]
    assert index["splits"]["train"]["images"] == 3
    assert index["config"]["classes"] == ["bee", "cat", "dodo"]
    before = tree(tmp_path / "out")
    assert run(arguments) == 2
    assert "classes was ['bee', 'cat', 'dodo'] and is now not set" in capsys.readouterr().err
    assert tree(tmp_path / "out") == before


def test_a_subset_of_a_flat_split_needs_labels(flat, tmp_path):
    with pytest.raises(SourceError, match="add --labels"):
        FolderSource(SourceSpec(str(flat), classes=("n01440764",))).splits()
    spec = SourceSpec(str(flat), classes=("n01440764",), labels=str(kaggle(tmp_path)))
    source = FolderSource(spec)
    entries = list(source.entries(source.splits()[0]))
    assert [(entry.label, entry.class_name) for entry in entries] == [(0, "n01440764")] * 2


@pytest.mark.parametrize("text", ["", "# nothing\n"])
def test_a_list_without_classes_is_refused(text, tmp_path, capsys):
    path = tmp_path / "none.txt"
    path.write_text(text)
    arguments = ["plan", "--src", str(tmp_path), "--classes"]
    assert run([*arguments, str(path)]) == 2
    assert "the file names no class" in capsys.readouterr().err
    assert run([*arguments, str(tmp_path / "gone.txt")]) == 2
    assert "name a file with a class per line, or imagenet100" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("data", "classes"),
    [
        (b"\xef\xbb\xbfn02\r\nn01\r\n", ("n01", "n02")),
        ("n02\nn01\n".encode("utf-16"), ("n01", "n02")),
        (b"n02\rn01\r", ("n01", "n02")),
        (b'"n02"\n"n 01 "\n""\n', ("n 01 ", "n02")),
        (b"n01440764 tench, Tinca tinca\nn01443537\tgoldfish\n", ("n01440764", "n01443537")),
        # One line without a wnid makes all lines names.
        (b"n01440764 tench\ngoldfish\n", ("goldfish", "n01440764 tench")),
        (b"tench, Tinca tinca\n", ("tench, Tinca tinca",)),
    ],
)
def test_a_list_of_classes_is_read_as_editors_and_imagenet_write_it(data, classes, tmp_path):
    (tmp_path / "classes.txt").write_bytes(data)
    assert read_classes(str(tmp_path / "classes.txt")) == classes


def test_the_case_of_an_extension_matters_only_if_two_files_differ_in_it():
    labels = Labels({"a.jpeg": "ant", "b.JPG": "bee", "b.jpg": "cat"})
    assert labels.class_of("a.JPEG") == "ant"
    assert [labels.class_of(f"b.{end}") for end in ("JPG", "jpg", "Jpg")] == ["bee", "cat", None]
    assert "is not in --labels (which names a.jpeg); add it" in labels.missing_reason("a.png")


def test_a_labels_file_of_another_encoding_names_its_line(tmp_path, flat, capsys):
    (tmp_path / "l.csv").write_bytes("file,class\na.jpg,café\n".encode("latin-1"))
    arguments = ["plan", "--src", str(flat), "--labels", str(tmp_path / "l.csv")]
    assert run(arguments) == 2
    assert "l.csv: line 2 is not UTF-8" in capsys.readouterr().err
