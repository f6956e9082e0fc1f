from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from texgen.cli.options.common import (
    check_texture_size,
    engine_bin_option,
    engine_option,
    engine_spec,
    jpeg_quality,
)
from texgen.core.config import DEFAULT_ENGINE, ENGINES
from texgen.core.errors import ConfigError


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


def test_an_unknown_engine_is_refused_with_those_on_offer():
    result = CliRunner().invoke(shown, ["--engine", "quilt"])
    assert result.exit_code == 2
    assert all(name in result.output for name in ("quilt", *ENGINES))
    assert "stub" not in result.output


def test_help_offers_engines_for_users_alone():
    text = CliRunner().invoke(shown, ["--help"]).output
    assert f"[{'|'.join(ENGINES)}]" in text
    assert "stub" not in text


def test_the_stub_is_taken_where_it_is_not_offered():
    assert CliRunner().invoke(shown, ["--engine", "stub"]).output == "stub None\n"


def test_a_program_goes_with_the_engine_that_runs_it():
    assert engine_spec("embark-cli", "/opt/ts").engine_bin == "/opt/ts"
    with pytest.raises(ConfigError, match=r"--engine-bin .* --engine embark-cli, not with embark"):
        engine_spec("embark", "/opt/ts")


def test_a_size_beyond_an_engines_names_the_engine_that_makes_it():
    for engine, most in (("fast", 1024), ("embark", 4096), ("embark-cli", 4096)):
        check_texture_size(most, engine)
    with pytest.raises(ConfigError, match=r"--size 1025: --engine fast .* --engine embark .*4096"):
        check_texture_size(1025, "fast")


def test_quality_goes_with_jpeg_alone():
    assert [jpeg_quality(q, "jpg") for q in (None, 1, 100)] == [95, 1, 100]
    assert jpeg_quality(None, "png") is None
    with pytest.raises(ConfigError, match="--quality"):
        jpeg_quality(95, "webp")
