"""`texgen eval`."""

from __future__ import annotations

from typing import Any

import click

from texgen.cli.evaluation import (
    accuracy_text,
    check_disjoint_splits,
    check_options,
    open_classifier,
    open_frozen_run,
    open_knn,
    open_labelled_split,
    paths_by_name,
    renamed_option,
    write_result,
)
from texgen.cli.options.common import place_option, quiet_option
from texgen.cli.options.from_config import (
    config_option,
    config_options,
    config_values,
    option_group,
)
from texgen.cli.options.param_types import Place
from texgen.cli.options.training import (
    classifier_options,
    neighbour_options,
    run_options,
    source_options,
    split_option,
    train_split_option,
)
from texgen.cli.progress import training_progress
from texgen.core.errors import ConfigError
from texgen.evaluate.config import LinearConfig
from texgen.evaluate.corruptions import ALEXNET, check_library
from texgen.evaluate.paper.published_results import table_for
from texgen.evaluate.results import make_result

_val_split_option = split_option("--val-split", "val", "to evaluate on")
_milestones_option = config_option(
    LinearConfig, "milestones", "--drop-at", "milestones", metavar="EPOCH"
)


@click.group(name="eval")
def command() -> None:
    """Evaluate the frozen encoder of a training run.

    RUN is the folder that texgen train wrote. Its last checkpoint is evaluated and never changed.
    """


@command.command(name="linear")
@source_options
@train_split_option
@_val_split_option
@option_group(*config_options(LinearConfig, {"milestones": _milestones_option}))
@quiet_option
@run_options
def linear_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Train a linear classifier on the frozen encoder's features.

    The defaults are the paper's for IN-100. For IN-1K use --lr 30 --batch-size 256 --epochs 100
    --drop-at 60 --drop-at 80. F.pt, beside F.json, holds the classifier after the last epoch.
    """
    check_options("eval linear", options)
    from texgen.evaluate.linear import train_linear

    config = LinearConfig(**config_values(LinearConfig, options))
    with (
        open_frozen_run(options) as run,
        training_progress(quiet=options["quiet"], unit="epoch") as on_epoch,
    ):
        check_disjoint_splits(run, options)
        train = open_labelled_split(run, options, "train_split")
        val = open_labelled_split(run, options, "val_split")
        classifier, accuracies = train_linear(run, train, val, config, on_epoch)
    paper = table_for(classifier.classes)
    result = make_result("linear", run, {**accuracies, "paper": paper})
    last, best = accuracies["last"], accuracies["best"]
    summary = (
        f"top-1 {accuracy_text(last, 'top1')} after the last epoch, "
        f"{accuracy_text(best, 'top1')} after the best, {best['epoch']}"
    )
    write_result(options, result, summary, more={".pt": classifier.to_bytes()})


@command.command(name="knn")
@source_options
@train_split_option
@_val_split_option
@neighbour_options
@run_options
def knn_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Classify images by a vote of the nearest training images.

    No classifier is trained, so this is the fastest evaluation.
    """
    check_options("eval knn", options)
    from texgen.evaluate.knn import evaluate_knn

    with open_frozen_run(options) as run:
        check_disjoint_splits(run, options)
        val = open_labelled_split(run, options, "val_split")
        result = make_result("knn", run, evaluate_knn(run, open_knn(run, options), val))
    summary = f"top-1 {accuracy_text(result, 'top1')} of {result['images']} images"
    write_result(options, result, summary)


@command.command(name="ood")
@classifier_options
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="NAME=DIR",
    help="Class folders of another domain, under a name; may be given several times.",
)
@click.option(
    "--mapping",
    "mappings",
    multiple=True,
    metavar="NAME=F.csv",
    help="CSV file with lines 'class of the set,class of the classifier' for the set of this "
    "name.  [default: the same names]",
)
@click.option(
    "--val-split",
    help="Split of SRC to evaluate beside the sets.  [default: none; with --corrupt: val]",
)
@place_option(
    "--corrupted", "DIR", "Folder of ImageNet-C, with images in corruption/severity/class."
)
@click.option(
    "--corrupt",
    is_flag=True,
    help="Corrupt the images of SRC's --val-split instead of reading --corrupted; needs pip "
    "install imagecorruptions-imaug.",
)
@click.option(
    "--corruption",
    "corruptions",
    type=click.Choice(tuple(ALEXNET)),
    multiple=True,
    metavar="NAME",
    help=f"Corruption to evaluate, of {', '.join(ALEXNET)}; may be given several times.  "
    f"[default: all {len(ALEXNET)}]",
)
@run_options
def ood_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Evaluate a classifier on other domains.

    Domains are ImageNet-R, ImageNet-Sketch, Stylized-ImageNet, ImageNet-C or any folder of class
    folders. Only classes that a domain shares with the classifier are possible answers, such as 19
    of IN-100's for ImageNet-R.
    """
    check_options("eval ood", options)
    from texgen.evaluate.ood import evaluate_corrupted, evaluate_domain

    folders, mappings = _check_domains(options)
    with open_frozen_run(options) as run:
        domains = _open_domains(run, options, folders, mappings)
        corrupted = _corrupted_source(run, options)
        classifier = open_classifier(run, options)
        sets = {domain.name: evaluate_domain(run, classifier, domain) for domain in domains}
        result: dict[str, Any] = {"classifier": classifier.name, "sets": sets, "corrupted": None}
        if corrupted is not None:
            names = tuple(dict.fromkeys(options["corruptions"])) or tuple(ALEXNET)
            result["corrupted"] = evaluate_corrupted(run, classifier, corrupted, names)
    result["paper"] = table_for(classifier.classes)
    summary = [f"{name} {accuracy_text(one)}{_left_out_text(one)}" for name, one in sets.items()]
    if result["corrupted"]:
        summary.append(f"corrupted {result['corrupted']['mean']:.1f} %")
    write_result(options, make_result("ood", run, result), ", ".join(summary))


def _check_domains(options: dict[str, Any]) -> tuple[dict[str, str], dict[str, str]]:
    """Returns the folders of ``--set`` and the files of ``--mapping`` by name, checked."""
    folders = paths_by_name("--set", options["sets"], Place())
    mappings = paths_by_name("--mapping", options["mappings"], Place(utf8=False))
    for name, path in mappings.items():
        if name not in folders:
            raise ConfigError(f"--mapping {name}={path}: no --set is called {name}")
    if not (folders or options["corrupted"] or options["corrupt"]):
        raise ConfigError("name what to evaluate on: --set NAME=DIR, --corrupted DIR or --corrupt")
    if options["corruptions"] and not (options["corrupted"] or options["corrupt"]):
        raise ConfigError("--corruption needs images: add --corrupted DIR or --corrupt")
    return folders, mappings


def _left_out_text(result: dict[str, Any]) -> str:
    """Returns how many images were left out, which reveals a misspelt class of a mapping."""
    if not result["left_out"]:
        return ""
    return f" ({result['left_out']} of {result['left_out'] + result['images']} left out)"


def _open_domains(
    run: Any,  # noqa: ANN401 - a TrainedRun, whose module is loaded later
    options: dict[str, Any],
    folders: dict[str, str],
    mappings: dict[str, str],
) -> list[Any]:
    """Opens all sets, so that errors come before the first evaluation."""
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.features import open_folder
    from texgen.evaluate.ood import Domain

    domains = []
    if options["val_split"]:
        domains.append(Domain("val", open_labelled_split(run, options, "val_split")))
        if "val" in folders:
            raise ConfigError(f"--set val={folders['val']}: --val-split has this name; use another")
    for name, folder in folders.items():
        mapping = read_mapping(mappings[name]) if name in mappings else None
        with renamed_option("--src", "--set"):
            domains.append(Domain(name, open_folder(folder), mapping))
    return domains


def _corrupted_source(run: Any, options: dict[str, Any]) -> Any:  # noqa: ANN401 - see `_open_domains`
    """Returns the folder of corrupted images, images to corrupt, or None."""
    if not options["corrupt"]:
        return options["corrupted"]
    if options["corrupted"]:
        raise ConfigError("--corrupt and --corrupted exclude each other; leave one out")
    check_library(run.config.size)
    return open_labelled_split(
        run, {**options, "val_split": options["val_split"] or "val"}, "val_split"
    )
