"""How docstrings and help texts are written: the part of the rules that can be checked."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from texgen.cli.main import texgen

PACKAGE = Path(__file__).parents[1] / "texgen"
FILES = sorted(PACKAGE.rglob("*.py"))

NO_SUBJECT = re.compile(r"(?:Of|In|As|At|Not|Here|One that|Likewise|Those|That) ")
"""Beginnings of a text without a subject, which a reader who arrives by a search cannot follow."""

OTHER_WORDS = re.compile(r"\b(?:[Pp]hotographs?|mend(?:s|ed|ing)?|anew)\b")
"""Words that the field does not use: it says image, fix or hint, and again."""

UNITS = re.compile(
    r"\b(?:number|seconds|px|percentage|fraction|factor|seed|quality|steps?|epochs?|temperature|"
    r"momentum|weight|learning rate)\b",
    re.IGNORECASE,
)
"""Words of which the help text of a numerical option has one: its unit, or what is counted."""


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yields line and text of the docstrings of a module, its classes, functions and constants."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if text := ast.get_docstring(node):
                yield getattr(node, "lineno", 1), text
            for before, after in zip(node.body, node.body[1:], strict=False):
                match before, after:
                    case (ast.Assign() | ast.AnnAssign(), ast.Expr(ast.Constant(str(text)))):
                        yield after.lineno, text


def beginnings(text: str) -> Iterator[str]:
    """Yields the beginning of a docstring, and those of its parameters' descriptions."""
    yield text
    yield from (match[1] for match in re.finditer(r"(?m)^\s+\**\w+: (.*)$", text))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_begin_with_their_subject(path):
    wrong = [
        f"{path}:{line}: {start[:60]}"
        for line, text in docstrings(path)
        for start in beginnings(text)
        if NO_SUBJECT.match(start)
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_docstrings_use_the_words_of_the_field(path):
    wrong = [
        f"{path}:{line}: {match[0]}"
        for line, text in docstrings(path)
        for match in OTHER_WORDS.finditer(text)
    ]
    assert not wrong, "\n".join(wrong)


def contexts(
    command: click.Command, parent: click.Context | None = None
) -> Iterator[click.Context]:
    """Yields the context of a command and of the commands below it, as ``--help`` has it."""
    context = click.Context(
        command, parent, command.name or "texgen", terminal_width=80, **command.context_settings
    )
    yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from contexts(below, context)


COMMANDS = {context.command_path: context for context in contexts(texgen)}
OPTIONS = {
    f"{path} {option.opts[0]}": (context, option)
    for path, context in COMMANDS.items()
    for option in context.command.params
    if isinstance(option, click.Option) and not option.hidden
}


@pytest.mark.parametrize("name", OPTIONS)
def test_a_help_text_names_its_subject_default_and_unit(name):
    context, option = OPTIONS[name]
    record = option.get_help_record(context)
    assert record is not None
    text = record[1]
    assert text[:1].isupper(), text
    assert text.partition("  [")[0].endswith("."), text
    assert not NO_SUBJECT.match(text), text
    assert not OTHER_WORDS.search(text), text
    has_default = option.is_flag or option.required or option.multiple or "[default: " in text
    # Files and places that need not be given have no default.
    assert has_default or option.type.name in ("path", "text"), text
    if isinstance(option.type, click.types.IntParamType | click.types.FloatParamType):
        assert UNITS.search(text), text


@pytest.mark.parametrize("path", COMMANDS)
def test_a_command_says_what_it_does(path):
    text = COMMANDS[path].command.help
    assert text
    assert text.partition("\n")[0].endswith("."), "the first line is not a sentence"
    assert not NO_SUBJECT.match(text)
    assert not OTHER_WORDS.search(text)


@pytest.mark.parametrize("path", COMMANDS)
def test_help_fits_a_terminal_of_80_columns(path):
    lines = COMMANDS[path].get_help().splitlines()
    assert max(map(len, lines)) <= 80
    assert not [line for line in lines if re.match(r"  [a-z].*\.\.\.$", line)], "a text is cut off"
