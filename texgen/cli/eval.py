"""`texgen eval`."""

from __future__ import annotations

from typing import Any

import click

from texgen.cli.bar import metrics_bar
from texgen.cli.extras import ABOVE_0, POSITIVE
from texgen.cli.options.common import Place
from texgen.cli.options.decorate import with_options
from texgen.cli.options.evaluation import (
    accuracy_words,
    begin,
    called,
    check_splits,
    classifier_options,
    finish,
    frozen_run,
    named,
    neighbour_options,
    open_classifier,
    photographs,
    run_options,
    source_options,
    train_split_option,
)
from texgen.core.errors import ConfigError
from texgen.evaluate.corruption_error import ALEXNET

_LINEAR = [
    click.option("--val-split", default="val", show_default=True, help="Split to evaluate on."),
    click.option("--lr", type=ABOVE_0, default=10.0, show_default=True, help="IN-1K: 30."),
    click.option("--batch-size", type=POSITIVE, default=128, show_default=True),
    click.option("--epochs", type=POSITIVE, default=60, show_default=True),
    click.option(
        "--drop-at",
        "milestones",
        type=click.IntRange(0),
        multiple=True,
        default=(30, 40, 50),
        show_default=True,
        metavar="EPOCH",
        help="Epochs after which the rate is a tenth.",
    ),
    click.option("--weight-decay", type=click.FloatRange(0), default=0.0, show_default=True),
    click.option("--momentum", type=click.FloatRange(0, 1), default=0.9, show_default=True),
    click.option(
        "--crop-scale",
        type=click.FloatRange(0, 1, min_open=True),
        nargs=2,
        default=(0.08, 1.0),
        show_default=True,
        help="Part of the area that a training view covers.",
    ),
    click.option(
        "--cached", is_flag=True, help="Train on one centre view an image: cheap, a bit worse."
    ),
    click.option("--seed", type=click.IntRange(0), default=0, show_default=True),
    click.option("--quiet", is_flag=True, help="No progress."),
]


@click.group(name="eval", short_help="classifiers on a frozen encoder; other domains")
def command() -> None:
    """What a trained encoder is worth. It stays as it is, which is checked."""


@command.command(name="linear")
@run_options
@source_options
@train_split_option
@lambda command: with_options(command, _LINEAR)
def linear(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Train a linear classifier on the features of RUN's last checkpoint.

    Defaults are the paper's for IN-100; for IN-1K: --lr 30 --batch-size 256 --epochs 100
    --drop-at 60 --drop-at 80. F.pt, beside F.json, holds the last epoch's classifier.
    """
    begin("eval linear", options)
    from texgen.evaluate.linear import LinearConfig, train_linear
    from texgen.evaluate.paper.published_results import table_for
    from texgen.evaluate.results import make_result

    names = ("lr", "batch_size", "epochs", "milestones", "weight_decay", "momentum")
    config = LinearConfig(**{n: options[n] for n in (*names, "crop_scale", "cached", "seed")})
    with frozen_run(options) as run, metrics_bar(quiet=options["quiet"], unit="epoch") as tell:
        check_splits(run, options)
        train = photographs(run, options, "train_split")
        val = photographs(run, options, "val_split")
        classifier, found = train_linear(run, train, val, config, tell)
    result = make_result("linear", run, {**found, "paper": table_for(classifier.classes)})
    last, best = found["last"], found["best"]
    words = (
        f"top-1 {accuracy_words(last, 'top1')} after the last epoch, "
        f"{accuracy_words(best, 'top1')} after the best, {best['epoch']}"
    )
    finish(options, result, words, more={".pt": classifier.to_bytes()})


@command.command(name="knn")
@run_options
@source_options
@train_split_option
@click.option("--val-split", default="val", show_default=True, help="Split to evaluate on.")
@neighbour_options
def knn(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Let the nearest training photographs vote."""
    begin("eval knn", options)
    from texgen.evaluate.knn import KnnClassifier, evaluate_knn
    from texgen.evaluate.results import make_result

    with frozen_run(options) as run:
        check_splits(run, options)
        val = photographs(run, options, "val_split")
        train = photographs(run, options, "train_split")
        classifier = KnnClassifier(run, train, options["k"], options["temperature"])
        result = make_result("knn", run, evaluate_knn(run, classifier, val))
    finish(options, result, f"top-1 {accuracy_words(result, 'top1')} of {result['images']} images")


@command.command(name="ood")
@run_options
@classifier_options
@click.option(
    "--set", "sets", multiple=True, metavar="NAME=DIR", help="Class folders of another domain."
)
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    metavar="NAME=F.csv",
    help="A set's classes: lines of 'its class,our class'.  [default: the same names]",
)
@click.option("--val-split", help="A split of SRC to show beside the sets.")
@click.option(
    "--corrupted", type=Place(), metavar="DIR", help="ImageNet-C: corruption/severity/class."
)
@click.option(
    "--corrupt",
    is_flag=True,
    help="Corrupt SRC's --val-split here instead (pip install imagecorruptions-imaug).",
)
@click.option(
    "--corruption",
    "corruptions",
    type=click.Choice(tuple(ALEXNET)),
    multiple=True,
    help="Only this one; may be given several times.  [default: all 15]",
)
def ood(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Evaluate on other domains: -R, -Sketch, Stylized, -C, any folder of classes.

    Only classes in common with the classifier's are answers (19 of IN-100's for ImageNet-R).
    """
    begin("eval ood", options)
    from texgen.evaluate.ood import evaluate_domain
    from texgen.evaluate.paper.published_results import table_for
    from texgen.evaluate.results import make_result

    folders, mappings = named("--set", options["sets"]), named("--mapping", options["mappings"])
    if unknown := [name for name in mappings if name not in folders]:
        name = unknown[0]
        message = f"--mapping {name}={mappings[name]}: no --set is called {name}"
        raise ConfigError(message)
    if not (folders or options["corrupted"] or options["corrupt"]):
        raise ConfigError("name what to evaluate on: --set NAME=DIR, --corrupted DIR, --corrupt")
    if options["corruptions"] and not (options["corrupted"] or options["corrupt"]):
        raise ConfigError("--corruption: of what? add --corrupted DIR, or --corrupt")
    with frozen_run(options) as run:
        domains = _domains(run, options, folders, mappings)
        corrupted = _corrupted_source(run, options)
        classifier = open_classifier(run, options)
        sets = {one.name: evaluate_domain(run, classifier, one) for one in domains}
        found: dict[str, Any] = {"classifier": classifier.name, "sets": sets, "corrupted": None}
        if corrupted is not None:
            found["corrupted"] = _evaluate_corrupted(run, classifier, corrupted, options)
    found["paper"] = table_for(classifier.classes)
    words = [f"{name} {accuracy_words(one)}{_left_out(one)}" for name, one in sets.items()]
    if found["corrupted"]:
        words.append(f"corrupted {found['corrupted']['mean']:.1f} %")
    finish(options, make_result("ood", run, found), ", ".join(words))


def _left_out(found: dict[str, Any]) -> str:
    """A class that was misspelt in a mapping shows here."""
    if not found["left_out"]:
        return ""
    return f" ({found['left_out']} of {found['left_out'] + found['images']} left out)"


def _domains(
    run: Any,  # noqa: ANN401 - a Run, whose module is loaded later
    options: dict[str, Any],
    folders: dict[str, str],
    mappings: dict[str, str],
) -> list[Any]:
    """The sets, all opened before any is evaluated."""
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.images import open_folder
    from texgen.evaluate.ood import Domain

    domains = []
    if options["val_split"]:
        domains.append(Domain("val", photographs(run, options, "val_split")))
        if "val" in folders:
            message = f"--set val={folders['val']}: --val-split has that name; take another"
            raise ConfigError(message)
    for name, folder in folders.items():
        mapping = read_mapping(mappings[name]) if name in mappings else None
        with called("--src", "--set"):
            domains.append(Domain(name, open_folder(folder), mapping))
    return domains


def _corrupted_source(run: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - see `_domains`
    """A folder, photographs to corrupt, or None."""
    from texgen.evaluate.corruptions import check_library

    if not options["corrupt"]:
        return options["corrupted"]
    if options["corrupted"]:
        raise ConfigError("--corrupt and --corrupted: keep one")
    check_library(run.config.size)
    return photographs(run, {**options, "val_split": options["val_split"] or "val"}, "val_split")


def _evaluate_corrupted(run: Any, classifier: Any, source: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - see `_domains`
    from texgen.evaluate.ood import evaluate_corrupted

    names = tuple(dict.fromkeys(options["corruptions"])) or tuple(ALEXNET)
    return evaluate_corrupted(run, classifier, source, names)
