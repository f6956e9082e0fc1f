"""`texgen publish`."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from texgen.cli.options.common import out_argument, transfer_options, transfer_workers_option
from texgen.cli.options.from_config import Option, option_group
from texgen.cli.options.param_types import Name, Place
from texgen.cli.output import check_folder, print_result
from texgen.cli.progress import transfer_progress
from texgen.core.errors import ConfigError
from texgen.core.text import format_bytes, pluralize
from texgen.storage import Sink
from texgen.storage.hub.address import SCHEME as HUB_SCHEME
from texgen.storage.hub.address import check_web_url, parse_hub_url
from texgen.storage.s3.address import SCHEME, endpoint_from_environment, parse
from texgen.transfer import folder_of

_LICENSES = "hf.co/docs/hub/repositories-licenses"


def _card_options() -> Option:
    return option_group(
        click.option(
            "--license",
            type=Name(),
            metavar="ID",
            help="License of the textures for the data set card: an identifier as the Hub lists "
            f"them ({_LICENSES}), or other. Required for hf://.  [default: that of README.md at "
            "URL, if it is there]",
        ),
        click.option(
            "--license-name", type=Name(), help="Name of the license, if --license is other."
        ),
        click.option(
            "--license-link",
            type=Name(),
            metavar="URL",
            help="URL of its text, if --license is other.",
        ),
        click.option(
            "--replace-card",
            is_flag=True,
            help="Replace a README.md at URL that was edited; without it such a card is kept.",
        ),
    )


def _hub_options() -> Option:
    return option_group(
        click.option(
            "--private", is_flag=True, help="Create the repository as a private one; only hf://."
        ),
        click.option(
            "--gated",
            type=click.Choice(("auto", "manual")),
            help="Ask people to agree to the terms before they get files: auto lets everybody in "
            "who does, manual leaves that to you; only hf://.  [default: leave it as it is]",
        ),
    )


@click.command(name="publish")
@out_argument
@click.argument("url", type=Place(), metavar="URL")
@_card_options()
@_hub_options()
@transfer_workers_option("uploaded")
@transfer_options
def command(
    out: str,
    url: str,
    license: str | None,
    license_name: str | None,
    license_link: str | None,
    replace_card: bool,
    private: bool,
    gated: str | None,
    workers: int,
    s3_endpoint: str | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Upload the finished data set OUT to URL, for texgen download.

    URL is s3://bucket/prefix, hf://datasets/USER/NAME for the Hugging Face Hub, or a folder. Every
    file is checked against its SHA-256, and the index comes last. The same command resumes an
    interrupted upload. A data set card, README.md, is written too: what the data set is, how it
    was made and how it is loaded.
    """
    _check_places(out, url)
    from texgen.transfer.card import License
    from texgen.transfer.publish import PublishRequest

    request = PublishRequest(License(license, license_name, license_link), replace_card, workers)
    if url.startswith(HUB_SCHEME):
        _check_license(license)
    elif private or gated:
        raise ConfigError("--private and --gated go with hf://; the place decides who may read it")
    summary, place, notes = _publish(out, url, request, private, gated, s3_endpoint, quiet=quiet)
    download = _download_command(place, s3_endpoint or endpoint_from_environment())
    data = {**asdict(summary), "download": download, "notes": notes}
    print_result(data, _lines(summary, place, notes, download), as_json=as_json)


def _publish(
    out: str,
    url: str,
    request: Any,  # noqa: ANN401 - a type whose module is imported late
    private: bool,
    gated: str | None,
    s3_endpoint: str | None,
    *,
    quiet: bool,
) -> tuple[Any, str, list[str]]:
    """Publishes; returns the summary, the place's URL, and notes."""
    from texgen.transfer.publish import publish, publish_to_folder
    from texgen.transfer.publish_source import open_publish_source

    folder = folder_of(url)
    with (
        open_publish_source(out, s3_endpoint) as origin,
        transfer_progress(quiet=quiet, of_bytes=True) as on_progress,
    ):
        if url.startswith(HUB_SCHEME):
            from texgen.storage.hub.repo import HubRepo
            from texgen.transfer.publish_hub import publish_to_hub

            repo = HubRepo(parse_hub_url(url))
            summary = publish_to_hub(
                origin, repo, request, on_progress, private=private, gate=gated
            )
            ask = summary.is_imagenet and repo.is_open
            return summary, repo.url, [*_notes(summary), *([_gate_note(repo)] if ask else [])]
        if folder is not None:
            summary = publish_to_folder(origin, Path(folder), request, on_progress)
            return summary, folder, _notes(summary)
        sink = Sink(url, None, s3_endpoint)
        summary = publish(origin, sink, request, on_progress)
        return summary, sink.url, _notes(summary)


def _lines(summary: Any, place: str, notes: list[str], download: str) -> Iterator[str]:  # noqa: ANN401
    action = f"{format_bytes(summary.sent)} sent" if summary.sent else "already complete"
    yield (
        f"{pluralize(summary.samples, 'texture')} in {pluralize(summary.files, 'file')}, "
        f"{format_bytes(summary.bytes)}: {place} ({action}); to download it:"
    )
    yield download
    yield from (f"note: {note}" for note in notes)


def _notes(summary: Any) -> list[str]:  # noqa: ANN401 - see `_publish`
    notes = []
    if summary.card == "kept":
        notes.append("README.md there was edited and is kept; --replace-card replaces it")
    if summary.kept_license is not None:
        notes.append(
            f"the license that README.md there states is kept: {summary.kept_license}; --license "
            "names another"
        )
    return notes


def _gate_note(repo: Any) -> str:  # noqa: ANN401 - see `_publish`
    return (
        "the classes are ImageNet's, whose terms ask everybody who gets the images to agree to "
        f"them: publish with --gated auto or manual, or turn access requests on at "
        f"{repo.page}/settings"
    )


def _check_license(license: str | None) -> None:
    if license is None:
        raise ConfigError(
            "--license is missing: say under which license you publish the textures, such as "
            "--license cc-by-4.0; the terms of the images apply to them too. For ImageNet's: "
            "--license other --license-name imagenet --license-link https://image-net.org/download"
        )


def _check_places(out: str, url: str) -> None:
    if out.startswith(HUB_SCHEME):
        raise ConfigError(
            f"{out}: OUT lies on the Hub; get it with `texgen download {out} --out DIR` first"
        )
    folder = folder_of(url)
    if folder is not None:
        check_folder("URL", folder, "publish", folder_of(out))
    elif not url.startswith((SCHEME, HUB_SCHEME)):
        check_web_url(url)
        scheme = url.partition("://")[0]
        raise ConfigError(
            f"{scheme}://: publish writes only to s3://bucket/prefix, hf://datasets/USER/NAME or a "
            "folder"
        )
    if url.startswith(HUB_SCHEME):
        parse_hub_url(url)
    if out.startswith(SCHEME) and url.startswith(SCHEME) and parse(out).overlaps(parse(url)):
        raise ConfigError(f"{out} and {url}: neither may lie inside the other; name another prefix")


def _download_command(url: str, endpoint: str | None) -> str:
    """Returns the command that downloads the published data set."""
    # The endpoint of the environment may hold a password, which is not printed.
    endpoint = None if endpoint and "@" in endpoint else endpoint
    shown = ["--s3-endpoint", endpoint] if endpoint and url.startswith(SCHEME) else []
    return shlex.join(["texgen", "download", url, *shown, "--out", "shards/"])
