"""Options that are made from the fields of a config."""

from __future__ import annotations

from dataclasses import dataclass, field

import click
import pytest
from click.testing import CliRunner

from texgen.cli.options.from_config import config_option, config_options, option_group
from texgen.core.options import option


@dataclass(frozen=True)
class Config:
    src: str = field(metadata={"help": "Source."})
    count: int = option(3, "Number of things.", min=1, max=9)
    rate_s: float | None = option(None, "Time, seconds.", min=0, min_open=True)
    kind: str = option("a", "Kind.", choices=("a", "b"))
    sides: tuple[int, int] = option((1, 2), "Two sides, px.", min=1)
    epochs: tuple[int, ...] = option((4,), "Epochs.", min=0)
    fast: bool = option(False, "Be fast.")
    colour: bool = option(True, "Use colour.")
    internal: int = 5


@click.command(context_settings={"show_default": True})
@option_group(
    *config_options(Config, {"kind": config_option(Config, "kind", "--kind", "kind", default="b")})
)
def shown(**values: object) -> None:
    click.echo(sorted(values.items()))


def given(*arguments: str) -> str:
    return CliRunner().invoke(shown, arguments).output


def test_options_have_the_fields_defaults_except_those_that_are_replaced():
    expected = {
        "src": "x",
        "count": 3,
        "rate_s": None,
        "kind": "b",
        "sides": (1, 2),
        "epochs": (4,),
        "fast": False,
        "colour": True,
    }
    assert given("--src", "x") == f"{sorted(expected.items())}\n"


def test_options_have_the_fields_types():
    arguments = (
        "--src x --count 9 --rate-s 0.5 --sides 3 4 --epochs 5 --epochs 6 --fast --no-colour"
    )
    expected = {
        "src": "x",
        "count": 9,
        "rate_s": 0.5,
        "kind": "b",
        "sides": (3, 4),
        "epochs": (5, 6),
        "fast": True,
        "colour": False,
    }
    assert given(*arguments.split()) == f"{sorted(expected.items())}\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("", "Missing option '--src'"),
        ("--count 10", "10 is not in the range 1<=x<=9"),
        ("--rate-s 0", "0.0 is not in the range x>0"),
        ("--kind c", "'c' is not one of 'a', 'b'"),
        ("--sides 0 1", "0 is not in the range x>=1"),
        ("--internal 1", "No such option"),
    ],
)
def test_a_value_out_of_the_fields_range_is_refused(arguments, message):
    assert message in given(*arguments.split())


def test_help_shows_text_default_and_range_in_the_order_of_the_fields():
    text = " ".join(given("--help").split())
    flags = ["--src", "--count", "--rate-s", "--kind", "--sides", "--epochs", "--fast", "--colour"]
    assert sorted(flags, key=text.index) == flags
    assert "--count INTEGER RANGE Number of things. [default: 3; 1<=x<=9]" in text


def test_a_field_is_left_out_by_name():
    (only,) = config_options(
        Config, without=["src", "count", "rate_s", "kind", "sides", "epochs", "fast"]
    )
    assert (
        "--colour / --no-colour"
        in CliRunner().invoke(click.command()(only(lambda colour: None)), ["--help"]).output
    )
