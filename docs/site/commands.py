"""Makes a page for each command, and fills folders in the navigation."""

from __future__ import annotations

import html
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

from texgen.cli.main import texgen

FOLDER = "reference/cli/"
_SUFFIXES = re.compile(r"^(.*?)((?:  \[[^\]]*\])*)$", re.DOTALL)
_COMMANDS = "|".join(texgen.list_commands(click.Context(texgen)))
_CODE = re.compile(rf"(?<![\w-])(--[a-z0-9-]+|s3://[\w./]*\w|texgen (?:{_COMMANDS})\b)")


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Replaces each entry of the navigation that ends in ``/`` by the pages of that folder."""
    config.nav = _filled(config.nav or [], Path(config.docs_dir))
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each command, and one that lists them."""
    context = _context("texgen", texgen, None)
    commands = [_context(name, command, context) for name, command in _subcommands(context)]
    pages = {"index": "\n".join(_index(context, commands))}
    pages |= {str(c.info_name): "\n".join(_page(c, 1)) for c in commands}
    for name, text in pages.items():
        files.append(File.generated(config, f"{FOLDER}{name}.md", content=text))
    return files


def _filled(entries: list[Any], docs: Path) -> list[Any]:
    result: list[Any] = []
    for entry in entries:
        [(title, value)] = entry.items() if isinstance(entry, dict) else [(None, entry)]
        if isinstance(value, list):
            result.append({title: _filled(value, docs)})
        elif title is None or not value.endswith("/"):
            result.append(entry)
        elif pages := _pages(value, docs):
            result.append({title: pages})
    return result


def _pages(folder: str, docs: Path) -> list[str]:
    if folder == FOLDER:
        names = ["index.md", *(f"{name}.md" for name in _COMMANDS.split("|"))]
    else:
        # The page of the folder itself comes first.
        found = [path.name for path in (docs / folder).glob("*.md")]
        names = sorted(found, key=lambda name: (name not in ("index.md", "README.md"), name))
    return [folder + name for name in names]


def _context(name: str, command: click.Command, parent: click.Context | None) -> click.Context:
    return click.Context(command, parent, name, **command.context_settings)


def _subcommands(context: click.Context) -> Iterator[tuple[str, click.Command]]:
    command = context.command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            if below is not None and not below.hidden:
                yield name, below


def _index(context: click.Context, commands: list[click.Context]) -> Iterator[str]:
    yield "# Command line\n"
    yield "These pages are made from the same texts as `texgen COMMAND --help`."
    yield "[Usage](../../usage.md) shows the commands at work, and what exit codes mean.\n"
    yield "| command | what it does |\n|---|---|"
    for command in commands:
        summary = command.command.get_short_help_str(200)
        yield f"| [`texgen {command.info_name}`]({command.info_name}.md) | {html.escape(summary)} |"
    yield "\n## Options of `texgen` itself\n"
    yield from _options(context, 3)


def _page(context: click.Context, level: int) -> Iterator[str]:
    yield f"{'#' * level} {context.command_path}\n"
    text = inspect.cleandoc(context.command.help or "")
    yield "\n".join(html.escape(line, quote=False) for line in text.splitlines() if line != "\b")
    usage = " ".join(context.command.collect_usage_pieces(context))
    yield f"\n```text\n{context.command_path} {usage}\n```\n"
    yield from _options(context, level + 1)
    for name, command in _subcommands(context):
        yield from _page(_context(name, command, context), level + 1)


def _options(context: click.Context, level: int) -> Iterator[str]:
    """Yields a heading for each option, so that the search finds it and a link can name it."""
    for option in context.command.get_params(context):
        record = option.get_help_record(context)
        if record is None or not record[1]:
            # The command's own text describes its arguments.
            continue
        names, text = record
        matched = _SUFFIXES.match(text)
        assert matched is not None  # noqa: S101 - both parts may be empty
        name = f"{context.command_path.replace(' ', '-')}{option.opts[-1]}"
        attributes = f"#{name} .option data-toc-label='{option.opts[-1]}'"
        yield f"{'#' * level} `{names}` {{ {attributes} }}\n"
        yield f'<p class="option">{_marked(matched[1])}{_notes(matched[2])}</p>\n'


def _notes(suffixes: str) -> str:
    """Converts ``[default: 10; x>=1]  [required]`` to HTML."""
    brackets = re.findall(r"\[([^\]]*)\]", suffixes)
    text = "; ".join(brackets).replace("<=", " ≤ ").replace(">=", " ≥ ")
    return f" <small>{_marked(text)}</small>" if text else ""


def _marked(text: str) -> str:
    return _CODE.sub(r"<code>\1</code>", html.escape(" ".join(text.split()), quote=False))
