"""Every texgen command in pipelines and docs is one that texgen accepts."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
import yaml

from tests.docker.dockerfile import ROOT, read
from tests.pipelines.stubs import CLUSTER, SLURM, calls
from texgen.cli.main import texgen
from texgen.cli.options.build import build_request

SCRIPTS = sorted(path.name for path in CLUSTER.iterdir() if path.stat().st_mode & 0o100)


def parsed(words: list[str]) -> click.Context:
    """Parses a command line with texgen, without running it."""
    assert words[0] == "texgen"
    command = texgen.get_command(click.Context(texgen), words[1])
    assert command is not None, words
    if isinstance(command, click.Group):
        inner = command.get_command(click.Context(command), words[2])
        assert inner is not None, words
        return inner.make_context(words[2], words[3:])
    context = command.make_context(words[1], words[2:])
    if words[1] == "build":
        # The parser checks contradictions too; the kind of SRC cannot be found out here.
        build_request({**context.params, "src_format": "folder"})
    return context


def texgen_calls(script: str, folder: Path, *arguments: str, **more: str) -> list[list[str]]:
    """Commands of texgen in a script, run directly or as a job."""
    found = calls(script, folder, *arguments, **{**SLURM, **more})
    jobs = [call[call.index("--") + 1 :] for call in found if call[:3] == ["ray", "job", "submit"]]
    return jobs + [call for call in found if call[0] == "texgen"]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES.remove(ROOT / "docs" / "architecture.md")  # draws, and shows no commands


def shown(page: Path) -> list[list[str]]:
    """Commands of texgen in a page's code blocks, except abridged ones."""
    blocks = re.findall(r"^```\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines if line.startswith("texgen ")]
    return [words for words in found if "…" not in " ".join(words) and "OUT" not in words]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_what_a_page_shows_is_what_texgen_takes(page: Path) -> None:
    for words in shown(page):
        parsed(words)


@pytest.mark.parametrize("script", SCRIPTS)
def test_what_a_script_calls_is_what_texgen_takes(script: str, tmp_path: Path) -> None:
    found = texgen_calls(script, tmp_path / "stubs")
    assert [words[1] for words in found] in (["build"], ["build", "verify"])
    for words in found:
        parsed(words)


def test_the_scripts_are_those_that_the_page_names() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    files = {path.name for path in CLUSTER.iterdir() if path.name != "submit.sh"}
    assert {name for name in files if name in page} == files


@pytest.mark.parametrize(
    ("script", "wanted"),
    [
        ("smoke.sh", {"limit": 100, "samples_per_shard": 10, "classes": None}),
        ("imagenet100.sh", {"limit": None, "samples_per_shard": 512}),
        ("imagenet1k.sh", {"limit": None, "samples_per_shard": 512, "classes": None}),
    ],
)
def test_a_job_runs_on_the_cluster_that_it_was_submitted_to(
    script: str, wanted: dict[str, object], tmp_path: Path
) -> None:
    build, _ = texgen_calls(script, tmp_path / "stubs", SRC="s3://bucket/src", OUT="/an out")
    options = parsed(build).params
    assert wanted.items() <= options.items()
    assert options["ray_address"] == "auto"
    assert (options["src"], options["out"]) == ("s3://bucket/src", "/an out")
    if script == "imagenet100.sh":
        assert len(options["classes"]) == 100


def test_a_job_is_told_the_endpoint_and_what_follows_the_script(tmp_path: Path) -> None:
    endpoint = "http://minio:9000"
    build, verify = texgen_calls(
        "smoke.sh", tmp_path / "stubs", "--workers", "3", AWS_ENDPOINT_URL_S3=endpoint
    )
    assert parsed(build).params["s3_endpoint"] == parsed(verify).params["s3_endpoint"] == endpoint
    assert parsed(build).params["workers"] == 3


def test_a_job_is_not_submitted_with_a_relative_path(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="exit status 2"):
        texgen_calls("smoke.sh", tmp_path / "stubs", SRC="imagenet")


def test_a_job_of_the_array_makes_its_part(tmp_path: Path) -> None:
    (build,) = texgen_calls("slurm-array.sbatch", tmp_path / "stubs")
    part = parsed(build).params["part"]
    assert (part.number, part.count) == (3, 32)


def strings(node: object) -> list[str]:
    """All strings of a YAML file."""
    if isinstance(node, dict):
        return [text for value in node.values() for text in strings(value)]
    if isinstance(node, list):
        return [text for value in node for text in strings(value)]
    return [node] if isinstance(node, str) else []


def test_the_commands_in_manifests_are_what_texgen_takes() -> None:
    found = []
    for path in CLUSTER.glob("*.yaml"):
        texts = strings(yaml.safe_load(path.read_text()))
        found += [shlex.split(text) for text in texts if text.startswith("texgen ")]
    assert [words[1] for words in found] == ["build", "build"]
    for words in found:
        parsed(words)


def test_the_commands_on_the_page_are_what_texgen_takes() -> None:
    page = (ROOT / "docs" / "cluster.md").read_text()
    blocks = "\n".join(re.findall(r"```\n(.*?)```", page, re.DOTALL)).replace("\\\n", " ")
    lines = re.findall(r"texgen (?:build|status|verify|plan) .*", blocks)
    assert lines
    for line in lines:
        parsed(shlex.split(line, comments=True))


def test_the_image_shows_its_commands_when_it_is_told_nothing() -> None:
    assert read()[-1].value == '["texgen", "--help"]'
