"""Sources in a bucket."""

from __future__ import annotations

import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import tree
from tests.source.labels.test_files import unpacked
from tests.support.archives import (
    Files,
    write_folder,
    write_ilsvrc_train,
    write_parquet,
    write_tar,
    write_webdataset,
)
from tests.support.proxy import Proxy, once
from tests.support.store import KEY, SECRET, TOKEN, Store
from texgen.cli.main import run
from texgen.core.errors import (
    ConfigError,
    ImageError,
    SourceChangedError,
    SourceError,
    SourceReadError,
)
from texgen.core.types import ImageEntry
from texgen.source import Source, SourceSpec, find_format, open_source, read_labels
from texgen.storage.s3 import client

FILES: Files = {
    "n01/x.JPEG": b"x" * 700, "n01/deep/er/y.png": b"y" * 3000, "n02/é +&~%\\x41.jpg": b"z",
    "n02/a b.webp": b"", "n-3/1.jpg": b"1" * 513, "n02/no image.txt": b"t",
}  # fmt: skip


def upload(s3: Store, root: Path, prefix: str) -> str:
    for path in sorted(root.rglob("*")):
        if path.is_file():
            s3.put_at_once(f"{prefix}/{path.relative_to(root).as_posix()}", path.read_bytes())
    return f"s3://{s3.bucket}/{prefix}"


def listed(source: Source) -> dict[str, list[ImageEntry]]:
    return {split.name: list(source.entries(split)) for split in source.splits()}


def everything(location: str, **more: Any) -> list[object]:
    """Everything that a build takes from a source; another source, which lists nothing, reads."""
    spec = SourceSpec(location, **more)
    source, reader = open_source(spec), open_source(spec)
    notes = [(split.name, split.classes, split.notes) for split in source.splits()]
    found = [(e, reader.read(e)) for entries in listed(source).values() for e in entries]
    return [find_format(location), notes, found]


def two_splits(root: Path, form: str) -> Path:
    if form == "folder":
        write_folder(root / "train", FILES)
        write_folder(root / "val", {"n01/1.jpg": b"v", ".hidden/x.jpg": b"h", "beside.jpg": b"b"})
        write_folder(root / "other", {"1.txt": b"o"})
    elif form == "webdataset":
        write_webdataset(root / "train", {"n01/x.jpg": b"x" * 5000, "n02/y.jpg": b"y"}, shards=2)
        write_webdataset(root / "val", {"n01/z.jpg": b"z"}, shards=1)
    elif form == "parquet":
        write_parquet(root / "data" / "train-00000-of-00001.parquet", FILES)
        write_parquet(root / "data" / "test-00000-of-00001.parquet", {"n01/1.jpg": b"v"})
    else:
        write_ilsvrc_train(root, {k: v for k, v in FILES.items() if "deep" not in k})
    return root


@pytest.mark.parametrize("form", ["folder", "webdataset", "parquet", "ilsvrc"])
def test_a_bucket_is_read_as_the_folder_that_it_is_a_copy_of(s3, tmp_path, form):
    local = two_splits(tmp_path / "src", form)
    remote = upload(s3, local, "a b/src")
    assert everything(remote) == everything(str(local))
    chosen = {"classes": ("n02",), "selected": ("train",)}
    assert everything(remote, **chosen) == everything(str(local), **chosen)


def test_patterns_and_single_archives_are_taken(s3, tmp_path):
    for split in ("train", "val"):
        write_webdataset(tmp_path, {"n01/x.jpg": b"x", "n02/y.jpg": b"y"}, prefix=f"i-{split}-")
    remote = upload(s3, tmp_path, "wds")
    for name in ("i-train-000000.tar", "i-{train,val}-{000000..000001}.tar", "i-*-00000[01].tar"):
        assert everything(f"{remote}/{name}") == everything(f"{tmp_path}/{name}")
    with pytest.raises(ConfigError, match=r"'\{a,b\}' is not a valid name of a bucket"):
        find_format("s3://{a,b}/x.tar")


def test_a_whole_bucket_may_be_src(s3):
    s3.put("train/ant/1.jpg", b"1")
    (entry,) = listed(open_source(SourceSpec(f"s3://{s3.bucket}")))["train"]
    assert (entry.key, entry.source, entry.size) == ("ant/1", "train/ant/1.jpg", 1)


def test_keys_that_no_path_could_have_are_ignored(s3):
    odd = ("train/ant//2.jpg", "train//3.jpg", "train/ant/../4.jpg", "train/./5.jpg",
           "train/ant/.6.jpg", "train/.bee/7.jpg")  # fmt: skip
    markers = ("src/", "src/train/", "src/train/ant/", "src/train/empty/", "src/train/ant/x.jpg/")
    for key in (*(f"src/{name}" for name in odd), *markers):
        s3.put_at_once(key, b"")
    # An object and a folder with the same name.
    for name in ("ant/1.jpg", "ant", "ant/1.jpg/8.jpg"):
        s3.put_at_once(f"src/train/{name}", b"x")
    source = open_source(SourceSpec(f"s3://{s3.bucket}/src"))
    (split,) = source.splits()
    # A folder without images is a class, as on disk.
    assert split.classes == ("ant", "empty")
    assert [e.source for e in source.entries(split)] == [
        "train/ant/1.jpg", "train/ant/1.jpg/8.jpg",
    ]  # fmt: skip


@pytest.fixture
def proxied(s3: Store, hurried: list[int]) -> Iterator[Proxy]:
    with Proxy(s3.endpoint) as proxy:
        yield proxy


def asked(proxy: Proxy) -> list[str]:
    """Methods of the requests since the last call; ``LIST`` for a listing."""
    found = ["LIST" if "list-type=2" in path else method for method, path in proxy.asked]
    proxy.asked.clear()
    return found


def test_a_class_is_listed_page_by_page_and_no_image_is_asked_for(s3, proxied):
    for number in range(1100):
        s3.put_at_once(f"src/ant/{number:04d}.jpg", b"x")
    s3.put_at_once("src/bee/1.jpg", b"yy")
    spec = SourceSpec(f"s3://{s3.bucket}/src", format="folder", endpoint=proxied.url)
    source = open_source(spec)
    (entries,) = listed(source).values()
    assert [e.size for e in entries] == [1] * 1100 + [2]
    # Kind of SRC; contents of SRC and of each class; classes; two pages and one page of images.
    assert asked(proxied) == ["LIST"] * 8
    assert source.read(entries[0]) == b"x"
    assert asked(proxied) == ["GET"]


def test_classes_are_listed_ahead_but_only_a_few(s3, proxied):
    for number in range(40):
        s3.put_at_once(f"src/{number:02d}/1.jpg", b"x")
    source = open_source(SourceSpec(f"s3://{s3.bucket}/src", endpoint=proxied.url))
    (split,) = source.splits()
    asked(proxied)
    entries = source.entries(split)
    assert next(entries).key == "00/1"
    entries.close()  # type: ignore[attr-defined]
    assert 1 < len(asked(proxied)) <= 1 + 2 * source.parallel


def test_a_image_in_a_tar_is_one_request(s3, proxied, tmp_path):
    write_tar(tmp_path / "a.tar", [(f"{n}.jpg", b"%d" % n * 20_000) for n in range(4)])
    remote = upload(s3, tmp_path, "wds")
    spec = SourceSpec(remote, format="webdataset", endpoint=proxied.url)
    (entries,) = listed(open_source(spec)).values()
    whole = (tmp_path / "a.tar").stat().st_size
    reader = open_source(spec)
    asked(proxied)
    assert [reader.read(entry) for entry in entries] == [b"%d" % n * 20_000 for n in range(4)]
    assert asked(proxied) == ["GET"] * 4
    # Now the index is in the cache.
    listed(open_source(spec))
    assert "GET" not in asked(proxied)
    assert whole > 80_000


def only(s3: Store, key: str, data: bytes, **more: Any) -> tuple[Source, ImageEntry]:
    s3.put(f"src/{key}", data)
    source = open_source(SourceSpec(f"s3://{s3.bucket}/src", **more))
    (entries,) = listed(source).values()
    return source, entries[0]


def test_a_image_of_another_size_has_changed_and_is_not_fetched(s3, proxied):
    source, entry = only(s3, "ant/1.jpg", b"1234", endpoint=proxied.url)
    for data in (b"12345" * 1000, b"123", b""):
        s3.put("src/ant/1.jpg", data)
        with pytest.raises(SourceChangedError, match=f"had 4 bytes .* now has {len(data)}; put"):
            source.read(entry)
    assert source.parallel > 1


def test_a_image_that_is_gone_has_changed(s3):
    source, entry = only(s3, "ant/1.jpg", b"1234")
    s3.client.delete_object(Bucket=s3.bucket, Key="src/ant/1.jpg")
    with pytest.raises(SourceChangedError, match=r"ant/1\.jpg is gone since the build was planned"):
        source.read(entry)


def test_what_the_store_refuses_is_no_fault_of_the_image(s3, proxied):
    source, entry = only(s3, "ant/1.jpg", b"1234", endpoint=proxied.url)
    proxied.choose = once("denied", "GET")
    with pytest.raises(SourceReadError, match=r"cannot read ant/1\.jpg: the store says AccessDen"):
        source.read(entry)
    for fault in ("slow_down", "error", "reset", "cut", "bare"):
        proxied.choose = once(fault, "GET", times=3)
        assert source.read(entry) == b"1234"
    huge = ImageEntry("k", "s", b"ant/1.jpg", (1 << 30) + 1, None, None)
    with pytest.raises(ImageError, match="more than 1 GiB"):
        source.read(huge)


def test_a_parquet_file_that_changes_while_it_is_open_is_found_out(s3, tmp_path):
    path = write_parquet(tmp_path / "a.parquet", {"a/1.jpg": b"1", "a/2.jpg": b"2"}, rows=1)
    source, _ = only(s3, "a.parquet", path.read_bytes())
    (first, second) = next(iter(listed(source).values()))
    assert source.read(first) == b"1"
    s3.put("src/a.parquet", path.read_bytes().replace(b"2.jpg", b"3.jpg"))
    with pytest.raises(SourceChangedError, match=r"a\.parquet was written again since the build"):
        source.read(second)


@pytest.mark.parametrize("name", ["a.parquet", "a.tar"])
def test_an_archive_that_the_store_refuses_is_not_called_damaged(s3, tmp_path, proxied, name):
    write_tar(tmp_path / "a.tar", [("1.jpg", b"1")])
    write_parquet(tmp_path / "a.parquet", {"a/1.jpg": b"1"})
    remote = upload(s3, tmp_path, "src")
    proxied.choose = once("denied", "GET", rf"/{name}")
    form = "parquet" if name == "a.parquet" else "webdataset"
    source = open_source(SourceSpec(f"{remote}/{name}", format=form, endpoint=proxied.url))
    with pytest.raises(
        SourceError,
        match=rf"^cannot read {name}: the store says AccessDen.*md lists \(its words: a bad day\)$",
    ):
        source.splits()


@pytest.mark.parametrize("change", ["longer", "other", "gone"])
@pytest.mark.parametrize("opened", [False, True])
def test_an_archive_that_changed_is_found_out(s3, tmp_path, change, opened):
    path = write_tar(tmp_path / "a.tar", [("1.jpg", b"1"), ("2.jpg", b"2")])
    source, entry = only(s3, "a.tar", path.read_bytes())
    if opened:
        assert source.read(entry) == b"1"
    if change == "gone":
        s3.client.delete_object(Bucket=s3.bucket, Key="src/a.tar")
    else:
        members = [("1.jpg", b"1"), ("2.jpg", b"2" * 20_000)]
        members = members if change == "longer" else [("3.jpg", b"x"), ("2.jpg", b"2")]
        s3.put("src/a.tar", write_tar(path, members).read_bytes())
    with pytest.raises(SourceChangedError, match=r"a\.tar"):
        source.read(entry)


def test_labels_may_be_in_a_bucket_beside_images_or_alone(s3, tmp_path):
    s3.put("labels.csv", b"file,class\n1.jpg,bee\n2.jpg,ant\n")
    for number in (1, 2):
        s3.put(f"val/{number}.jpg", b"x")
        write_folder(tmp_path / "val", {f"{number}.jpg": b"x"})
    labels = f"s3://{s3.bucket}/labels.csv"
    found = everything(f"s3://{s3.bucket}/val", labels=labels)
    assert found == everything(str(tmp_path / "val"), labels=labels)
    assert [entry.key for entry, _ in found[2]] == ["ant/2", "bee/1"]  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match=r"--labels s3://.*/none: cannot be read \(it is not th"):
        read_labels(f"s3://{s3.bucket}/none")


def test_a_kit_in_a_bucket_is_found_as_a_folder_and_as_a_tar(s3, tmp_path):
    folder = unpacked(tmp_path)
    there = upload(s3, tmp_path, "kits")
    expected = read_labels(str(folder))._classes
    for path in ("kit", "ILSVRC2012_devkit_t12.tar.gz"):
        assert read_labels(f"{there}/{path}")._classes == expected


def error_of(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str]:
    code = run([str(a) for a in arguments])
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert not [secret for secret in (KEY, SECRET, TOKEN) if secret in error]
    return code, error


OPTIONS = ("--engine", "stub", "--size", "16", "--quiet")


@pytest.mark.parametrize(
    ("command", "form"),
    [("plan", ()), ("build", ("--src-format=folder",)), ("build", ("--src-format=parquet",))],
)
def test_a_src_that_does_not_exist_is_one_line_and_exit_code_2(s3, capsys, tmp_path, command, form):
    places = {
        f"s3://{s3.bucket}/none": ": no such file or folder|: no such folder",
        f"s3://{s3.bucket}//x": ": no such file or folder|: no such folder",
        "s3://no-such-bucket-here/x": "there is no such bucket",
        "s3://b/x": "'b' is not a valid name of a bucket",
        "gs://bucket/x": "gs:// is not known here; name a folder, or s3://",
        f"s3://{KEY}:{SECRET}@bucket/x": "credentials come from the environment",
        f"s3://{s3.bucket}/a//x": "the prefix has an empty name, . or ..",
    }
    for place, errors in places.items():
        out = ("--out", tmp_path / "out")
        code, error = error_of(capsys, command, "--src", place, *out, *OPTIONS, *form)
        assert code == 2
        assert any(text in error for text in errors.split("|")), error


def test_the_error_of_a_src_that_may_not_be_listed_names_what_is_missing(
    s3, capsys, proxied, monkeypatch
):
    proxied.choose = lambda *_: "denied"
    line = ("plan", "--src", f"s3://{s3.bucket}/x", "--s3-endpoint", proxied.url, *OPTIONS)
    code, error = error_of(capsys, *line)
    assert code == 2
    place = f"--src s3://{s3.bucket}/x: "
    assert f"{place}the store says AccessDenied; give these credentials the permissions" in error
    for name in [name for name in os.environ if name.startswith("AWS_") and "FILE" not in name]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    client._forget()
    code, error = error_of(capsys, *line)
    assert "AccessDenied, and there are no credentials; set AWS_ACCESS_KEY_ID" in error
    # A public bucket needs no credentials.
    proxied.choose = lambda *_: None
    s3.put("x/ant/1.jpg", b"x")
    (entries,) = listed(
        open_source(SourceSpec(f"s3://{s3.bucket}/x", endpoint=s3.endpoint))
    ).values()
    assert len(entries) == 1
    assert not client.is_signed(client.client(s3.endpoint))


def test_neither_of_src_and_out_may_lie_in_the_other_nor_be_missing(s3, capsys, monkeypatch):
    s3.put("src/ant/1.jpg", b"x")
    src = f"s3://{s3.bucket}/src"
    for out in (src, f"{src}/out", f"s3://{s3.bucket}"):
        code, error = error_of(capsys, "plan", "--src", src, "--out", out, *OPTIONS)
        assert code == 2
        assert "neither may lie inside the other" in error
    monkeypatch.setattr(sys.modules["texgen.build.dry_run"], "make_plan", None)
    code, error = error_of(capsys, "plan", "--src", src, "--out", "s3://no-such-one/out", *OPTIONS)
    assert code == 2
    assert "there is no such bucket" in error


def test_commands_take_src_from_a_bucket(s3, small_source, finished, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    src = ("--src", upload(s3, small_source, "src") + "/", "--s3-endpoint", s3.endpoint)
    assert run(["verify", str(finished), "--deep", *src, "--sample", "2", "--quiet", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["faults"], report["photographs"] > 0, report["remade"]) == ([], True, 2)
    page = tmp_path / "r.html"
    assert run(["report", str(finished), *src, "--html", str(page), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["missing"] == 0
    sheet = tmp_path / "s.png"
    assert run(["inspect", str(finished), *src, "--sheet", str(sheet)]) == 0
    assert run(["bench", *src, "--engine", "stub", "--size", "16", "--limit", "2"]) == 0
    capsys.readouterr()
    assert run(["inspect", str(finished), "ant/ant_000", *src, "--json"]) == 0
    again = json.loads(capsys.readouterr().out)["python"]
    # The last line calls the real engine, which this test does not have.
    known: dict[str, Any] = {}
    with contextlib.redirect_stdout(io.StringIO()):
        exec("\n".join(again.splitlines()[:-1]), known)  # noqa: S102
    assert known["image"].shape == (40, 50, 3)


def test_a_build_from_a_bucket_makes_what_one_from_a_folder_makes(
    s3, small_source, tmp_path, capsys, monkeypatch
):
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    monkeypatch.delenv("AWS_SESSION_TOKEN")
    upload(s3, small_source, "src")
    options = [*OPTIONS, "--no-ray", "--samples-per-shard", "3", "--max-failures", "9"]
    assert run(["build", "--src", str(small_source), "--out", str(tmp_path), *options]) == 0
    where = ["--src", f"s3://{s3.bucket}/src", "--out", f"s3://{s3.bucket}/out"]
    assert run(["build", *where, "--s3-endpoint", s3.endpoint, *options]) == 0
    assert s3.tree("out") == tree(tmp_path)
    source = open_source(SourceSpec(f"s3://{s3.bucket}/src", endpoint=s3.endpoint))
    s3.put_at_once("private/x.png", b"not of SRC")
    for elsewhere in ("../private/x.png", f"s3://{s3.bucket}/private/x.png"):
        with pytest.raises(SourceError, match=r"lies outside of --src"):
            source.find("k", elsewhere)
    with pytest.raises(SourceError, match=r"has no ant/\\xff\.jpg \(names there are UTF-8\)"):
        source.find("k", r"ant/\xff.jpg")
