from __future__ import annotations

import click
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from texgen.cli.options import Budget, engine_bin_option, engine_option
from texgen.config import DEFAULT_ENGINE


@given(st.integers(0, 10**9))
def test_a_number_is_a_number_of_images(number):
    found = Budget().convert(str(number), None, None)
    assert (type(found), found) == (int, number)


@pytest.mark.parametrize(
    ("text", "share"),
    [("1%", 0.01), ("0%", 0.0), ("100%", 1.0), ("0.5%", 0.005), (" 2% ", 0.02), ("250%", 1.0)],
)
def test_a_percentage_is_a_share_of_the_images(text, share):
    found = Budget().convert(text, None, None)
    assert isinstance(found, float)
    assert found == pytest.approx(share)


@pytest.mark.parametrize(
    "text", ["", "-1", "-1%", "1 %x", "1.5", "%", "many", "1e3", "nan%", "inf%", "1.%", "²", "0x10"]
)
def test_anything_else_is_refused_with_an_example(text):
    with pytest.raises(click.BadParameter, match="1%"):
        Budget().convert(text, None, None)


@click.command()
@engine_option
@engine_bin_option
def shown(engine: str, engine_bin: str | None) -> None:
    click.echo(f"{engine} {engine_bin}")


def test_the_default_engine_needs_no_option():
    assert CliRunner().invoke(shown, []).output == f"{DEFAULT_ENGINE} None\n"


def test_engine_and_program_are_handed_on():
    given_ = ["--engine", "embark-cli", "--engine-bin", "/opt/ts"]
    assert CliRunner().invoke(shown, given_).output == "embark-cli /opt/ts\n"


def test_an_unknown_engine_is_refused_by_name():
    result = CliRunner().invoke(shown, ["--engine", "quilt"])
    assert result.exit_code == 2
    assert "quilt" in result.output


def test_help_offers_engines_for_users_alone():
    text = CliRunner().invoke(shown, ["--help"]).output
    assert "embark-cli" in text
    assert "stub" not in text
