"""`texgen`: runs the command, and turns every error into one line and an exit code."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
import sys
import traceback
from types import FrameType
from typing import NoReturn

import click

from texgen.cli.output import CLOSED_PIPE
from texgen.core import signals
from texgen.core.errors import TexgenError
from texgen.core.identity import version
from texgen.core.limits import limit_error
from texgen.core.text import escape_unprintable

_COMMANDS = {
    "plan": "Show what a build would do: images, bytes, time, problems.",
    "build": "Build shards of textures from a folder of images; resumes by itself.",
    "status": "Show how far a build is.",
    "verify": "Check every shard, sample and manifest row of a data set.",
    "inspect": "Show a data set's card and counts, or one texture's origin.",
    "report": "Write an HTML page about a data set.",
    "publish": "Upload a finished data set to a bucket, the Hugging Face Hub or a folder.",
    "download": "Download a finished data set; resumes, and checks every file.",
    "export": "Write a data set as class folders of image files.",
    "synth": "Make one texture from example patches.",
    "doctor": "Show versions, engine, machine and settings, for a bug report.",
    "bench": "Measure what engines cost on your images.",
    "train": "Train an encoder with textures as negatives (extra: [train]).",
    "eval": "Evaluate a trained encoder by classifiers (extra: [train]).",
    "analyze": "Measure biases and similarities of encoders (extra: [train]).",
}


class _StoppedError(BaseException):
    """A signal has arrived. It is no `Exception`, so that no handler on the way out catches it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = signals.exit_code(number)


class _Commands(click.Group):
    """Commands that are imported when they are called, so that ``--help`` does not load Arrow."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"texgen.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))


def _print_version(ctx: click.Context, _option: click.Parameter, asked: bool) -> None:
    if asked:
        click.echo(f"texgen, version {version()}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "show_default": True},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_version,
    help="Show the version and exit.",
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def texgen(debug: bool) -> None:
    """Make textures from images: they keep an image's look and lose its meaning.

    The textures are negatives for contrastive learning (Ge et al., NeurIPS 2021).
    """
    # `run` reads the option itself, since it must know it even if parsing fails.
    del debug
    # From here on the command may have something to clean up.
    signals.catch(_unwind)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process with its exit code."""
    signals.catch(_leave)
    _open_standard_streams()
    # Python processes that Ray and torch start must not import from the current folder. Python 3.10
    # ignores the variable, and starts theirs by name or by fork.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    code = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    # The interpreter's own exit is skipped: a signal during it would print a traceback, and a Ray
    # that is still waiting for its cluster would hang or crash it.
    os._exit(code)


def _open_standard_streams() -> None:
    """Makes the standard streams accept everything that is printed.

    Closed streams, as by ``2>&-``, are redirected to the null device. Otherwise the next file that
    is opened would get their number, and with it the output of engines and libraries.
    """
    # A file gets the lowest free number, so this fills the gaps among 0, 1 and 2.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Characters that the terminal's encoding lacks are escaped, as on standard error.
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        # Ray does not start without a standard error.
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process


def run(arguments: list[str]) -> int:
    """Runs the command line.

    Returns:
        Exit code: 0 done; 1 incomplete or failed; 2 wrong usage or configuration; 130 Ctrl-C;
        141 closed pipe; 143 SIGTERM.
    """
    with signals.kept():
        try:
            signals.catch(_leave)
            return _run(arguments)
        except _StoppedError as stopped:
            _print_error("stopped")
            return stopped.exit_code


def _leave(number: int, frame: FrameType | None) -> None:
    signals.leave(number, "stopped")


def _unwind(number: int, frame: FrameType | None) -> None:
    # A second signal ends the process at once.
    signals.catch(_leave)
    raise _StoppedError(number)


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    # Removed here, so that the option may stand before and after the command.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = texgen.main(arguments, prog_name="texgen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _print_error(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _print_error("stopped")
        return 130
    except TexgenError as error:
        if debug:
            traceback.print_exc()
        _print_error(str(error))
        return error.exit_code
    except BrokenPipeError:
        return CLOSED_PIPE
    except Exception as error:  # noqa: BLE001 - the alternative is a traceback
        if debug:
            traceback.print_exc()
        _print_error(str(limit_error(error) or _unexpected_error(error)))
        return 1
    return code if isinstance(code, int) else 0


def _unexpected_error(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # An error of a file, a device or a socket is no bug of texgen.
        path = f"{error.filename}: " if error.filename else ""
        return f"{path}{error.strerror}; --debug shows where"
    return f"unexpected {type(error).__name__}: {error}; --debug shows where, please report it"


def _print_error(message: str) -> None:
    line = escape_unprintable(" ".join(message.split()))
    click.echo(f"texgen: {line}", err=True)
