from __future__ import annotations

import signal
import subprocess
import sys

import click
import pytest

import texgen
from texgen.cli.main import run
from texgen.cli.main import texgen as group
from texgen.core.errors import (
    ConfigError,
    DatasetError,
    InterruptedBuildError,
    LockedError,
    SourceChangedError,
    TexgenError,
)


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch):
    """Returns a function that makes ``texgen verify`` raise its argument."""

    def arrange(error: BaseException) -> None:
        def fail(*_: object) -> None:
            raise error

        command = click.Command("verify", callback=fail)
        monkeypatch.setattr(type(group), "get_command", lambda *_: command)

    return arrange


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("--src: no such folder"), 2),
        (LockedError("OUT is being written by process 7"), 2),
        (SourceChangedError("a.jpg has changed"), 2),
        (DatasetError("no finished data set"), 1),
        (TexgenError("something fell short"), 1),
        (InterruptedBuildError("stopped; go on", 130), 130),
        (InterruptedBuildError("stopped; go on", 143), 143),
        (click.UsageError("no such option --x"), 2),
        (ValueError("a bug\nover two lines"), 1),
        (ConfigError("two\nlines"), 2),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(raising, capsys, error, code):
    raising(error)
    assert run(["verify"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("texgen: ")
    assert captured.err.count("\n") == 1
    words = error.format_message() if isinstance(error, click.UsageError) else str(error)
    assert " ".join(words.split()) in captured.err


def test_what_the_system_or_its_limits_refuse_is_no_bug(raising, capsys):
    for error, told in (
        (PermissionError(13, "Permission denied", "/x"), "/x: Permission denied"),
        (MemoryError(), "memory is used up"),
        (RuntimeError("can't start new thread"), "ulimit -u"),
    ):
        raising(error)
        assert run(["verify"]) == 1
        printed = capsys.readouterr().err
        assert told in printed
        assert "report" not in printed
        assert printed.count("\n") == 1


def test_ctrl_c_outside_a_build_is_one_line_and_130(raising, capsys):
    raising(KeyboardInterrupt())
    assert run(["verify"]) == 130
    assert capsys.readouterr().err.split() == ["texgen:", "stopped"]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_unwinds_a_command_past_every_handler_of_errors(monkeypatch, capsys, number, code):
    cleaned = []

    def work(*_: object) -> None:
        try:
            signal.raise_signal(number)
        except Exception:  # noqa: BLE001 - as careless as somebody else's code
            cleaned.append("swallowed")
        finally:
            cleaned.append("cleaned")

    command = click.Command("verify", callback=work)
    monkeypatch.setattr(type(group), "get_command", lambda *_: command)
    before = signal.getsignal(number)
    assert run(["verify"]) == code
    assert cleaned == ["cleaned"]
    assert capsys.readouterr().err == "texgen: stopped\n"
    assert signal.getsignal(number) == before


@pytest.mark.parametrize("error", [ConfigError("wrong"), ValueError("wrong")])
def test_debug_shows_the_traceback(raising, capsys, error):
    raising(error)
    run(["--debug", "verify"])
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.splitlines()[-1].startswith("texgen: ")


def test_a_bug_asks_for_a_report(raising, capsys):
    raising(ZeroDivisionError("division by zero"))
    assert run(["verify"]) == 1
    text = capsys.readouterr().err
    assert "ZeroDivisionError" in text
    assert "--debug" in text


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (["nonsense"], "nonsense"),
        (["build"], "--src"),
        (["build", "--src", "a"], "--out"),
        (["build", "--src", "a", "--out", "b", "--size", "7"], "--size"),
        (["build", "--src", "a", "--out", "b", "--engine", "quilt"], "quilt"),
        (["build", "--src", "a", "--out", "b", "--max-failures", "few"], "few"),
        (["build", "--nonsense"], "--nonsense"),
        (["verify"], "OUT"),
        (["inspect"], "OUT"),
        (["report", "x"], "--html"),
        (["synth", "--out", "x.png"], "PATCH"),
        (["synth", "a.png", "--out", "x.gif"], "x.gif"),
        (["build", "--src", "", "--out", "b"], "--src"),
        (["build", "--src", "a", "--out", "~nosuchuser/b"], "--out"),
        (["verify", "~nosuchuser/b"], "OUT"),
        (["verify", "x", "--workers", str(10**9)], "--workers"),
    ],
)
def test_wrong_usage_is_one_line_that_names_it_and_2(capsys, arguments, names):
    assert run(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert names in captured.err
    assert captured.err.count("\n") == 1


def build(source: object, out: object, *more: str) -> list[str]:
    given = [
        "build",
        "--src",
        source,
        "--out",
        out,
        "--engine",
        "stub",
        "--no-ray",
        "--quiet",
        *more,
    ]
    return [str(argument) for argument in given]


@pytest.mark.parametrize(
    ("more", "names"),
    [
        (["--ray-address", "auto"], "--ray-address"),
        (["--quality", "90"], "--quality"),
        (["--patch-size", "40", "--small-patch-size", "48"], "--small-patch-size"),
    ],
)
def test_options_that_contradict_each_other_are_refused(tmp_path, capsys, more, names):
    (tmp_path / "src").mkdir()
    assert run(build(tmp_path / "src", tmp_path / "out", *more)) == 2
    assert names in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("source", "out"), [("a", "a"), ("a", "a/b"), ("a/b", "a"), ("link/b", "a")]
)
def test_neither_of_src_and_out_may_lie_inside_the_other(tmp_path, capsys, source, out):
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "link").symlink_to("a")
    assert run(build(tmp_path / source, tmp_path / out)) == 2
    assert "inside" in capsys.readouterr().err
    assert sorted(path.name for path in (tmp_path / "a").rglob("*")) == ["b"]


def test_a_source_that_is_not_there_leaves_no_out(tmp_path, capsys):
    assert run(build(tmp_path / "missing", tmp_path / "out")) == 2
    captured = capsys.readouterr().err
    assert "missing" in captured
    assert captured.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_verify_of_no_data_set_is_one_line_and_no_success(tmp_path, capsys):
    assert run(["verify", str(tmp_path / "nowhere")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("texgen: no finished data set: cannot read ")
    assert f"{tmp_path / 'nowhere'}/index.json" in captured.err
    assert captured.err.count("\n") == 1


def test_closed_standard_streams_leave_their_numbers_to_no_file(tmp_path):
    script = f"""
import importlib, os
cli = importlib.import_module("texgen.cli.main")

def show(_):
    with open({str(tmp_path / "streams")!r}, "w") as file:
        for n in range(3):
            print(os.readlink(f"/dev/fd/{{n}}"), os.get_inheritable(n), file=file)
    return 0

cli.run = show
cli.main([])
"""
    shell = 'exec "$0" -c "$1" <&- >&- 2>&-'
    result = subprocess.run(["sh", "-c", shell, sys.executable, script], timeout=60, check=False)
    assert result.returncode == 0
    assert (tmp_path / "streams").read_text() == "/dev/null True\n" * 3


def test_help_and_version_are_results(capsys):
    assert run(["--help"]) == 0
    assert "build" in capsys.readouterr().out
    assert run(["--version"]) == 0
    assert texgen.__version__ in capsys.readouterr().out


def test_without_a_command_the_help_is_no_success(capsys):
    assert run([]) == 2
    assert "build" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["bench", "build", "inspect", "report", "synth", "verify"])
def test_every_command_has_help(capsys, command):
    assert run([command, "--help"]) == 0
    assert "Usage: texgen " + command in capsys.readouterr().out
