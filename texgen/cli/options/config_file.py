"""Option ``--config F.toml``: reads the other options of a command from a file."""

from __future__ import annotations

import difflib
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from texgen.cli.options.param_types import Place
from texgen.core.errors import ConfigError
from texgen.core.text import decode_text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NOT_FROM_FILES = {
    "config": "a configuration file cannot name another one",
    "overwrite": "a file would delete the data set at every run; give it on the command line",
    "yes": "give it on the command line",
}


def _load(ctx: click.Context, param: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    options = [option for option in ctx.command.params if isinstance(option, click.Option)]
    by_key = {option.opts[0].removeprefix("--"): option for option in options}
    defaults: dict[str, Any] = {}
    for written, value in _read_toml(path).items():
        key = written.replace("_", "-")
        if key in _NOT_FROM_FILES:
            raise ConfigError(f"{path}: {written}: {_NOT_FROM_FILES[key]}")
        option = by_key.get(key)
        if option is None or option.name is None:
            raise ConfigError(f"{path}: no option is called {written!r}{_suggestion(key, by_key)}")
        if option.name in defaults:
            raise ConfigError(f"{path}: {key} is given twice, with - and with _; keep one")
        defaults[option.name] = _checked(path, written, value, option, ctx)
    # The command line takes precedence over defaults.
    ctx.default_map = defaults


config_file_option = click.option(
    "--config",
    type=Place(),
    is_eager=True,
    expose_value=False,
    callback=_load,
    metavar="F.toml",
    help="TOML file with options of this command, such as size = 224. Options on the command "
    "line take precedence.",
)


def _read_toml(path: str) -> dict[str, Any]:
    try:
        given: dict[str, Any] = tomllib.loads(decode_text(Path(path).read_bytes()))
    except OSError as error:
        raise ConfigError(
            f"--config {path}: {error.strerror}; name a TOML file that can be read"
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(
            f"--config {path}: not TOML ({error}); write lines such as size = 224"
        ) from error
    return given


def _suggestion(key: str, known: Mapping[str, click.Option]) -> str:
    near = difflib.get_close_matches(key, known.keys() - _NOT_FROM_FILES.keys(), 1)
    return f"; did you mean {near[0]!r}?" if near else "; `--help` lists them"


def _checked(
    path: str, key: str, value: object, option: click.Option, ctx: click.Context
) -> object:
    """Returns the value for click, which has checked it, so that an error names file and key."""
    if isinstance(value, (str, list)) and "\0" in "".join(map(str, value)):
        raise ConfigError(f"{path}: {key} = {value!r}: a zero byte, which no option can contain")
    several = option.multiple or option.nargs != 1
    text = _texts(value, option.nargs) if several else _text(value, flag=option.is_flag)
    if text is None:
        expected = "true or false" if option.is_flag else "a number or a text"
        if option.multiple:
            expected = "a text, or a list of texts"
        elif option.nargs != 1:
            expected = f"a list of {option.nargs} numbers"
        raise ConfigError(f"{path}: {key} = {value!r}: expected {expected}")
    try:
        option.type_cast_value(ctx, text)
    except click.BadParameter as error:
        raise ConfigError(f"{path}: {key} = {value!r}: {error.message}") from error
    return text


def _texts(value: object, number: int) -> list[str] | None:
    """Returns ``number`` texts, or any number of them for 1; None if a value is not a text."""
    texts = [_text(one, flag=False) for one in (value if isinstance(value, list) else [value])]
    wrong = None in texts or number not in (1, len(texts))
    return None if wrong else [str(text) for text in texts]


def _text(value: object, *, flag: bool) -> str | bool | None:
    """Returns a value as the command line would give it; None if the command line could not."""
    if flag or isinstance(value, bool):
        return value if flag and isinstance(value, bool) else None
    # From the float 1.5 click would take the integer 1; it refuses the text.
    return str(value) if isinstance(value, (str, int, float)) else None
