"""`--config`: options from a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import make_source, tree
from texgen.cli.main import run


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_source(tmp_path / "src", {"ant": 2, "bee": 1})


def written(tmp_path: Path, text: str) -> str:
    path = tmp_path / "build.toml"
    path.write_text(text)
    return str(path)


BASE = """
size = 16
engine = "stub"
no-ray = true
quiet = true
"""


def test_a_file_says_what_options_say(source, tmp_path, capsys):
    more = 'samples_per_shard = 2\nformat = "webp"\nsplit = ["train"]\nmax-failures = "5%"\n'
    config = written(tmp_path, f'src = "{source}"\nout = "{tmp_path}/a"\n{BASE}{more}')
    assert run(["build", "--config", config]) == 0
    options = ["--size", "16", "--engine", "stub", "--no-ray", "--quiet", "--format", "webp"]
    options += ["--samples-per-shard", "2", "--split", "train", "--max-failures", "5%"]
    assert run(["build", "--src", str(source), "--out", f"{tmp_path}/b", *options]) == 0
    assert tree(tmp_path / "a") == tree(tmp_path / "b")


def test_the_command_line_wins_wherever_it_names_the_file(source, tmp_path, capsys):
    config = written(tmp_path, f'{BASE}out = "{tmp_path}/no"\nsrc = "{source}"\nformat = "jpg"\n')
    for index, options in enumerate(
        (["--config", config, "--format", "webp"], ["--format", "webp", "--config", config])
    ):
        out = tmp_path / f"out{index}"
        assert run(["build", *options, "--out", str(out)]) == 0
        assert json.loads((out / "index.json").read_text())["config"]["format"] == "webp"
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sise = 3", "no option is called 'sise'; did you mean 'size'?"),
        ("colour = 3", "no option is called 'colour'; `--help` lists them"),
        ("size = 3", "size = 3: 3 is not in the range 16<=x<=4096"),
        ("size = 16.5", "size = 16.5: '16.5' is not a valid integer range"),
        ('size = "large"', "size = 'large': 'large' is not a valid integer range"),
        ("size = true", "size = True: expected a number or a text"),
        ("size = [1, 2]", "size = [1, 2]: expected a number or a text"),
        ("no-ray = 1", "no-ray = 1: expected true or false"),
        ('no_ray = "yes"', "no_ray = 'yes': expected true or false"),
        ("[build]\nsize = 16", "no option is called 'build'"),
        ('format = "gif"', "format = 'gif': 'gif' is not one of"),
        ('split = ["train", "cats"]', "split = ['train', 'cats']: 'cats' is not one of"),
        ("split = [1979-05-27]", "expected a text, or a list of texts"),
        ('part = "9/3"', "part = '9/3': '9/3' is not a valid part: expected I/N, such as 1/8"),
        ('src = "a\\u0000b"', "src = 'a\\x00b': a zero byte, which no option can contain"),
        ('split = ["a\\u0000b"]', "a zero byte, which no option can contain"),
        ('src = ""', "src = '': the value is empty"),
        ("no-ray = true\nno_ray = true", "no-ray is given twice, with - and with _"),
        ("overwrite = true", "overwrite: a file would delete the data set at every run"),
        ("yes = true", "yes: give it on the command line"),
        ('config = "b.toml"', "config: a configuration file cannot name another one"),
        ("size = ", "not TOML ("),
        ("size = 16\nsize = 17", "not TOML ("),
        ("\0", "not TOML ("),
    ],
)
def test_an_error_names_file_key_and_mend_in_one_line(text, said, tmp_path, capsys):
    config = written(tmp_path, text)
    assert run(["build", "--config", config]) == 2
    error = capsys.readouterr().err
    assert config in error
    assert said in error
    assert error.count("\n") == 1


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_file_of_a_windows_editor_is_read(encoding, tmp_path, capsys):
    (tmp_path / "b.toml").write_bytes('# é\r\nseed = "x"\r\n'.encode(encoding))
    assert run(["build", "--config", str(tmp_path / "b.toml")]) == 2
    assert "seed = 'x': 'x' is not a valid" in capsys.readouterr().err


def test_a_file_that_cannot_be_read_is_named(tmp_path, capsys):
    for path in (tmp_path / "none.toml", tmp_path):
        assert run(["build", "--config", str(path)]) == 2
        assert f"--config {path}: " in capsys.readouterr().err
    (tmp_path / "latin.toml").write_bytes(b'name = "\xe9"')
    assert run(["build", "--config", str(tmp_path / "latin.toml")]) == 2
    assert "not TOML" in capsys.readouterr().err
