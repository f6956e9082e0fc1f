"""The site is built as CI builds it, and looked at in a real browser."""

from __future__ import annotations

import functools
import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from texgen.cli.main import texgen

pytestmark = [pytest.mark.whole, pytest.mark.integration]

ROOT = Path(__file__).parents[2]
PHONE = {"width": 390, "height": 844}
TOO_WIDE = """() => {
  const width = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth <= width) return [];
  return [...document.querySelectorAll('.md-main *, .md-footer *')]
    .filter(e => e.getBoundingClientRect().right > width + 1)
    .map(e => e.outerHTML.slice(0, 80));
}"""
CONTRAST = """() => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = css => {
    const [r, g, b] = css.match(/[\\d.]+/g).map(Number).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const colour = (e, name) => luminance(getComputedStyle(e)[name]);
  const paper = colour(document.body, 'backgroundColor');
  const texts = '.md-content :is(h1, h2, h3, p, li, dd, td, p a:not(.md-button--primary))';
  return [...document.querySelectorAll(texts)].map(e => {
    const ink = colour(e, 'color');
    return [(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), e.textContent];
  }).filter(([ratio]) => ratio < 4.5);
}"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, with the tutorial executed; every warning would have ended the build."""
    out = tmp_path_factory.mktemp("site") / "out"
    subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(out)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        check=True,
        timeout=900,
    )
    return out


@pytest.fixture(scope="module")
def address(site: Path) -> Iterator[str]:
    """Address of a web server with the site."""
    handler = functools.partial(_Quiet, directory=str(site))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Prints nothing."""


def pages(site: Path) -> list[str]:
    """Addresses of the pages, relative to the site; only one of those that show a source file."""
    found = sorted(path.parent.relative_to(site).as_posix() for path in site.rglob("index.html"))
    return [name + "/" for name in found if "." not in name[1:] or name.endswith("losses.py")]


def test_no_page_scrolls_sideways_on_a_phone_or_asks_another_host(browser, site, address):
    page = browser.new_page(viewport=PHONE, is_mobile=True)
    requests: list[str] = []
    failures: list[str] = []
    page.on("request", lambda request: requests.append(request.url))
    page.on("response", lambda answer: failures.append(answer.url) if answer.status > 399 else None)
    page.on("pageerror", lambda error: failures.append(str(error)))
    found = pages(site)
    assert len(found) > 40
    too_wide = {}
    for name in found:
        page.goto(address + name, wait_until="load")
        page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
        if elements := page.evaluate(TOO_WIDE):
            too_wide[name] = elements[:3]
    page.close()
    assert too_wide == {}
    assert failures == []
    assert [url for url in requests if not url.startswith((address, "data:"))] == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_in_both_schemes(browser, address, scheme):
    page = browser.new_page(color_scheme=scheme)
    for name in ("", "tutorial/", "usage/", "reference/cli/build/", "reference/reading/"):
        page.goto(address + name, wait_until="load")
        assert page.evaluate(CONTRAST) == []
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    values = [float(value) for value in re.findall(r"[\d.]+", paper)[:3]]
    assert (min(values) > 200) if scheme == "light" else (max(values) < 60)
    page.close()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("--textures-per-image", "#texgen-build--textures-per-image"),
        ("TextureStore", "reference/reading/"),
        ("rsync", "hosting/"),
        ("nonsemantic_share", "reference/training/"),
    ],
)
def test_the_search_finds_what_a_page_says(browser, address, words, expected):
    page = browser.new_page()
    page.goto(address, wait_until="load")
    page.get_by_role("textbox", name="Search").click()
    page.keyboard.type(words)
    # While one types, there are results of what has been typed so far.
    link = page.locator(f".md-search-result__link[href*='{expected}']")
    link.first.wait_for(state="attached", timeout=60_000)
    page.close()


def test_the_tutorial_shows_what_its_cells_gave(site):
    text = (site / "tutorial" / "index.html").read_text()
    pictures = re.findall(r'<img alt="output of the cell above" src="\.\./([^"]+)"', text)
    assert len(pictures) == 5
    assert all((site / picture).read_bytes().startswith(b"\x89PNG") for picture in pictures)
    assert "7 textures of 7 images in 1 shard, 0 failed" in text
    assert "no fault; 1 shard, 7 textures" in text


def test_each_command_and_each_of_its_options_has_an_address(site):
    context = click.Context(texgen)
    for name in texgen.list_commands(context):
        command = texgen.get_command(context, name)
        text = (site / "reference" / "cli" / name / "index.html").read_text()
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                assert f'id="texgen-{name}{option.opts[-1]}"' in text


def test_the_reference_shows_every_public_name(site):
    import texgen as package

    text = "".join(path.read_text() for path in (site / "reference").glob("*/index.html"))
    for name in set(package.__all__) - {"__version__"}:
        assert re.search(rf'id="texgen\.(\w+\.)*{name}"', text), name
    # A constant's value, not its name.
    assert "TEXTURE_SIZE" not in text


def test_the_site_is_no_part_of_the_repository():
    listed = subprocess.run(
        ["git", "check-ignore", "site/index.html"], cwd=ROOT, capture_output=True, check=False
    )
    if listed.returncode == 128:
        pytest.skip("this is not a git checkout")
    assert listed.returncode == 0


def test_the_notebook_in_the_repository_has_no_outputs():
    notebook = json.loads((ROOT / "docs" / "tutorial.ipynb").read_text())
    cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert len(cells) > 8
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells)
