"""The data set card: what it says, that it follows from the data set, and where it goes."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest
import yaml
from PIL import Image

from tests.conftest import tree
from tests.support.store import Store
from texgen.cli.main import run, texgen
from texgen.core.layout import is_card_file
from texgen.dataset.random_access import TextureStore
from texgen.dataset.reader import Dataset
from texgen.storage import Sink
from texgen.transfer.card import License, make_card
from texgen.transfer.card.text import plain
from texgen.transfer.card.update import is_edited

HUB = "hf://datasets/lab/textures"


def front_of(text: bytes) -> dict:
    _, front, _ = text.decode().split("---\n", 2)
    return yaml.safe_load(front)


def card_of(out: Path, url: str = HUB, license: License | None = None):
    return make_card(Dataset(Sink(out)), license or License("other"), url)


def cards_in(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in tree(folder).items() if is_card_file(path)}


def publish(out: Path, *more: object) -> int:
    return run(["publish", str(out), *map(str, more), "--quiet"])


def test_a_card_follows_from_the_data_set_alone(finished, tmp_path):
    copy = Path(shutil.copytree(finished, tmp_path / "copy", ignore=lambda *_: ["_build"]))
    assert card_of(finished).files == card_of(copy).files


def test_the_pictures_are_textures_of_the_data_set(finished):
    card = card_of(finished)
    textures = {
        store.read(position)
        for store in (TextureStore(finished, split) for split in ("train", "val"))
        for position in range(len(store))
    }
    assert len(set(card.images.values())) == 6
    assert set(card.images.values()) <= textures
    shown = re.findall(r'<img src="([^"]+)"', card.text.decode())
    assert shown == list(card.images)


def test_the_metadata_are_what_the_client_of_the_hub_reads(finished):
    from huggingface_hub import DatasetCard

    license = License("other", "ours", "https://example.org/terms")
    card = DatasetCard(card_of(finished, license=license).text.decode())
    data = card.data.to_dict()
    assert data == front_of(card_of(finished, license=license).text)
    assert data["license_name"] == "ours"
    assert data["size_categories"] == ["n<1K"]
    assert data["pretty_name"] == "small"
    assert data["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "train/train-*.tar"},
                {"split": "val", "path": "val/val-*.tar"},
            ],
        }
    ]
    assert "extra_gated_prompt" not in data


@pytest.mark.parametrize(
    ("rows", "category"),
    [(999, "n<1K"), (1000, "1K<n<10K"), (1_331_167, "1M<n<10M"), (10**12, "n>1T")],
)
def test_the_size_is_a_category_of_the_hub(rows, category):
    from texgen.transfer.card.metadata import _size_category

    assert _size_category(rows) == category


def edited_index(out: Path, change) -> None:
    index = json.loads((out / "index.json").read_text())
    change(index)
    (out / "index.json").write_text(json.dumps(index))


def test_textures_of_imagenet_ask_for_a_gate(out, capsys):
    def rename(index):
        index["splits"]["train"]["classes"] = ["n01440764", "n01443537"]

    edited_index(out, rename)
    card = card_of(out)
    assert card.is_imagenet
    front = front_of(card.text)
    assert "non-commercial research and education" in front["extra_gated_prompt"]
    assert list(front["extra_gated_fields"].values()) == ["checkbox"]
    assert "access should be gated" in card.text.decode()


def test_names_and_notes_are_text_and_no_markup(out):
    odd = "<script>x</script> | [a](b) `c` # *d* $e$ ---"

    def change(index):
        index["name"] = odd
        index["notes"] = [odd]

    edited_index(out, change)
    text = card_of(out).text
    assert front_of(text)["pretty_name"] == odd
    assert b"<script" not in text.split(b"---\n", 2)[2]
    from markdown_it import MarkdownIt

    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(plain(odd))
    assert re.sub("</?p>|\n", "", html) == (
        "&lt;script&gt;x&lt;/script&gt; | [a](b) `c` # *d* $e$ ---"
    )


@pytest.mark.parametrize("shards", ["0-999", "1-2"])
def test_the_code_on_a_card_runs(shards, finished, tmp_path, monkeypatch):
    """The Python of the card of a folder, in a folder where it was downloaded."""
    textures = tmp_path / "textures"
    run(["download", str(finished), "--out", str(textures), "--shards", shards, "--quiet"])
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    text = card_of(textures, str(textures)).text.decode()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        names: dict = {}
        exec(block, names)  # noqa: S102
        if "samples" in names:
            picture, origin = next(iter(names["samples"]))
            assert isinstance(picture, Image.Image)
            assert origin["key"]
        if "store" in names:
            assert names["pixels"].shape == (16, 16, 3)
        if "textures" in names:
            assert len(names["textures"]) == len(TextureStore(textures))


def test_the_code_on_a_card_is_for_a_split_with_textures(out):
    def without(*names):
        def change(index):
            for name in names:
                index["splits"][name] |= {"shards": [], "textures": 0}

        return change

    edited_index(out, without("train"))
    text = card_of(out).text.decode()
    assert 'split="val"' in text
    assert 'split="train"' not in text
    edited_index(out, without("train", "val"))
    text = card_of(out).text.decode()
    assert "It has no textures" in text
    assert "```python" not in text


def test_a_link_to_a_license_cannot_leave_its_place(finished):
    text = card_of(finished, license=License("other", "x", "https://x/><b>)")).text.decode()
    assert "publisher: [x](<https://x/%3E%3Cb%3E)>)." in text


def test_the_commands_on_a_card_are_accepted(finished):
    text = card_of(finished).text.decode()
    shell = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL)).replace("\\\n", " ")
    lines = [shlex.split(line)[1:] for line in shell.splitlines() if line.startswith("texgen ")]
    assert [line[0] for line in lines] == ["download", "train"]
    for name, *arguments in lines:
        command = texgen.get_command(click.Context(texgen), name)
        # Parses all of them, and runs nothing.
        assert command.make_context(name, arguments).params
        assert len(set(arguments)) == len(arguments)


# Where it goes.


def test_a_folder_gets_the_data_set_and_its_card(finished, tmp_path, capsys):
    place = tmp_path / "share"
    assert publish(finished, place) == 0
    card = card_of(finished, "share", License())
    assert cards_in(place) == card.files
    assert {p: d for p, d in tree(place).items() if not is_card_file(p)} == tree(finished)
    assert not (place / "_build").exists()
    assert run(["verify", str(place)]) == 0
    assert "Licence as stated by the publisher: none." in card.text.decode()
    assert f"texgen download {place}" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("folder", "named"), [("a share", "'a share'"), ("-x", "./-x"), ("two/../share", "share")]
)
def test_the_card_of_a_folder_names_no_path_of_the_publishers_machine(
    folder, named, finished, tmp_path
):
    (tmp_path / "two").mkdir()
    assert publish(finished, tmp_path / folder) == 0
    text = (tmp_path / folder / "README.md").read_text()
    assert f"\ntexgen download {named} --out textures/\n" in text
    assert str(tmp_path) not in text


def test_a_folder_with_a_card_takes_downloads_and_gives_them(finished, tmp_path):
    place, got = tmp_path / "share", tmp_path / "got"
    assert publish(finished, place) == 0
    assert run(["download", str(place), "--out", str(got), "--quiet"]) == 0
    assert tree(got) == tree(finished)
    # A card alone, as one that somebody wrote before.
    other = tmp_path / "other"
    other.mkdir()
    (other / "README.md").write_text("Mine.")
    assert run(["download", str(place), "--out", str(other), "--quiet"]) == 0
    assert (other / "README.md").read_text() == "Mine."


@pytest.fixture(params=["folder", "bucket", "hub"])
def place(request, tmp_path):
    """A place to publish to, and functions that read and write its ``README.md``."""
    if request.param == "folder":
        readme = tmp_path / "share" / "README.md"
        return [tmp_path / "share"], readme.read_bytes, readme.write_bytes
    if request.param == "bucket":
        s3: Store = request.getfixturevalue("s3")
        return (
            [f"s3://{s3.bucket}/set"],
            lambda: s3.get("set/README.md"),
            lambda data: s3.put("set/README.md", data),
        )
    hub = request.getfixturevalue("hub")
    return (
        [HUB, "--license", "mit"],
        lambda: hub.tree("lab/textures")["README.md"],
        lambda data: hub.add("lab/textures", {"README.md": data}),
    )


def test_a_card_that_was_edited_is_kept_unless_it_is_to_be_replaced(place, finished, capsys):
    line, read, write = place
    assert publish(finished, *line) == 0
    ours = read()
    assert not is_edited(ours)
    mine = ours.replace(b"# small", b"# My textures")
    write(mine)
    capsys.readouterr()
    assert publish(finished, *line) == 0
    assert "README.md there was edited and is kept; --replace-card" in capsys.readouterr().out
    assert read() == mine
    assert publish(finished, *line, "--json") == 0
    assert json.loads(capsys.readouterr().out)["card"] == "kept"
    assert publish(finished, *line, "--replace-card", "--json") == 0
    assert json.loads(capsys.readouterr().out)["card"] == "written"
    assert read() == ours
    assert publish(finished, *line, "--json") == 0
    assert json.loads(capsys.readouterr().out)["card"] == "unchanged"


def test_a_card_of_an_older_texgen_is_brought_up_to_date(place, finished):
    from texgen.transfer.card.update import signed

    line, read, write = place
    assert publish(finished, *line) == 0
    ours = read()
    write(signed("An older card.\n"))
    assert publish(finished, *line) == 0
    assert read() == ours


NOT_THE_HUB = pytest.mark.parametrize("place", ["folder", "bucket"], indirect=True)


def front_at(read) -> dict:
    front = front_of(read())
    return {name: front[name] for name in front if name.startswith("license")}


@NOT_THE_HUB
def test_a_publication_without_a_license_keeps_the_one_that_is_there(place, finished, capsys):
    from texgen.transfer.card.update import signed

    line, read, write = place
    terms = ["--license-name", "ours", "--license-link", "https://example.org/terms"]
    assert publish(finished, *line, "--license", "other", *terms) == 0
    first = read()
    capsys.readouterr()
    assert publish(finished, *line) == 0
    assert read() == first
    said = capsys.readouterr().out
    assert "the license that README.md there states is kept: other; --license names" in said
    write(signed("---\nlicense: mit\n---\nAn older card.\n"))
    assert publish(finished, *line, "--json") == 0
    done = json.loads(capsys.readouterr().out)
    assert (done["card"], done["kept_license"]) == ("written", "mit")
    assert front_at(read) == {"license": "mit"}
    assert b"Licence as stated by the publisher: mit." in read()
    assert publish(finished, *line, "--license", "cc0-1.0", "--json") == 0
    assert json.loads(capsys.readouterr().out)["kept_license"] is None
    assert front_at(read) == {"license": "cc0-1.0"}


@NOT_THE_HUB
@pytest.mark.parametrize(
    "front", ["license: [a, b]", "license: CC BY", "license: {", "license_name: x", "- license"]
)
def test_a_license_that_cannot_be_read_is_not_lost_without_a_word(place, front, finished, capsys):
    line, read, write = place
    assert publish(finished, *line, "--license", "mit") == 0
    mine = f"---\n{front}\n---\n# Mine\n".encode()
    write(mine)
    assert publish(finished, *line) == 0
    assert read() == mine
    capsys.readouterr()
    assert publish(finished, *line, "--replace-card") == 2
    said = capsys.readouterr().err
    assert "the metadata of README.md there may state a license" in said
    assert said.endswith("name the license with --license\n")
    assert read() == mine
    assert publish(finished, *line, "--replace-card", "--license", "mit") == 0
    assert front_at(read) == {"license": "mit"}


@NOT_THE_HUB
def test_a_readme_without_metadata_states_no_license(place, finished):
    line, read, write = place
    assert publish(finished, *line) == 0
    write(b"# Mine\n")
    assert publish(finished, *line, "--replace-card") == 0
    assert front_at(read) == {}


def test_a_folder_of_something_else_is_refused(finished, tmp_path, capsys):
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "thesis.tex").write_text("x")
    assert publish(finished, tmp_path / "share") == 2
    assert "is not empty and not a download of this data set" in capsys.readouterr().err
    assert publish(finished, finished / "inside") == 2
    assert "lies inside the data set" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "target", "said"),
    [
        ("_card", "elsewhere", "_card is a link, and publish does not follow links"),
        ("README.md", "nowhere", "README.md is a folder or a link to nothing"),
    ],
)
def test_a_folder_that_cannot_take_the_card_gets_nothing(
    name, target, said, finished, tmp_path, capsys
):
    elsewhere, share = tmp_path / "elsewhere", tmp_path / "share"
    elsewhere.mkdir()
    share.mkdir()
    (share / name).symlink_to(tmp_path / target)
    assert publish(finished, share) == 2
    assert said in capsys.readouterr().err
    assert [entry.name for entry in share.iterdir()] == [name]
    assert not any(elsewhere.iterdir())
