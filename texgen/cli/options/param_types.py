"""Types of option values: places, names, parts, budgets, times, classes, engines, endpoints."""

from __future__ import annotations

import errno
import math
import re
from abc import abstractmethod
from pathlib import Path
from typing import Any, TypeVar

import click

from texgen.core.config import ENGINES, STUB, Part
from texgen.core.text import escape_unprintable, single_line_error
from texgen.source import BUILT_IN_CLASSES, read_classes
from texgen.storage.s3.address import SCHEME

_Value = TypeVar("_Value")

_NUMBER = re.compile(r"[0-9]{1,18}")
_PERCENTAGE = re.compile(r"([0-9]+(?:\.[0-9]+)?)%")
_PART = re.compile(r"([0-9]{1,6})/([0-9]{1,6})")
_ENDPOINT = re.compile(r"https?://[^\s/@?#]+(/[^\s@?#]*)?")
_ONE_SLASH = re.compile(r"(s3|hf|https?|file):/", re.IGNORECASE)


class _FromText(click.ParamType[_Value]):
    """A type whose values are made from a text by `_parse`; click adds the option to its errors."""

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:  # noqa: ANN401 - a value that was converted before stays as it is
        """See `click.ParamType.convert`."""
        return self._parse(value) if isinstance(value, str) else value

    @abstractmethod
    def _parse(self, text: str) -> _Value: ...

    def _check_single_line(self, text: str, hint: str) -> None:
        if fault := single_line_error(text):
            self.fail(f"{escape_unprintable(text)} {fault}; {hint}")


class Budget(_FromText[int | float]):
    """A number as an int, or a percentage such as ``1%`` as a float from 0 to 1."""

    name = "number or %"

    def _parse(self, text: str) -> int | float:
        text = text.strip()
        if _NUMBER.fullmatch(text):
            return int(text)
        if match := _PERCENTAGE.fullmatch(text):
            return min(1.0, float(match[1]) / 100)
        return self.fail(f"{text!r} is neither a number of images nor a percentage such as 1%")


class PartOf(_FromText[Part]):
    """A part such as ``2/8``, the second of eight."""

    name = "I/N"

    def _parse(self, text: str) -> Part:
        match = _PART.fullmatch(text.strip())
        if match and 1 <= int(match[1]) <= int(match[2]):
            return Part(int(match[1]), int(match[2]))
        return self.fail(f"{text!r} is not a valid part: expected I/N, such as 1/8 or 8/8")


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


class Place(_FromText[str]):
    """An absolute path, with ``~`` expanded, or a URL; an S3 URL loses its trailing slashes.

    A path that does not exist is accepted. A path that the system cannot look up is refused here,
    so that all commands report it alike.

    Args:
        utf8: Whether the path must be UTF-8 without line breaks, which Arrow and Ray require.
    """

    name = "path"

    def __init__(self, *, utf8: bool = True) -> None:
        self._utf8 = utf8

    def _parse(self, text: str) -> str:
        if not text:
            self.fail("the value is empty; is a shell variable unset?")
        if "://" in text:
            self._check_single_line(text, "name another place")
            # Paths lose their trailing slashes too; "s3://" alone keeps them.
            without_slash = text.rstrip("/")
            return without_slash if text.startswith(SCHEME) and "://" in without_slash else text
        if _ONE_SLASH.match(text):
            self.fail("a URL has two slashes after the colon; put ./ before it to name a folder")
        path = Path(text)
        try:
            # The text decides, since `Path` drops the ./ of "./~name", which is a folder.
            path = path.expanduser() if text.startswith("~") else path
            # An absolute path needs the current folder too, since tasks start in it.
            path = Path.cwd() / path
        except RuntimeError:
            self.fail(f"{text}: no such user; if this is a folder, write ./{text}")
        except FileNotFoundError:
            self.fail("the current folder has been deleted; change to another")
        if self._utf8:
            self._check_single_line(str(path), "rename it, or name a link to it")
        try:
            path.stat()
        except FileNotFoundError:
            pass
        except OSError as error:
            hint = "change its permissions, or " if error.errno == errno.EACCES else ""
            where = escape_unprintable(str(path))
            self.fail(f"{where}: {error.strerror}; {hint}name another place")
        return str(path)


class Classes(_FromText[tuple[str, ...]]):
    """Sorted classes from a built-in list, or from a file with one per line."""

    name = "list"

    def _parse(self, text: str) -> tuple[str, ...]:
        return read_classes(text if text in BUILT_IN_CLASSES else Place()._parse(text))


class Name(_FromText[str]):
    """Text that JSON and Ray accept: UTF-8 without line breaks."""

    name = "text"

    def _parse(self, text: str) -> str:
        self._check_single_line(text, "use another")
        return text


class Program(Place):
    """A program: a name to look up on PATH, or a `Place`."""

    def __init__(self) -> None:
        super().__init__(utf8=False)

    def _parse(self, text: str) -> str:
        on_path = text and "/" not in text and not text.startswith("~")
        return text if on_path else super()._parse(text)


class Engine(click.Choice[str]):
    """An engine. The stub is accepted too, and not listed."""

    def __init__(self) -> None:
        super().__init__(ENGINES)

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> str:
        """See `click.ParamType.convert`."""
        return STUB if value == STUB else super().convert(value, param, ctx)


class Endpoint(_FromText[str]):
    """URL of an S3-compatible store."""

    name = "url"

    def _parse(self, text: str) -> str:
        if _ENDPOINT.fullmatch(text):
            return text
        # The message leaves out the value, which may hold a password.
        return self.fail("expected http(s)://host or http(s)://host:port alone")
