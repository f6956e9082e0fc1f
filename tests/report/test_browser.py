"""The report in a real browser: it loads and runs nothing, shows everything and fits a phone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import make_source
from texgen.cli.main import run

pytestmark = [pytest.mark.whole, pytest.mark.integration]

HOSTILE = "<img src=x onerror=alert(1)> \"'&"
BROKEN = "not an image"

# Every image is drawn, and the page's edge cuts none of them.
NATURAL_WIDTHS = "[...document.images].map(image => image.naturalWidth)"
FITS = "document.documentElement.scrollWidth <= window.innerWidth"
NAME = "e => document.getElementById(e.getAttribute('aria-labelledby').split(' ')[0]).textContent"
# Contrast of every text with the page's background, by WCAG 2.1.
CONTRASTS = """() => {
  const channel = c => (c /= 255) <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  const luminance = css => {
    const [r, g, b] = css.match(/[\\d.]+/g).map(Number).map(channel);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const paper = luminance(getComputedStyle(document.body).backgroundColor);
  const leaves = [...document.querySelectorAll('body *')].filter(
    e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())
      && !e.closest('title, desc'));
  return leaves.map(e => {
    const style = getComputedStyle(e);
    const ink = luminance(e instanceof SVGElement ? style.fill : style.color);
    return [(Math.max(ink, paper) + 0.05) / (Math.min(ink, paper) + 0.05), e.textContent];
  });
}"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("report")
    source, out = root / "src", root / "out"
    make_source(source / "train", {"ant": 30, HOSTILE: 3}, (200, 150))
    make_source(source / "val", {"ant": 2}, (60, 300))
    (source / "train" / "ant" / "broken.jpg").write_text(BROKEN)
    build = ["build", "--src", source, "--out", out, "--engine", "stub", "--no-ray", "--quiet"]
    assert run([str(a) for a in (*build, "--name", HOSTILE, "--max-failures", 1)]) == 0
    page = root / "report.html"
    assert run([str(a) for a in ("report", out, "--html", page, "--src", source)]) == 0
    return page


class Visit:
    """The open report, with its messages and requests."""

    def __init__(self, browser: Any, report: Path, width: int, scheme: str) -> None:
        self.page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
        self.messages: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.messages.append(message.text))
        self.page.on("pageerror", lambda error: self.messages.append(str(error)))
        self.page.on("dialog", lambda dialog: self.messages.append(dialog.message))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.address = report.as_uri()
        self.page.goto(self.address, wait_until="load")

    def assert_quiet(self) -> None:
        assert self.messages == []
        elsewhere = [url for url in self.requests if not url.startswith("data:")]
        assert elsewhere == [self.address]


@pytest.mark.parametrize(
    ("width", "scheme"),
    [(320, "light"), (360, "light"), (360, "dark"), (768, "light"), (1280, "dark")],
)
def test_the_report_is_complete_on_every_screen(browser, report, width, scheme):
    visit = Visit(browser, report, width, scheme)
    page = visit.page
    widths = page.evaluate(NATURAL_WIDTHS)
    # Each of the 24 textures has an image, two patches and itself.
    assert len(widths) == 24 * 4
    assert min(widths) > 0
    assert page.evaluate(FITS)
    page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
    assert page.evaluate(FITS)
    contrasts = page.evaluate(CONTRASTS)
    assert len(contrasts) > 200
    assert [words for ratio, words in contrasts if ratio < 4.5] == []
    visit.assert_quiet()
    page.close()


def test_the_light_scheme_is_light_and_the_dark_one_dark(browser, report):
    papers = []
    for scheme in ("light", "dark"):
        visit = Visit(browser, report, 1280, scheme)
        papers.append(visit.page.evaluate("getComputedStyle(document.body).backgroundColor"))
        visit.page.close()
    assert papers[0] == "rgb(255, 255, 255)"
    assert max(map(int, papers[1][4:-1].split(","))) < 60


def test_names_are_shown_as_they_are_and_nothing_runs(browser, report):
    visit = Visit(browser, report, 1280, "light")
    page = visit.page
    assert page.inner_text("h1") == HOSTILE
    assert page.evaluate("document.scripts.length") == 0
    assert HOSTILE in page.text_content("#counts ~ details")
    assert "image_unreadable" in page.inner_text("section:has(#failures)")
    visit.assert_quiet()
    page.close()


def test_charts_have_names_for_screen_readers(browser, report):
    visit = Visit(browser, report, 1280, "light")
    charts = visit.page.get_by_role("img").and_(visit.page.locator("svg"))
    names = [chart.evaluate(NAME) for chart in charts.all()]
    assert len(names) == len(set(names)) >= 12
    assert all(names)
    visit.page.close()


def test_it_prints_black_on_white_without_cut_images(browser, report, tmp_path):
    visit = Visit(browser, report, 1280, "dark")
    page = visit.page
    page.emulate_media(media="print", color_scheme="dark")
    body = "getComputedStyle(document.body)"
    assert page.evaluate(f"[{body}.backgroundColor, {body}.color]") == [
        "rgb(255, 255, 255)", "rgb(0, 0, 0)"
    ]  # fmt: skip
    uncut = "[...document.querySelectorAll('img, svg, figure')].every(e => " \
            "getComputedStyle(e).breakInside === 'avoid')"  # fmt: skip
    assert page.evaluate(uncut)
    pdf = page.pdf(format="A4")
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 100_000
    visit.assert_quiet()
    page.close()
