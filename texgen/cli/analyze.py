"""`texgen analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from texgen.cli.evaluation import (
    accuracy_text,
    check_options,
    image_source,
    open_classifier,
    open_frozen_run,
    open_labelled_split,
    renamed_option,
    source_errors,
    write_result,
)
from texgen.cli.options.common import html_option, place_option
from texgen.cli.options.from_config import config_option
from texgen.cli.options.param_types import Place
from texgen.cli.options.training import (
    check_train_extra,
    classifier_options,
    out_options,
    run_options,
    source_options,
    split_option,
)
from texgen.cli.output import check_target, print_lines, write_file
from texgen.core.text import format_bytes, pluralize
from texgen.evaluate.config import SimilarityConfig
from texgen.evaluate.paper.sweeps import METRICS, summarize_sweep
from texgen.evaluate.results import find_results, make_result, read_result


@click.group(name="analyze")
def command() -> None:
    """Measure what the paper's figures show, for your encoders.

    RUN is the folder that texgen train wrote. Results appear beside the paper's numbers.
    """


@command.command(name="similarity")
@source_options
@split_option("--split", "train", "to draw images from")
@place_option(
    "--textures",
    None,
    "OUT of a finished texgen build of these images: a folder or URL.  [default: the run's]",
)
@click.option(
    "--textures-split", help="Split of --textures, if its name differs.  [default: same as --split]"
)
@config_option(SimilarityConfig, "images")
@config_option(SimilarityConfig, "batch", "--batch-size", default=None)
@config_option(SimilarityConfig, "patch_range", default=None)
@config_option(SimilarityConfig, "seed")
@run_options
def similarity_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Measure cosines between embeddings.

    They are those of an image to its second view, to other images, and to patch and texture
    negatives (Figs. 2 and 3).
    """
    check_options("analyze similarity", options)
    from texgen.evaluate.paper.similarity import measure_similarity
    from texgen.evaluate.run import open_run
    from texgen.train.images import open_images
    from texgen.train.negatives import open_textures

    run = open_run(options["place"], options["device"], options["workers"], head=True)
    src, how_read = image_source(run, options)
    split = options["split"]
    textures = options["textures"] or run.config.textures
    store = open_textures(textures, options["textures_split"] or split) if textures else None
    config = SimilarityConfig(
        options["images"],
        options["batch_size"] or run.config.batch_size // run.config.accumulate,
        options["patch_range"] or run.config.patch_range,
        options["seed"],
    )
    with source_errors(options, "split"):
        images = open_images(src, split, how_read)
    measured = measure_similarity(run, images, store, config)
    cosines = measured["eval"]["cosines"]
    summary = ", ".join(
        f"{name} {one['mean']:.3f} ± {one['se']:.3f}" for name, one in cosines.items()
    )
    result = make_result("similarity", run, {"split": split, "seed": options["seed"], **measured})
    write_result(options, result, f"cosines (eval mode): {summary}")


@command.command(name="shape-bias")
@classifier_options
@place_option(
    "--stimuli",
    "DIR",
    "Folder with a folder for each shape, whose images are named like cat7-clock2.png.",
    required=True,
)
@place_option(
    "--mapping",
    "F.csv",
    "CSV file with lines 'category,class of the classifier'.  [default: the same names]",
    utf8=False,
)
@run_options
def shape_bias_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Count decisions for shape and for texture.

    The images combine the shape of one class with the texture of another (Geirhos et al. 2019).
    """
    check_options("analyze shape-bias", options)
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.features import open_folder
    from texgen.evaluate.paper.bias import measure_shape_bias

    mapping = read_mapping(options["mapping"]) if options["mapping"] else None
    with open_frozen_run(options) as run:
        with renamed_option("--src", "--stimuli"):
            stimuli = open_folder(options["stimuli"])
        counts = measure_shape_bias(run, open_classifier(run, options), stimuli, mapping)
    share = "none" if counts["shape_bias"] is None else accuracy_text(counts, "shape_bias")
    summary = (
        f"shape bias {share}: {counts['shape']} for shape, {counts['texture']} for texture, "
        f"{counts['other']} for neither"
    )
    write_result(options, make_result("shape-bias", run, counts), summary)


@command.command(name="texture-accuracy")
@classifier_options
@place_option(
    "--textures",
    None,
    "OUT of a finished texgen build, with labels: a folder or URL.",
    required=True,
)
@click.option("--textures-split", default="val", help="Split of --textures.")
@place_option(
    "--beside",
    "F.json",
    "Result of this command for another run, to draw in the same plot; may be given several times.",
    utf8=False,
    multiple=True,
)
@run_options
def texture_accuracy_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Measure the accuracy of each class on textures.

    The plot is that of Fig. 7.
    """
    check_options("analyze texture-accuracy", options)
    from texgen.evaluate.features import TextureImages, with_labels
    from texgen.evaluate.paper.bias import measure_texture_accuracy

    beside = [read_result(Path(path), "texture-accuracy") for path in options["beside"]]
    with open_frozen_run(options) as run:
        location, split = options["textures"], options["textures_split"]
        textures = with_labels(f"{location} ({split})", TextureImages(location, split))
        accuracies = measure_texture_accuracy(run, open_classifier(run, options), textures)
    summary = f"textures {accuracy_text(accuracies)} (chance {accuracies['chance']:.1f} %)"
    result = make_result("texture-accuracy", run, accuracies)
    write_result(options, result, summary, beside=beside)


@command.command(name="fine-coarse")
@classifier_options
@split_option("--split", "val", "to evaluate on")
@place_option(
    "--mapping",
    "F.csv",
    "CSV file with lines 'class,coarse class'.  [default: ImageNet's dogs]",
    utf8=False,
)
@run_options
def fine_coarse_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Measure the accuracy of classes and of coarse classes.

    A coarse class joins several classes, such as all dogs. An answer that is wrong about the class
    may be right about the coarse class (Fig. 6d).
    """
    check_options("analyze fine-coarse", options)
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.paper.bias import dogs, measure_fine_coarse

    given = read_mapping(options["mapping"]) if options["mapping"] else None
    with open_frozen_run(options) as run:
        images = open_labelled_split(run, options, "split")
        classifier = open_classifier(run, options)
        mapping = dogs(classifier.classes) if given is None else given
        accuracies = measure_fine_coarse(run, classifier, images, mapping)
    summary = ", ".join(f"{kind} {accuracy_text(accuracies[kind])}" for kind in ("fine", "coarse"))
    write_result(options, make_result("fine-coarse", run, accuracies), summary)


@command.command(name="sweep")
@click.argument("places", type=Place(utf8=False), nargs=-1, required=True, metavar="RESULTS…")
@click.option(
    "--over",
    type=click.Choice(["alpha", "queue-size"]),
    default="alpha",
    help="Option of texgen train on the horizontal axis.",
)
@click.option(
    "--metric",
    "metrics",
    type=click.Choice(tuple(METRICS)),
    multiple=True,
    default=("linear",),
    metavar="NAME",
    help=f"Metric to draw, of {', '.join(METRICS)}; may be given several times, for a panel each.",
)
@out_options
def sweep_command(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Plot metrics of runs over alpha or the queue's size.

    These are the plots of Figs. 4 to 6. RESULTS are JSON files of texgen eval and texgen analyze,
    or folders that hold them. Runs that differ only in their seed are averaged.
    """
    check_options("analyze sweep", options)

    results = list(find_results(options["places"]).values())
    over = options["over"].replace("-", "_")
    result = summarize_sweep(results, over, options["metrics"])
    series = sum(len(one) for one in result["metrics"].values())
    note = f" (they also differ in {', '.join(result['differ'])})" if result["differ"] else ""
    write_result(options, result, f"{pluralize(series, 'line')} over {options['over']}{note}")


@command.command(name="report")
@click.argument("folder", type=Place(utf8=False), metavar="DIR")
@html_option
def report_command(folder: str, html: str) -> None:
    """Write all results below DIR on one HTML page.

    The page holds their plots too, and needs no other files and no network.
    """
    check_train_extra("analyze report", "matplotlib")
    target = Path(html)
    check_target("--html", target, [".html", ".htm"])
    from texgen.evaluate.paper.page import render_results

    results = find_results([folder])
    page = render_results(results).encode()
    write_file(target, page)
    print_lines(f"{pluralize(len(results), 'result')}, {format_bytes(len(page))}: {html}")
