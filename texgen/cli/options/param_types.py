"""Types of option values: places, names, parts, budgets, times, classes, engines, endpoints."""

from __future__ import annotations

import errno
import math
import re
from pathlib import Path

import click

from texgen.core.config import ENGINES, STUB, Part
from texgen.core.text import escape_unprintable, single_line_error
from texgen.source import BUILT_IN_CLASSES, read_classes
from texgen.storage.s3.address import SCHEME

_NUMBER = re.compile(r"[0-9]{1,18}")
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")
_PART = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_ENDPOINT = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_ONE_SLASH = re.compile(r"(s3|https?|file):/", re.IGNORECASE)


class Budget(click.ParamType[int | float]):
    """A number as an int, or a percentage such as ``1%`` as a float from 0 to 1."""

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
    """A part such as ``2/8``, the second of eight."""

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
        return self.fail(
            f"{value!r} is not a valid part: expected I/N, such as 1/8 or 8/8", param, ctx
        )


class Seconds(click.FloatRange):
    """More than 0 seconds and at most a day, since the system's clocks refuse infinity."""

    def __init__(self) -> None:
        super().__init__(min=0, min_open=True, max=86_400)

    def convert(
        self, value: float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """See `click.ParamType.convert`."""
        seconds = super().convert(value, param, ctx)
        # NaN passes every comparison with a bound.
        if math.isnan(seconds):
            self.fail(f"{value} is not a number of seconds", param, ctx)
        return seconds


class Place(click.ParamType[str]):
    """An absolute path, with ``~`` expanded, or a URL; an S3 URL loses its trailing slashes.

    A path that does not exist is accepted. A path that the system cannot look up is refused here,
    so that all commands report it alike.

    Args:
        utf8: Whether the path must be UTF-8 without line breaks, which Arrow and Ray require.
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
            self.fail("the value is empty; is a shell variable unset?", param, ctx)
        if "://" in text:
            return self._url(text, param, ctx)
        if _ONE_SLASH.match(text):
            message = "a URL has two slashes after the colon; put ./ before it to name a folder"
            self.fail(message, param, ctx)
        path = Path(text)
        try:
            # The text decides, since `Path` drops the ./ of "./~name", which is a folder.
            path = path.expanduser() if text.startswith("~") else path
            # An absolute path needs the current folder too, since tasks start in it.
            path = Path.cwd() / path
        except RuntimeError:
            self.fail(f"{text}: no such user; if this is a folder, write ./{text}", param, ctx)
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
            hint = "change its permissions, or " if error.errno == errno.EACCES else ""
            message = f"{escape_unprintable(str(path))}: {error.strerror}; {hint}name another place"
            self.fail(message, param, ctx)
        return str(path)

    def _url(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if fault := single_line_error(text):
            self.fail(f"{escape_unprintable(text)} {fault}; name another place", param, ctx)
        # Paths lose their trailing slashes too; "s3://" alone keeps them.
        without_slash = text.rstrip("/")
        return without_slash if text.startswith(SCHEME) and "://" in without_slash else text


class Classes(click.ParamType[tuple[str, ...]]):
    """Sorted classes from a built-in list, or from a file with one per line."""

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
    """Text that JSON and Ray accept: UTF-8 without line breaks."""

    name = "text"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        if fault := single_line_error(text):
            self.fail(f"{escape_unprintable(text)} {fault}; use another", param, ctx)
        return text


class Program(Place):
    """A program: a name to look up on PATH, or a `Place`."""

    def __init__(self) -> None:
        super().__init__(utf8=False)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        on_path = text and "/" not in text and not text.startswith("~")
        return text if on_path else super().convert(value, param, ctx)


class Engine(click.Choice[str]):
    """An engine. The stub is accepted too, and not listed."""

    def __init__(self) -> None:
        super().__init__(ENGINES)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        return STUB if value == STUB else super().convert(value, param, ctx)


class Endpoint(click.ParamType[str]):
    """URL of an S3-compatible store."""

    name = "url"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        text = str(value)
        if _ENDPOINT.fullmatch(text):
            return text
        # The message leaves out the value, which may hold a password.
        return self.fail("expected http(s)://host or http(s)://host:port alone", param, ctx)
