"""What the commands of `texgen eval` and `texgen analyze` share."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texgen.cli.extras import ABOVE_0, POSITIVE, device_option, need_train_extra, workers_option
from texgen.cli.options.common import Place
from texgen.cli.options.decorate import Command, with_options
from texgen.cli.options.source import CHOICE_OPTIONS, chosen
from texgen.cli.output import print_json, print_result
from texgen.cli.output_files import check_not_read, check_target, write_file
from texgen.core.errors import ConfigError

if TYPE_CHECKING:
    from texgen.evaluate.images import LabelledImages
    from texgen.evaluate.knn import Classifier
    from texgen.evaluate.run import TrainedRun

_RUN = [
    click.argument("place", type=Place(), metavar="RUN"),
    device_option,
    workers_option,
]
_OUT = [
    click.option(
        "--out", type=Place(utf8=False), required=True, metavar="F.json", help="And F.png, F.pdf."
    ),
    click.option("--json", "as_json", is_flag=True, help="Print the result as JSON."),
]
_NEIGHBOURS = [
    click.option("--k", type=POSITIVE, default=200, show_default=True, help="Neighbours."),
    click.option(
        "--temperature", type=ABOVE_0, default=0.1, show_default=True, help="Of their votes."
    ),
]
_SRC = [
    click.option("--src", type=Place(), help="Photographs.  [default: the run's]"),
    click.option("--src-format", help="See texgen build; found by looking."),
    *CHOICE_OPTIONS,
]
_TRAIN = click.option(
    "--train-split", default="train", show_default=True, help="Split of SRC to learn from."
)
_CLASSIFIER = [
    click.option(
        "--linear", type=Place(utf8=False), metavar="F.json", help="Written by texgen eval linear."
    ),
    click.option("--knn", is_flag=True, help="Neighbours in SRC's --train-split."),
    *_NEIGHBOURS,
    *_SRC,
    _TRAIN,
]


def run_options(command: Command) -> Command:
    """RUN, ``--device``, ``--workers``, ``--out`` and ``--json``."""
    return with_options(command, [*_RUN, *_OUT])


def out_options(command: Command) -> Command:
    """``--out`` and ``--json``."""
    return with_options(command, _OUT)


def source_options(command: Command) -> Command:
    """``--src`` and how it is read."""
    return with_options(command, _SRC)


def train_split_option(command: Command) -> Command:
    """``--train-split``."""
    return with_options(command, [_TRAIN])


def neighbour_options(command: Command) -> Command:
    """``--k`` and ``--temperature``."""
    return with_options(command, _NEIGHBOURS)


def classifier_options(command: Command) -> Command:
    """``--linear`` or ``--knn``, and what the latter takes."""
    return with_options(command, _CLASSIFIER)


def begin(command: str, options: Mapping[str, Any]) -> None:
    """Checks what can be checked before any work.

    Raises:
        ConfigError: If the extra is missing, it is one of several ranks, OUT cannot be written, or
            not one classifier is named.
    """
    need_train_extra(command, "matplotlib")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        message = f"texgen {command} is one process; start it without torchrun"
        raise ConfigError(message)
    out = Path(options["out"])
    apart = {f"--{name}": options.get(name) for name in ("src", "textures")}
    check_target("--out", out, [".json"], apart)
    check_not_read("--out", out, _named_in(options))
    if out.exists():
        _check_result(out)
    if "knn" in options and options["knn"] == (options["linear"] is not None):
        raise ConfigError("name one classifier: --linear F.json (texgen eval linear) or --knn")


def _check_result(out: Path) -> None:
    """Checks that what lies in the way is no index, no run's config, nor anything else's."""
    from texgen.evaluate.results import read_result

    try:
        read_result(out)
    except ConfigError as error:
        message = f"--out {out} is there, and no result of texgen eval or analyze; name another"
        raise ConfigError(message) from error


def _named_in(options: Mapping[str, Any]) -> Iterator[str]:
    """What options other than ``--out`` say, as paths or as ``NAME=PATH``."""
    for name, value in options.items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if name != "out" and isinstance(text, str):
                yield from (text, text.partition("=")[2])


@contextlib.contextmanager
def frozen_run(options: Mapping[str, Any]) -> Iterator[TrainedRun]:
    """A run's encoder without its head, which is checked to be unchanged at the end.

    Raises:
        ConfigError: If there is no checkpoint.
        ChangedEncoderError: If it was changed.
        LoaderError: If the processes that load images met a limit of the machine.
    """
    from texgen.evaluate.run import check_unchanged, open_run
    from texgen.train.loader_errors import loader_failures

    run = open_run(options["place"], options["device"], options["workers"])
    with check_unchanged(run.encoder), loader_failures():
        yield run


def check_splits(run: TrainedRun, options: Mapping[str, Any]) -> None:
    """Checks that a classifier is not judged by what it has seen.

    Raises:
        ConfigError: If both splits are the same photographs.
    """
    from texgen.train.images import has_splits

    train, val = options["train_split"], options["val_split"]
    if train == val:
        message = f"--train-split and --val-split are both {train}: name two"
        raise ConfigError(message)
    location, how = place_of_photographs(run, options)
    with asked_for(options, "train_split"):
        apart = has_splits(location, how)
    if not apart:
        message = (
            f"--src {location} has no {train} and {val} in it, and would be both: name a folder "
            "of splits, and them by --train-split and --val-split"
        )
        raise ConfigError(message)


def photographs(run: TrainedRun, options: Mapping[str, Any], split: str) -> LabelledImages:
    """The photographs with a class of a split of ``--src``, by default the run's.

    Args:
        run: That is evaluated.
        options: Of the command.
        split: The option among them that names the split, such as ``val_split``.

    Raises:
        ConfigError: If there are none.
    """
    from texgen.evaluate.images import open_labelled

    location, how = place_of_photographs(run, options)
    with asked_for(options, split):
        return open_labelled(location, options[split], how)


@contextlib.contextmanager
def asked_for(options: Mapping[str, Any], split: str) -> Iterator[None]:
    """Errors of a source, in terms of the options that this command has.

    Args:
        options: Of the command.
        split: The option that stands for ``--split``.
    """
    with called("--split", f"--{split.replace('_', '-')}"):
        try:
            yield
        except ConfigError as error:
            if options["src"] is not None or not str(error).startswith("--src "):
                raise
            message = f"{error}; the run was trained there, and --src says where that is now"
            raise ConfigError(message) from error


@contextlib.contextmanager
def called(own: str, here: str) -> Iterator[None]:
    """Errors that begin with the option ``own`` begin with ``here``, which was given."""
    try:
        yield
    except ConfigError as error:
        if not str(error).startswith(f"{own} "):
            raise
        raise ConfigError(here + str(error).removeprefix(own)) from error


def place_of_photographs(run: TrainedRun, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """``--src`` and how it is read, by default the run's."""
    if options["src"] is None:
        return run.config.src, run.config.how_read
    return options["src"], {"format": options["src_format"], **chosen(options)}


def open_classifier(run: TrainedRun, options: Mapping[str, Any]) -> Classifier:
    """The classifier that `classifier_options` name.

    Raises:
        ConfigError: If there is none, or it does not belong to the run.
    """
    from texgen.evaluate.knn import KnnClassifier
    from texgen.evaluate.linear import load_linear

    if options["linear"] is not None:
        return load_linear(options["linear"], run)
    train = photographs(run, options, "train_split")
    return KnnClassifier(run, train, options["k"], options["temperature"])


def named(option: str, given: Sequence[str]) -> dict[str, str]:
    """``NAME=PATH``, given several times.

    Raises:
        ConfigError: If one has no name or no path, or two have one name.
    """
    found: dict[str, str] = {}
    for one in given:
        name, _, path = one.partition("=")
        if not name or not path:
            message = f"{option} {one}: expected NAME=PATH, such as sketch=imagenet-sketch/"
            raise ConfigError(message)
        if name in found:
            message = f"{option} {one}: {name} is named twice"
            raise ConfigError(message)
        found[name] = path
    return found


def finish(
    options: Mapping[str, Any],
    result: dict[str, Any],
    words: str,
    *,
    more: Mapping[str, bytes] | None = None,
    beside: Sequence[dict[str, Any]] = (),
) -> None:
    """Writes a result and its plot, and prints what was found.

    Args:
        options: Of the command: ``out``, ``as_json``.
        result: What is written as JSON.
        words: What people are told.
        more: Further files by suffix.
        beside: Other runs' results that are drawn too.

    Raises:
        StorageError: If a file cannot be written.
    """
    from texgen.evaluate.paper.plots import draw
    from texgen.evaluate.results import to_json

    out = Path(options["out"])
    for suffix, data in {**(more or {}), **draw(result, beside)}.items():
        write_file(out.with_suffix(suffix), data)
    # Last: a result that is there has its plot.
    write_file(out, to_json(result).encode())
    if options["as_json"]:
        print_json(json.dumps(result))
    else:
        print_result(f"{words}: {out}")


def accuracy_words(found: Mapping[str, Any], key: str = "accuracy") -> str:
    """``58.4 ± 3.2 %``."""
    return f"{found[key]:.1f} ± {found['se']:.1f} %"
