"""Puts files that lie outside docs/ on the site, as far as its pages link to them.

Links in the pages are those of the repository, so that they work on a code host too. A Markdown
file outside docs/, such as CHANGELOG.md, becomes a page below project/. A source file becomes a
page that shows it, and a folder one that lists its files. Links are rewritten accordingly.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page
from pygments.lexers import get_lexer_for_filename
from pygments.util import ClassNotFound

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)\s#]+)(#[^)\s]*)?(?=\))")
ALWAYS = ("CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
HIDDEN = "---\nsearch:\n  exclude: true\n---\n\n"

_README = re.compile(r"<!-- readme: (\w+) -->")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds a page for each file outside docs/ to which a page leads."""
    waiting = list(ALWAYS)
    for file in files.documentation_pages():
        waiting += _outside(f"docs/{file.src_uri}", file.content_string)
    done: set[str] = set()
    while waiting:
        path = waiting.pop()
        if path not in done:
            done.add(path)
            text = _page_text(path)
            files.append(
                File.generated(
                    config, _site_path(path), content=text, inclusion=InclusionLevel.NOT_IN_NAV
                )
            )
            waiting += _outside(path, text)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Includes parts of the README, and points links to the pages of this site."""
    here = page.file.src_uri

    def included(match: re.Match[str]) -> str:
        return _links_rewritten(_readme_part(match[1]), "README.md", here)

    return _README.sub(included, _links_rewritten(markdown, _repository_path(here), here))


def _readme_part(name: str) -> str:
    """Returns the text between ``<!-- name -->`` and ``<!-- /name -->`` in the README."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    return text.split(f"<!-- {name} -->", 1)[1].split(f"<!-- /{name} -->", 1)[0].strip()


def _links_rewritten(markdown: str, path: str, page: str) -> str:
    def rewritten(match: re.Match[str]) -> str:
        target = _target(path, match[1])
        if target is None:
            return match[0]
        return posixpath.relpath(_site_path(target), posixpath.dirname(page)) + (match[2] or "")

    return LINK.sub(rewritten, markdown)


def _outside(path: str, markdown: str) -> Iterator[str]:
    """Yields the paths in the repository, outside docs/, that a file of the repository links to."""
    for match in LINK.finditer(markdown):
        target = _target(path, match[1])
        if target is not None and not target.startswith("docs/"):
            yield target


def _target(path: str, link: str) -> str | None:
    """Returns the path in the repository of a link in the file ``path``; None if it has none."""
    target = posixpath.normpath(posixpath.join(posixpath.dirname(path), link))
    if target.startswith("..") or not (ROOT / target).exists():
        return None
    inside = (f"{target}/{name}" for name in ("README.md", "index.md"))
    return next((path for path in inside if (ROOT / path).exists()), target)


def _site_path(path: str) -> str:
    """Returns the path of a file's page below docs/."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    # A README.md would become the page of its whole section.
    return f"project/{path.removesuffix('/README.md').removesuffix('.md')}.md"


def _repository_path(page: str) -> str:
    if not page.startswith("project/"):
        return f"docs/{page}"
    path = page.removeprefix("project/")
    candidates = (path, path.removesuffix(".md") + "/README.md", path.removesuffix(".md"))
    return next(name for name in candidates if (ROOT / name).exists())


def _page_text(path: str) -> str:
    file = ROOT / path
    if file.is_dir():
        names = [entry.name for entry in file.iterdir() if entry.name[0] not in "._"]
        links = [f"- [{name}]({PurePosixPath(path).name}/{name})" for name in sorted(names)]
        return f"{HIDDEN}# {path}\n\n" + "\n".join(links)
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".md":
        return text
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{HIDDEN}# {path}\n\n{fence}{_language(file)}\n{text.rstrip()}\n{fence}\n"


def _language(file: Path) -> str:
    if os.access(file, os.X_OK):
        return "bash"
    try:
        return str(get_lexer_for_filename(file.name).aliases[0])
    except ClassNotFound:
        return "text"
