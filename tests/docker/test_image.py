"""The Dockerfile's image as the docs use it: their commands, the demo, an S3 server beside it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import command, tree
from tests.docker.bases import DEBIAN, build_stage
from tests.docker.conftest import SOURCE
from tests.docker.dockerfile import ROOT
from tests.docker.engine import Image, docker

pytestmark = pytest.mark.slow

COMPOSE = ROOT / "pipelines" / "cluster" / "compose.yaml"
PROJECT = "texgen-test-compose"
STORE = "texgen-test-store"


def test_the_readmes_commands_run_in_the_image(built: Image, data: Path) -> None:
    options = f"--init --user 4242:4242 --volume {data}:/data"
    key = "ant/ant_000"
    for words in (
        ("build", "--no-ray", "--src", "images", "--out", "shards"),
        ("build", "--src", SOURCE, "--out", "ray"),
        ("plan", "--src", "images"),
        ("status", "shards"),
        ("verify", "shards"),
        ("verify", "shards", "--deep", "--src", "images"),
        ("inspect", "shards", key),
        ("inspect", "shards", "--src", "images", "--sheet", "sheet.png"),
        ("report", "shards", "--src", "images", "--html", "report.html"),
        ("export", "shards", "--to", "exported"),
        ("synth", f"images/train/{key}.JPEG", "--out", "texture.png"),
    ):
        done = built.run(options, "texgen", *words)
        assert done.returncode == 0, (words, done.stderr)
    assert tree(data / "shards") == tree(data / "ray")
    assert {"sheet.png", "report.html", "texture.png"} <= {path.name for path in data.iterdir()}
    assert len(list((data / "exported").rglob("*.png"))) == 20


def test_the_image_is_nobodys_to_change_and_has_no_compiler(built: Image) -> None:
    done = built.run("", "sh", "-c", "id -u; touch /opt/texgen/x; which gcc cargo pip")
    assert done.stdout.split() == ["1000"]
    assert "Permission denied" in done.stderr
    assert "texgen build" in built.run("").stdout or "Usage: texgen" in built.run("").stdout


def test_the_demo_runs_in_the_first_stage(tmp_path: Path) -> None:
    """The demo needs pip and Rust, which the last stage lacks."""
    files = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, files):
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    stage = build_stage()
    run = (
        "run",
        "--rm",
        "--network",
        "host",
        "--volume",
        f"{tmp_path}:/demo",
        "--workdir",
        "/demo",
    )
    printed = docker(*run, stage.name, "bash", "pipelines/demo.sh", timeout_s=1500)
    assert "Look at demo/sheet.png" in printed
    assert (tmp_path / "demo" / "sheet.png").stat().st_size > 10_000


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    """An S3 server in place of MinIO: s3s-fs, with the file's own name and password."""
    program = shutil.which("s3s-fs")
    if program is None:
        pytest.skip("no s3s-fs here (cargo install s3s-fs)")
    if subprocess.run(["docker", "compose", "version"], capture_output=True).returncode:
        pytest.skip("no docker compose here")
    folder = tmp_path / "store"
    folder.mkdir()
    shutil.copy(program, folder)
    (folder / "Dockerfile").write_text(f"FROM {DEBIAN}\nCOPY s3s-fs /usr/local/bin/\n")
    docker("build", "--tag", STORE, folder)
    keys = yaml.safe_load(COMPOSE.read_text())["services"]["texgen"]["environment"]
    server = ["s3s-fs", "--host", "0.0.0.0", "--port", "9000"]  # noqa: S104 - in its container
    server += ["--access-key", keys["AWS_ACCESS_KEY_ID"]]
    server += ["--secret-key", keys["AWS_SECRET_ACCESS_KEY"], "/data"]
    answers = ["CMD", "bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9000"]
    instead = {
        "minio": {"image": STORE, "command": server, "healthcheck": {"test": answers}},
        "bucket": {
            "image": STORE,
            "entrypoint": ["mkdir", "-p", "/data/textures"],
            "volumes": ["store:/data"],
        },
        "texgen": {"image": "texgen-test-image"},
    }
    place = tmp_path / "instead.yaml"
    place.write_text(json.dumps({"services": instead}))
    yield place
    compose(place, tmp_path, "down", "--volumes")


def compose(instead: Path, source: Path, *words: str) -> subprocess.CompletedProcess[str]:
    files = ("--file", str(COMPOSE), "--file", str(instead))
    return subprocess.run(
        ["docker", "compose", "--project-name", PROJECT, *files, *words],
        env={**os.environ, "SRC": str(source)},
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_compose_builds_into_a_store_beside_it(
    built: Image, store: Path, data: Path, tmp_path: Path
) -> None:
    (line,) = [text for text in COMPOSE.read_text().splitlines() if "docker compose" in text][:1]
    words = line.rpartition("compose.yaml ")[2].replace(" --build", "").split()
    for _ in range(2):
        done = compose(store, data / "images", *words)
        assert done.returncode == 0, done.stderr
    volume = f"{PROJECT}_store:/store"
    asked = ("run", "--rm", "--volume", volume, "--volume", f"{tmp_path}:/to", DEBIAN)
    docker(*asked, "cp", "-r", "/store/textures/try", "/to/out")
    source, out = data / "images", tmp_path / "plain"
    plain = command("build", "--src", source, "--out", out, "--limit", 100, "--no-ray", "--quiet")
    subprocess.run(plain, check=True)
    assert tree(tmp_path / "out") == tree(out)
