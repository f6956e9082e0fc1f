"""The whole page as HTML: its elements, texts, links and order."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest

from tests.conftest import make_source
from tests.support.builds import request
from tests.support.damage import edit_index, rewrite_rows
from texgen.build import SilentMonitor, build
from texgen.core.errors import DatasetError, SourceError
from texgen.dataset.originals import OriginalImages
from texgen.dataset.reader import Dataset
from texgen.report import render_report, take_samples
from texgen.source import SourceSpec, open_source
from texgen.storage import Sink

VOID = {"meta", "link", "img", "br", "wbr"}
SECTIONS = ["counts", "failures", "pictures", "patches", "colour", "spectrum", "time", "provenance"]
HOSTILE = "</title><script>alert(1)</script>\"'><img src=x onerror=alert(1)> & \u202e"


class Page(HTMLParser):
    """Elements with their attributes; fails if they do not nest."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page(out: Path, src: Path | None = None, count: int = 24) -> str:
    originals = OriginalImages(open_source(SourceSpec(str(src)))) if src else None
    dataset = Dataset(Sink(out))
    samples = take_samples(dataset, originals, count)
    return render_report(dataset, samples, with_images=originals is not None)


def assert_sound(source: str) -> Page:
    read = Page(source)
    ids = Counter(a["id"] for _, a in read.elements if a.get("id"))
    assert set(ids.values()) == {1}
    for _, attributes in read.elements:
        for name in ("aria-labelledby", "href"):
            for target in (attributes.get(name) or "").split():
                assert target.removeprefix("#") in ids or target == "data:,"
        assert not [name for name in attributes if name.startswith("on")]
    assert not {"script", "iframe", "object", "embed", "form"} & {tag for tag, _ in read.elements}
    for image in read.all("img"):
        assert image["alt"]
        assert image["src"].startswith("data:image/")
    # Neither markup nor style has an address that a browser would fetch.
    assert not re.search(r"https?:|@import|url\(", source)
    levels = [int(tag[1]) for tag, _ in read.elements if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    assert [a["id"] for a in read.all("h2")] == SECTIONS
    return read


def test_the_page_describes_the_data_set(finished):
    source = page(finished)
    read = assert_sound(source)
    index = Dataset(Sink(finished)).index
    for words in (
        "12 textures of 7 images",
        index.fingerprint,
        "2 of 14 rows failed",
        "image_unreadable",
        "train ant/broken",
        "Add --src to see the images",
    ):
        assert words in read.text, words
    for split in index.splits.values():
        assert all(file.path in read.text for file in (*split.shards, *split.manifest))
    assert len(read.all("img")) == 12


def test_images_come_with_their_frames_and_patches(finished, small_source):
    read = assert_sound(page(finished, small_source))
    assert len(read.all("img")) == 12 * 4
    kinds = Counter(a.get("class") for a in read.all("rect"))
    assert kinds["frame center"] == kinds["frame random"] == 12
    alts = [image["alt"] for image in read.all("img")]
    assert sum("centre patch at x" in alt for alt in alts) == 12
    assert "Add --src" not in read.text
    assert {"images", "patches", "textures"} <= set(re.findall(r"\w+", read.text))


def test_the_page_is_the_same_every_time(finished, small_source):
    assert page(finished, small_source) == page(finished, small_source)


@pytest.mark.parametrize(("count", "shown"), [(1, 1), (5, 5), (300, 12)])
def test_as_many_textures_are_shown_as_asked_for(finished, count, shown):
    assert len(Page(page(finished, count=count)).all("img")) == shown


def test_names_are_never_markup(out, small_source):
    def edit(rows):
        for row in rows:
            row["class"] = HOSTILE
            row["error"] = row["error"] and HOSTILE
        rows[0]["key"] = HOSTILE

    rewrite_rows(out, edit)
    edit_index(out, lambda card: card.update(name=HOSTILE, fingerprint=HOSTILE))
    edit_index(out, lambda card: card["splits"]["train"].update(classes=[HOSTILE, "b"]))
    edit_index(out, lambda card: card["splits"].update({HOSTILE: card["splits"].pop("val")}))
    edit_index(out, lambda card: card["config"].update(
        engine=HOSTILE, engine_version=HOSTILE, encoder=HOSTILE, engine_parameters={HOSTILE: 1.0},
        format="png", size=16))  # fmt: skip
    read = assert_sound(page(out, small_source))
    assert read.text.count("<script>alert(1)</script>") > 10
    assert "\u202e" not in read.text


def test_a_set_of_failures_only_has_a_page(out):
    def edit(rows):
        for row in rows:
            row.update(dict.fromkeys(("shard", "offset", "length", "sha256", "width", "height")),
                       status="failed", error="image_empty: the file has no bytes")  # fmt: skip

    rewrite_rows(out, edit)
    edit_index(out, lambda card: card["splits"].pop("val"))
    edit_index(out, lambda card: card["splits"]["train"].update(textures=0, failed=12))
    read = assert_sound(page(out))
    assert "There are no textures" in read.text
    assert "12 of 12 rows failed" in read.text


def test_without_its_records_there_are_no_times_and_the_page_says_so(out):
    shutil.rmtree(out / "_build")
    assert "none of this data set are left" in Page(page(out)).text


def test_images_that_are_gone_are_left_out_and_named(tmp_path, finished, small_source):
    root = Path(shutil.copytree(small_source, tmp_path / "src"))
    (root / "train" / "ant" / "ant_001.JPEG").unlink()
    read = assert_sound(page(finished, root))
    assert "2 images could not be read" in read.text
    assert "ant_001.JPEG" in read.text
    assert len(read.all("img")) == 12 * 4 - 2 * 3


def test_another_source_is_refused(tmp_path, finished):
    with pytest.raises(SourceError, match="--src has none of the 12 images looked for"):
        page(finished, tmp_path)


def test_a_damaged_shard_is_named(out):
    path = out / "train" / "train-000000.tar"
    path.chmod(0o644)
    path.write_bytes(bytes(len(path.read_bytes())))
    with pytest.raises(DatasetError, match="is damaged; run `texgen verify` for details"):
        page(out)


def test_many_shards_and_classes_do_not_make_the_page_large(out):
    edit_index(out, lambda card: card["splits"]["train"].update(
        classes=[f"class {i}" for i in range(30_000)],
        shards=card["splits"]["train"]["shards"] * 2000))  # fmt: skip
    source = page(out)
    assert len(source) < 300_000
    assert "7,961 more" in source
    assert "29,000 more" in source


@pytest.mark.parametrize("with_src", [True, False])
def test_spectra_are_of_the_same_images_where_some_are_too_small(with_src, tmp_path):
    source, out = tmp_path / "src", tmp_path / "out"
    make_source(source / "train", {"ant": 4}, (120, 110))
    make_source(source / "train", {"bee": 2}, (5, 4))
    build(request(source, out, size=96), SilentMonitor())
    originals = OriginalImages(open_source(SourceSpec(str(source)))) if with_src else None
    samples = take_samples(Dataset(Sink(out)), originals, 1)
    assert samples.side == 96
    # Each image has two textures.
    kinds = samples.statistics if with_src else ["textures"]
    for group in (samples.statistics[kind].values() for kind in kinds):
        assert [one.spectrum is not None for one in group] == [True] * 8 + [False] * 4
