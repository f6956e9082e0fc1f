"""`texgen doctor`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict

import click

from texgen.cli.diagnosis import Diagnosis, diagnose
from texgen.cli.options.common import json_option
from texgen.cli.output import print_result
from texgen.core.text import pluralize


@click.command(name="doctor")
@json_option
def command(as_json: bool) -> None:
    """Show what texgen finds here, for a bug report: versions, engine, machine, settings.

    The command prints no credentials. Each GPU is started once, which takes some seconds. The
    command ends with 1 if something stands in the way of texgen's work.
    """
    diagnosis = diagnose()
    print_result(asdict(diagnosis), _lines(diagnosis), as_json=as_json)
    if diagnosis.problems:
        raise click.exceptions.Exit(1)


def _lines(diagnosis: Diagnosis) -> Iterator[str]:
    for section, facts in diagnosis.facts.items():
        if facts:
            yield section
            width = max(map(len, facts))
            yield from (f"  {name:{width}}  {value}" for name, value in facts.items())
    yield (
        "no problem found"
        if not diagnosis.problems
        else pluralize(len(diagnosis.problems), "problem")
    )
    yield from (f"  {problem}" for problem in diagnosis.problems)
