"""`texgen`: finds the command, and turns every error into one line and an exit code."""

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

from texgen import __version__
from texgen.cli.output import CLOSED_PIPE
from texgen.core import signals
from texgen.core.errors import TexgenError
from texgen.core.limits import limit_error
from texgen.core.text import escape_unprintable

_COMMANDS = {
    "analyze": "similarities, biases, sweeps of trained encoders; one page of all",
    "bench": "what engines cost on your photographs, side by side",
    "build": "photographs -> ImageNet-Texture shards (goes on by itself where it stopped)",
    "download": "prebuilt shards over https://, s3:// or from a folder, resumed, checksummed",
    "eval": "classifiers on a frozen encoder, and other domains",
    "export": "a folder of class folders of image files",
    "inspect": "card, counts, one sample's provenance; --sheet draws a contact sheet",
    "plan": "what a build would do: counts, shards, bytes, core-hours; writes nothing",
    "publish": "a finished data set to s3://, index last, resumed, checksummed",
    "report": "a self-contained page: counts, failures, pictures, plots",
    "status": "how far a build is, from storage alone",
    "synth": "one texture from example patches",
    "train": "contrastive learning with textures or patches as negatives (extra: [train])",
    "verify": "every shard, sample and manifest row against the index",
}


class _StoppedError(BaseException):
    """A signal has come; no handler of `Exception` on the way out may take it for its own."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.exit_code = signals.exit_code(number)


class _Commands(click.Group):
    """Imports a command only when it is called: `--help` need not load Arrow."""

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


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="texgen")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def texgen(debug: bool) -> None:
    """Textures that keep a photograph's look and lose its meaning.

    They are negatives for contrastive learning (Ge et al., NeurIPS 2021).
    """
    # `run` reads it, which sees it even where parsing fails.
    del debug
    # The command is imported by now. It may have something to clean up.
    signals.catch(_unwind)


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and ends the process with its exit code."""
    signals.catch(_leave)
    _open_standard_streams()
    # Ray and torch start Python processes of their own: none looks in the current folder. Python
    # 3.10 knows no such thing, and has theirs by name or by fork.
    os.environ.setdefault("PYTHONSAFEPATH", "1")
    code = run(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            if stream is not None:
                stream.flush()
    # Not by way of the interpreter's own end: there a signal would print a traceback, and
    # a Ray that is still waiting for its cluster would hang or crash it.
    os._exit(code)


def _open_standard_streams() -> None:
    """Makes standard streams take whatever is printed.

    Closed ones, as by ``2>&-``, lead to nowhere.

    Otherwise the next file to be opened would get its number, and with it what
    engines and libraries print.
    """
    # Each gets the lowest number that is free, until it is above theirs.
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A name that the terminal's encoding lacks is shown escaped, as standard error does.
        sys.stdout.reconfigure(errors="backslashreplace")
    if sys.stderr is None:
        # Ray does not start without one.
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 - as long as the process


def run(arguments: list[str]) -> int:
    """Runs the command line.

    Returns:
        0 done; 1 something fell short; 2 usage or configuration; 130 Ctrl-C; 141 a closed
        pipe; 143 SIGTERM.
    """
    with signals.kept():
        try:
            signals.catch(_leave)
            return _run(arguments)
        except _StoppedError as stopped:
            _complain("stopped")
            return stopped.exit_code


def _leave(number: int, frame: FrameType | None) -> None:
    signals.leave(number, "stopped")


def _unwind(number: int, frame: FrameType | None) -> None:
    # A second one is out at once.
    signals.catch(_leave)
    raise _StoppedError(number)


def _run(arguments: list[str]) -> int:
    debug = "--debug" in arguments
    # Taken out here, so that it may stand before and after the command.
    arguments = [argument for argument in arguments if argument != "--debug"]
    try:
        code = texgen.main(arguments, prog_name="texgen", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        _complain(error.format_message())
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _complain("stopped")
        return 130
    except TexgenError as error:
        if debug:
            traceback.print_exc()
        _complain(str(error))
        return error.exit_code
    except BrokenPipeError:
        return CLOSED_PIPE
    except Exception as error:  # noqa: BLE001 - the last place before a traceback
        if debug:
            traceback.print_exc()
        _complain(str(limit_error(error) or _unforeseen(error)))
        return 1
    return code if isinstance(code, int) else 0


def _unforeseen(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        # The system's answer about a file, a device or a socket is no bug of ours.
        what = f"{error.filename}: " if error.filename else ""
        return f"{what}{error.strerror}; --debug shows where"
    return f"unexpected {type(error).__name__}: {error}; --debug shows where, please report it"


def _complain(message: str) -> None:
    line = escape_unprintable(" ".join(message.split()))
    click.echo(f"texgen: {line}", err=True)
