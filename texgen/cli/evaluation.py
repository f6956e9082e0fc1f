"""What the commands of `texgen eval` and `texgen analyze` do alike: open RUN, SRC and a classifier.

They import torch within functions, so that ``--help`` works without it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from texgen.cli.options.common import source_choices
from texgen.cli.options.from_config import config_values
from texgen.cli.options.param_types import Place
from texgen.cli.options.training import check_train_extra
from texgen.cli.output import check_not_read, check_target, print_result, write_file
from texgen.core.errors import ConfigError
from texgen.evaluate.config import KnnConfig
from texgen.evaluate.results import read_result, to_json
from texgen.train.images import has_splits
from texgen.train.loader_errors import loader_failures

if TYPE_CHECKING:
    from texgen.evaluate.classes import Classifier
    from texgen.evaluate.features import LabelledImages
    from texgen.evaluate.knn import KnnClassifier
    from texgen.evaluate.run import TrainedRun


def check_options(command: str, options: Mapping[str, Any]) -> None:
    """Checks everything that can be checked before any work is done.

    Raises:
        ConfigError: If the extra ``[train]`` is missing, this is one of several ranks, ``--out``
            cannot be written, or the options name no classifier or two.
    """
    check_train_extra(command, "matplotlib")
    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise ConfigError(f"texgen {command} runs in one process; start it without torchrun")
    out = Path(options["out"])
    apart = {f"--{name}": options.get(name) for name in ("src", "textures")}
    check_target("--out", out, [".json"], apart)
    check_not_read("--out", out, _paths_in(options))
    if out.exists():
        _check_result(out)
    if "knn" in options and options["knn"] == (options["linear"] is not None):
        raise ConfigError("name one classifier: --linear F.json (of texgen eval linear) or --knn")


def _check_result(out: Path) -> None:
    """Checks that an existing file is an earlier result, and not an index or a run's config."""
    try:
        read_result(out)
    except ConfigError as error:
        raise ConfigError(
            f"--out {out} exists and is not a result of texgen eval or analyze; name another file"
        ) from error


def _paths_in(options: Mapping[str, Any]) -> Iterator[str]:
    """Values of all options but ``--out``, and the paths in ``NAME=PATH``."""
    for name, value in options.items():
        for text in value if isinstance(value, (list, tuple)) else [value]:
            if name != "out" and isinstance(text, str):
                yield from (text, text.partition("=")[2])


@contextlib.contextmanager
def open_frozen_run(options: Mapping[str, Any]) -> Iterator[TrainedRun]:
    """Opens RUN's frozen encoder without its head.

    Raises:
        ConfigError: If RUN has no checkpoint.
        LoaderError: If the processes that load images reached a limit of the machine.
    """
    from texgen.evaluate.run import open_run

    run = open_run(options["place"], options["device"], options["workers"])
    with loader_failures():
        yield run


def check_disjoint_splits(run: TrainedRun, options: Mapping[str, Any]) -> None:
    """Checks that a classifier is not evaluated on the images that it was trained on.

    Raises:
        ConfigError: If both splits are the same images.
    """
    train, val = options["train_split"], options["val_split"]
    if train == val:
        raise ConfigError(f"--train-split and --val-split are both {train}; name two splits")
    location, how = image_source(run, options)
    with source_errors(options, "train_split"):
        disjoint = has_splits(location, how)
    if not disjoint:
        raise ConfigError(
            f"--src {location} has no splits {train} and {val}, so both would be all of its "
            "images: name a folder of splits, and its splits by --train-split and --val-split"
        )


def open_labelled_split(run: TrainedRun, options: Mapping[str, Any], split: str) -> LabelledImages:
    """Opens the labelled images of the split that an option such as ``val_split`` names.

    Raises:
        ConfigError: If the split has no labelled images.
    """
    from texgen.evaluate.features import open_labelled

    location, how = image_source(run, options)
    with source_errors(options, split):
        return open_labelled(location, options[split], how)


@contextlib.contextmanager
def source_errors(options: Mapping[str, Any], split: str) -> Iterator[None]:
    """Makes errors of a source name this command's options, ``split`` instead of ``--split``."""
    with renamed_option("--split", f"--{split.replace('_', '-')}"):
        try:
            yield
        except ConfigError as error:
            if options["src"] is not None or not str(error).startswith("--src "):
                raise
            raise ConfigError(
                f"{error}; the run was trained on it: name its present place with --src"
            ) from error


@contextlib.contextmanager
def renamed_option(name: str, here: str) -> Iterator[None]:
    """Makes errors that begin with the option ``name`` begin with ``here`` instead."""
    try:
        yield
    except ConfigError as error:
        if not str(error).startswith(f"{name} "):
            raise
        raise ConfigError(here + str(error).removeprefix(name)) from error


def image_source(run: TrainedRun, options: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """Returns ``--src`` and how it is read; without it, the source of the run."""
    if options["src"] is None:
        return run.config.src, run.config.how_read
    return options["src"], {"format": options["src_format"], **source_choices(options)}


def open_classifier(run: TrainedRun, options: Mapping[str, Any]) -> Classifier:
    """Opens the classifier that ``--linear`` or ``--knn`` names.

    Raises:
        ConfigError: If it cannot be opened, or belongs to another encoder.
    """
    from texgen.evaluate.linear import load_linear

    if options["linear"] is not None:
        return load_linear(options["linear"], run)
    return open_knn(run, options)


def open_knn(run: TrainedRun, options: Mapping[str, Any]) -> KnnClassifier:
    """Opens a classifier by the nearest neighbours in ``--train-split``."""
    from texgen.evaluate.knn import KnnClassifier

    train = open_labelled_split(run, options, "train_split")
    return KnnClassifier(run, train, KnnConfig(**config_values(KnnConfig, options)))


def paths_by_name(option: str, values: Sequence[str], place: Place) -> dict[str, str]:
    """Returns the paths, each a ``place``, of an option ``NAME=PATH`` given several times, by name.

    Raises:
        ConfigError: If a name or a path is missing or refused, or a name is given twice.
    """
    paths: dict[str, str] = {}
    for value in values:
        name, _, path = value.partition("=")
        if not name or not path:
            raise ConfigError(
                f"{option} {value}: expected NAME=PATH, such as sketch=imagenet-sketch/"
            )
        if name in paths:
            raise ConfigError(f"{option} {value}: the name {name} is given twice; use another")
        try:
            paths[name] = place.convert(path, None, None)
        except click.BadParameter as error:
            raise ConfigError(f"{option} {value}: {error.message}") from error
    return paths


def write_result(
    options: Mapping[str, Any],
    result: dict[str, Any],
    summary: str,
    *,
    more: Mapping[str, bytes] | None = None,
    beside: Sequence[dict[str, Any]] = (),
) -> None:
    """Writes a result and its plot, and prints it.

    Args:
        options: Options of the command: ``out`` and ``as_json``.
        result: Result that is written as JSON.
        summary: Line that is printed without ``--json``.
        more: Further files by suffix.
        beside: Results of other runs, which are drawn too.

    Raises:
        StorageError: If a file cannot be written.
    """
    from texgen.evaluate.paper.plots import draw

    out = Path(options["out"])
    for suffix, data in {**(more or {}), **draw(result, beside)}.items():
        write_file(out.with_suffix(suffix), data)
    # The result is written last, so that a result always has its plot.
    write_file(out, to_json(result).encode())
    print_result(result, [f"{summary}: {out}"], as_json=options["as_json"])


def accuracy_text(result: Mapping[str, Any], key: str = "accuracy") -> str:
    """Returns a share and its standard error, such as ``58.4 ± 3.2 %``."""
    return f"{result[key]:.1f} ± {result['se']:.1f} %"
