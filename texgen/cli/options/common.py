"""Option types, options and checks that several commands share."""

from __future__ import annotations

import errno
import math
import re
from pathlib import Path

import click

from texgen.core.config import (
    DEFAULT_ENGINE,
    ENGINES,
    MAX_SIZE,
    STUB,
    UPSTREAM_ENGINE,
    Part,
    max_size,
)
from texgen.core.errors import ConfigError
from texgen.core.text import escape_unprintable, single_line_error
from texgen.source import BUILT_IN_CLASSES, read_classes
from texgen.storage.s3.address import SCHEME
from texgen.synthesis import EngineSpec

_NUMBER = re.compile(r"[0-9]{1,18}")
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")
_PART = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_ENDPOINT = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_ONE_SLASH = re.compile(r"(s3|https?|file):/", re.IGNORECASE)
_QUALITY = 95


class Budget(click.ParamType[int | float]):
    """A number, or a percentage such as ``1%``: an int, or a share as a float."""

    name = "number or %"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        """See `click.ParamType.convert`."""
        text = str(value).strip()
        if _NUMBER.fullmatch(text):
            return int(text)
        if match := _PERCENTAGE.fullmatch(text):
            return min(1.0, float(match[1]) / 100)
        message = f"{text!r} is neither a number of images nor a percentage such as 1%"
        return self.fail(message, param, ctx)


class PartOf(click.ParamType[Part]):
    """``2/8``: the second of eight parts."""

    name = "I/N"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Part:
        """See `click.ParamType.convert`."""
        if isinstance(value, Part):
            return value
        match = _PART.fullmatch(str(value).strip())
        if match and 1 <= int(match[1]) <= int(match[2]):
            return Part(int(match[1]), int(match[2]))
        return self.fail(f"{value!r} is no part such as 1/8 or 8/8", param, ctx)


class Seconds(click.FloatRange):
    """More than 0 seconds, at most a day: the system's clocks take no infinity."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=86_400)

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType.convert`."""
        seconds = super().convert(value, param, ctx)
        # No comparison with a bound finds it.
        if math.isnan(seconds):
            self.fail(f"{value} is no number of seconds", param, ctx)
        return seconds


class Place(click.ParamType[str]):
    """A path, made absolute with ``~`` expanded, or a URL, without slashes after a bucket's.

    A place that is not there yet is fine; one that cannot even be looked for is refused
    here, for every command alike.

    Args:
        utf8: Whether the path must be UTF-8 on one line: Arrow and Ray take no other bytes.
    """

    name = "path"

    def __init__(self, *, utf8: bool = True) -> None:
        self._utf8 = utf8

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        if not text:
            self.fail("it is empty; is a variable unset?", param, ctx)
        if "://" in text:
            return self._url(text, param, ctx)
        if _ONE_SLASH.match(text):
            self.fail("a URL begins with two slashes; ./ before it names a folder", param, ctx)
        path = Path(text)
        try:
            # A `Path` no longer knows that "./~name" is a folder of that name.
            path = path.expanduser() if text.startswith("~") else path
            # Asked for an absolute path too: tasks start in the current folder.
            path = Path.cwd() / path
        except RuntimeError:
            self.fail(f"{text}: no such user; ./{text} would be a folder", param, ctx)
        except FileNotFoundError:
            self.fail("the current folder has been deleted; change to another", param, ctx)
        if self._utf8 and (fault := single_line_error(str(path))):
            self.fail(
                f"{escape_unprintable(str(path))} {fault}; rename it, or name a link to it",
                param,
                ctx,
            )
        try:
            path.stat()
        except FileNotFoundError:
            pass
        except OSError as error:
            mend = "change its permissions, or " if error.errno == errno.EACCES else ""
            why = f"{escape_unprintable(str(path))}: {error.strerror}; {mend}name another place"
            self.fail(why, param, ctx)
        return str(path)

    def _url(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if fault := single_line_error(text):
            self.fail(f"{escape_unprintable(text)} {fault}; name another place", param, ctx)
        # As paths lose theirs, but not the slashes of a scheme alone.
        bare = text.rstrip("/")
        return bare if text.startswith(SCHEME) and "://" in bare else text


class Classes(click.ParamType[tuple[str, ...]]):
    """A built-in list of classes, or a file with one a line: the classes, sorted."""

    name = "list"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """See `click.ParamType.convert`."""
        if isinstance(value, tuple):
            return value
        text = str(value)
        return read_classes(text if text in BUILT_IN_CLASSES else Place().convert(text, param, ctx))


class Name(click.ParamType[str]):
    """Text that is written to JSON and handed to Ray: UTF-8, on one line."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        if fault := single_line_error(text):
            self.fail(f"{escape_unprintable(text)} {fault}; take another", param, ctx)
        return text


class Program(Place):
    """A program: a name that is looked for on PATH, or a `Place`."""

    def __init__(self) -> None:
        super().__init__(utf8=False)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        on_path = text and "/" not in text and not text.startswith("~")
        return text if on_path else super().convert(value, param, ctx)


class _Engine(click.Choice[str]):
    """The engines for users; the stub is taken too, and shown to nobody."""

    def __init__(self) -> None:
        super().__init__(ENGINES)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        return STUB if value == STUB else super().convert(value, param, ctx)


class Endpoint(click.ParamType[str]):
    """The URL of an S3-compatible store."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        if _ENDPOINT.fullmatch(text):
            return text
        # It may hold a password: not shown.
        return self.fail("expected http(s)://host or http(s)://host:port alone", param, ctx)


s3_endpoint_option = click.option(
    "--s3-endpoint",
    type=Endpoint(),
    metavar="URL",
    help="Of an S3-compatible store.  [default: AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, or AWS]",
)

WORKERS = click.IntRange(1, 4096)
"""Above what any machine has use for."""

engine_option = click.option(
    "--engine",
    type=_Engine(),
    default=DEFAULT_ENGINE,
    show_default=True,
    help="Which engine makes the textures.",
)

engine_bin_option = click.option(
    "--engine-bin",
    type=Program(),
    metavar="PATH",
    help=f"Upstream's program for --engine {UPSTREAM_ENGINE}.  "
    "[default: texture-synthesis on PATH]",
)

size_option = click.option(
    "--size",
    type=click.IntRange(16, MAX_SIZE),
    default=224,
    show_default=True,
    help=f"Side of the texture, px; with --engine fast to {max_size('fast')}.",
)

quality_option = click.option(
    "--quality", type=click.IntRange(1, 100), help=f"Of jpg.  [default: {_QUALITY}]"
)


def engine_spec(engine: str, engine_bin: str | None) -> EngineSpec:
    """The engine that ``--engine`` and ``--engine-bin`` name.

    Raises:
        ConfigError: If the engine runs no program.
    """
    if engine_bin is not None and engine != UPSTREAM_ENGINE:
        message = f"--engine-bin goes with --engine {UPSTREAM_ENGINE}, not with {engine}"
        raise ConfigError(message)
    return EngineSpec(engine, engine_bin)


def check_size(size: int, engine: str) -> None:
    """Checks ``--size`` against ``--engine``.

    Raises:
        ConfigError: If the engine makes no textures as large.
    """
    most = max_size(engine)
    if size > most:
        message = (
            f"--size {size}: --engine {engine} makes {most} px at most; "
            f"--engine embark goes to {MAX_SIZE}"
        )
        raise ConfigError(message)


def jpeg_quality(quality: int | None, image_format: str) -> int | None:
    """The quality to encode with, None for a format that has none.

    Raises:
        ConfigError: If ``--quality`` is given for such a format.
    """
    if image_format == "jpg":
        return _QUALITY if quality is None else quality
    if quality is not None:
        message = f"--quality goes with jpg, not with {image_format}; leave it out"
        raise ConfigError(message)
    return None
