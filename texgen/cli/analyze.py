"""`texgen analyze`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from texgen.cli.extras import POSITIVE, need_train_extra
from texgen.cli.options.common import Place
from texgen.cli.options.evaluation import (
    accuracy_words,
    asked_for,
    begin,
    called,
    classifier_options,
    finish,
    frozen_run,
    open_classifier,
    out_options,
    photographs,
    place_of_photographs,
    run_options,
    source_options,
)
from texgen.cli.output import print_result
from texgen.cli.output_files import check_target, write_file
from texgen.core.text import format_bytes, pluralize
from texgen.evaluate.paper.sweeps import METRICS
from texgen.evaluate.paper.sweeps import sweep as measure_sweep


@click.group(name="analyze", short_help="similarities, biases, sweeps; one page of all")
def command() -> None:
    """The paper's figures, of encoders of one's own, beside its numbers."""


@command.command(name="similarity")
@run_options
@source_options
@click.option("--split", default="train", show_default=True, help="Split of SRC.")
@click.option(
    "--textures", type=Place(), help="A finished build of the photographs.  [default: the run's]"
)
@click.option("--textures-split", help="Its split, if it is called otherwise.")
@click.option("--images", type=click.IntRange(2), default=2048, show_default=True, help="At most.")
@click.option("--batch-size", type=click.IntRange(2), help="[default: the run's]")
@click.option(
    "--patch-range",
    type=POSITIVE,
    nargs=2,
    help="Least and greatest side of a patch, px.  [default: the run's]",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def similarity(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Cosines to a second view, other images, patch and texture negatives (Figs. 2, 3)."""
    begin("analyze similarity", options)
    from texgen.evaluate.paper.similarity import SimilarityConfig
    from texgen.evaluate.paper.similarity import similarity as measure
    from texgen.evaluate.results import make_result
    from texgen.evaluate.run import open_run
    from texgen.train.images import open_images
    from texgen.train.negatives import open_textures

    run = open_run(options["place"], options["device"], options["workers"], head=True)
    src, how = place_of_photographs(run, options)
    split = options["split"]
    textures = options["textures"] or run.config.textures
    store = open_textures(textures, options["textures_split"] or split) if textures else None
    config = SimilarityConfig(
        options["images"],
        options["batch_size"] or run.config.batch_size // run.config.accumulate,
        options["patch_range"] or run.config.patch_range,
        options["seed"],
    )
    with asked_for(options, "split"):
        images = open_images(src, split, how)
    found = measure(run, images, store, config)
    cosines = found["eval"]["cosines"]
    words = ", ".join(
        f"{name} {one['mean']:.3f} ± {one['se']:.3f}" for name, one in cosines.items()
    )
    result = make_result("similarity", run, {"split": split, "seed": options["seed"], **found})
    finish(options, result, f"cosines (eval mode): {words}")


@command.command(name="shape-bias")
@run_options
@classifier_options
@click.option(
    "--stimuli",
    type=Place(),
    required=True,
    metavar="DIR",
    help="Folders of a shape, with images called as cat7-clock2.png.",
)
@click.option(
    "--mapping",
    type=Place(utf8=False),
    metavar="F.csv",
    help="Lines of 'category,class'.  [default: the same names]",
)
def shape_bias(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Decisions for shape or texture where they are in conflict (Geirhos et al. 2019)."""
    begin("analyze shape-bias", options)
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.images import open_folder
    from texgen.evaluate.paper.bias import shape_bias as measure
    from texgen.evaluate.results import make_result

    mapping = read_mapping(options["mapping"]) if options["mapping"] else None
    with frozen_run(options) as run:
        with called("--src", "--stimuli"):
            stimuli = open_folder(options["stimuli"])
        found = measure(run, open_classifier(run, options), stimuli, mapping)
    share = "none" if found["shape_bias"] is None else accuracy_words(found, "shape_bias")
    words = f"shape bias {share}: {found['shape']} for shape, {found['texture']} for texture"
    finish(options, make_result("shape-bias", run, found), f"{words}, {found['other']} for neither")


@command.command(name="texture-accuracy")
@run_options
@classifier_options
@click.option("--textures", type=Place(), required=True, help="A finished texgen build.")
@click.option("--textures-split", default="val", show_default=True)
@click.option(
    "--beside",
    type=Place(utf8=False),
    multiple=True,
    metavar="F.json",
    help="Another run's result of this command, to draw too.",
)
def texture_accuracy(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Accuracy of each class on textures alone (Fig. 7)."""
    begin("analyze texture-accuracy", options)
    from texgen.evaluate.images import TextureImages, with_labels
    from texgen.evaluate.paper.bias import texture_accuracy as measure
    from texgen.evaluate.results import make_result, read_result

    beside = [read_result(Path(one), "texture-accuracy") for one in options["beside"]]
    with frozen_run(options) as run:
        location, split = options["textures"], options["textures_split"]
        textures = with_labels(f"{location} ({split})", TextureImages(location, split))
        found = measure(run, open_classifier(run, options), textures)
    words = f"textures {accuracy_words(found)} (chance {found['chance']:.1f} %)"
    finish(options, make_result("texture-accuracy", run, found), words, beside=beside)


@command.command(name="fine-coarse")
@run_options
@classifier_options
@click.option("--split", default="val", show_default=True, help="Split of SRC to evaluate on.")
@click.option(
    "--mapping",
    type=Place(utf8=False),
    metavar="F.csv",
    help="Lines of 'class,coarse class'.  [default: ImageNet's dogs]",
)
def fine_coarse(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Whether the fine class is right, or at least the coarse one (Fig. 6d)."""
    begin("analyze fine-coarse", options)
    from texgen.evaluate.classes import read_mapping
    from texgen.evaluate.paper.bias import dogs
    from texgen.evaluate.paper.bias import fine_coarse as measure
    from texgen.evaluate.results import make_result

    given = read_mapping(options["mapping"]) if options["mapping"] else None
    with frozen_run(options) as run:
        images = photographs(run, options, "split")
        classifier = open_classifier(run, options)
        mapping = dogs(classifier.classes) if given is None else given
        found = measure(run, classifier, images, mapping)
    words = ", ".join(f"{kind} {accuracy_words(found[kind])}" for kind in ("fine", "coarse"))
    finish(options, make_result("fine-coarse", run, found), words)


@command.command(name="sweep")
@click.argument("places", type=Place(utf8=False), nargs=-1, required=True, metavar="RESULTS…")
@click.option(
    "--over",
    type=click.Choice(["alpha", "queue-size"]),
    default="alpha",
    show_default=True,
    help="Option of texgen train that differs.",
)
@click.option(
    "--metric",
    "metrics",
    type=click.Choice(tuple(METRICS)),
    multiple=True,
    default=("linear",),
    show_default=True,
    help="A panel each; may be given several times.",
)
@out_options
def sweep(**options: Any) -> None:  # noqa: ANN401 - click checks them
    """Draw figures of many runs over alpha or the queue's size (Figs. 4 to 6).

    RESULTS are JSON of texgen eval and analyze, or folders of them. Seeds are averaged.
    """
    begin("analyze sweep", options)
    from texgen.evaluate.results import find_results

    results = list(find_results(options["places"]).values())
    over = options["over"].replace("-", "_")
    result = measure_sweep(results, over, options["metrics"])
    series = sum(len(one) for one in result["metrics"].values())
    note = f" (they also differ in {', '.join(result['differ'])})" if result["differ"] else ""
    finish(options, result, f"{pluralize(series, 'line')} over {options['over']}{note}")


@command.command(name="report")
@click.argument("folder", type=Place(utf8=False), metavar="DIR")
@click.option("--html", type=Place(utf8=False), required=True, metavar="F.html", help="The page.")
def report(folder: str, html: str) -> None:
    """Join all results and plots below DIR on one page that needs no network."""
    need_train_extra("analyze report", "matplotlib")
    target = Path(html)
    check_target("--html", target, [".html", ".htm"])
    from texgen.evaluate.paper.page import render
    from texgen.evaluate.results import find_results

    found = find_results([folder])
    page = render(found).encode()
    write_file(target, page)
    print_result(f"{pluralize(len(found), 'result')}, {format_bytes(len(page))}: {html}")
