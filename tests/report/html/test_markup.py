"""HTML and charts: nothing from outside is taken for markup."""

from __future__ import annotations

import html
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from texgen.core.text import escape_unprintable
from texgen.report.html.markup import Number, chart_grid, details, table, text
from texgen.report.position_test import HeatMap
from texgen.report.svg.axes import Axis, Plot, axis_from_zero, nice_step, number_text
from texgen.report.svg.charts import Series, bars, heat_map, histogram, lines, scatter, swatches

xml = ET.fromstring
SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = ["<script>alert(1)</script>", "\"><img src=x onerror='alert(1)'>", "a & b", "\u202ex",
           "</svg><b>", "]]>", "<!--", "\0", "é"]  # fmt: skip


@given(st.text())
def test_text_is_neither_markup_nor_ends_an_attribute(value):
    escaped = text(value)
    assert not set("<>\"'\n\r\0") & set(escaped)
    assert html.unescape(escaped) == escape_unprintable(value)
    xml(f'<p title="{escaped}">{escaped}</p>')


@given(st.lists(st.tuples(st.text(), st.integers(), st.text()), max_size=5))
def test_cells_are_escaped_and_tables_whole(rows):
    root = xml(table("Title", ("a", "b", "c"), rows))
    found = [[cell.text or "" for cell in row] for row in root.iter("tr")][1:]
    assert found == [[escape_unprintable(a), f"{b:,}", escape_unprintable(c)] for a, b, c in rows]


def test_columns_of_numbers_stand_right_with_their_heads():
    root = xml(table("T", ("a", "b", "c"), [["x", 1000, Number("1.5 MB")], ["y", 2, ""]]))
    classes = [[cell.get("class") for cell in row] for row in root.iter("tr")]
    assert classes == [[None, "number", None]] * 3


def test_a_table_without_rows_has_its_caption_and_heads():
    root = xml(table("T", ("a", "b"), []))
    assert [element.text for element in root.iter("caption")] == ["T"]
    (heads,) = ([cell.text for cell in row] for row in root.iter("tr"))
    assert heads == ["a", "b"]


def test_details_without_charts_have_their_summary_alone():
    root = xml(details("s", chart_grid([])))
    assert root.tag == "details"
    assert [(element.tag, element.text or "") for element in root] == [
        ("summary", "s"),
        ("div", ""),
    ]
    assert len(root[1]) == 0


def parsed(svg: str) -> ET.Element:
    root = xml(svg.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1))
    names = root.get("aria-labelledby").split()
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert ids == names
    assert root.find(f"{SVG}title").text
    width, height = map(float, root.get("viewBox").split()[2:])
    for element in root.iter(f"{SVG}text"):
        assert 0 <= float(element.get("x")) <= width
        assert -20 <= float(element.get("y")) <= height
    return root


@given(st.dictionaries(st.floats(0, 1e6), st.integers(1, 1000), min_size=1, max_size=30))
def test_a_histogram_counts_every_value_once_whatever_their_range(counts):
    root = parsed(histogram("h", "Title", counts, "x, px", "n"))
    heights = [
        int(bar[0].text.rpartition(": ")[2].replace(",", "")) for bar in root.iter(f"{SVG}rect")
    ]
    assert sum(heights) == sum(counts.values())
    assert len(heights) <= 60


def test_a_value_on_an_edge_is_in_the_bin_that_it_begins():
    root = parsed(histogram("h", "T", {0: 1, 100: 2, 200: 3, 1200: 4}, "x", "n"))
    titles = [bar[0].text for bar in root.iter(f"{SVG}rect")]
    assert titles[:3] == ["0 to 100: 1", "100 to 200: 2", "200 to 300: 3"]
    assert titles[-1] == "1,200 to 1,300: 4"


@pytest.mark.parametrize("name", HOSTILE)
def test_charts_escape_every_name(name):
    axes = (Axis(name, 0, 1, [0, 1]), Axis(name, 1, 10, [1, 10], log=True))
    points = np.array([[0.0, 1.0], [1.0, 10.0]])
    for svg in (
        bars("b", name, [(name, 1.0, name), (name, 0.0, name)]),
        histogram("h", name, {1: 1}, name, name),
        lines("l", name, name, axes, [Series(name, "patches", points, points + 1)]),
        scatter("s", name, (name, name), {"patches": points}),
        swatches("w", name, np.array([[1.0, 2, 3]])),
    ):
        root = parsed(svg)
        assert root.find(f"{SVG}title").text == escape_unprintable(name)
        assert {e.tag for e in root.iter()} <= {f"{SVG}{t}" for t in (
            "svg", "title", "desc", "g", "text", "rect", "line", "path")}  # fmt: skip


def test_the_heat_map_shows_each_cell_with_what_is_expected():
    observed = np.array([[0, 10], [20, 50]])
    found = HeatMap(observed, np.full((2, 2), 20.0), 70.0, 3, 0.0)
    cells = [c for c in parsed(heat_map("m", "T", found)).iter(f"{SVG}rect") if len(c)]
    assert [float(cell.get("fill-opacity")) for cell in cells] == [0, 0.25, 0.5, 1]
    assert cells[3][0].text == "50 found, 20.0 expected"


@given(st.floats(1e-9, 1e12))
def test_steps_are_round_and_just_above(least):
    step = nice_step(least)
    assert least * (1 - 1e-9) <= step <= least * 10
    assert f"{step:.0e}"[0] in "125"


@given(st.floats(0, 1e12), st.booleans())
def test_an_axis_from_zero_holds_the_greatest_value(most, integers):
    axis = axis_from_zero("n", most, integers=integers)
    assert axis.low == axis.ticks[0] == 0
    assert axis.high == pytest.approx(axis.ticks[-1])
    assert axis.high >= most * (1 - 1e-6)
    assert 2 <= len(axis.ticks) <= 6


def test_a_logarithmic_axis_is_even_in_factors():
    axis = Axis("f", 0.01, 1, [0.01, 0.1, 1], log=True)
    assert axis.share(0.1) == pytest.approx(0.5)
    plot = Plot("p", "T", "d", axis, axis)
    (left, bottom), (x, y), (right, top) = (plot.place(v, v) for v in (0.01, 0.1, 1))
    assert left < x < right
    assert top < y < bottom
    assert x - left == pytest.approx(right - x, abs=0.2)


@pytest.mark.parametrize(
    ("value", "written"),
    [(0, "0"), (0.05, "0.05"), (250, "250"), (1500, "1,500"), (2e6, "2M"), (-3, "-3")],
)
def test_numbers_are_written_as_people_do(value, written):
    assert number_text(value) == written
