"""The Dockerfile's image, built by Docker on base images that are created here.

No Docker registry is needed: Debian's archive and debootstrap give the base of the last stage, and
this machine's Rust on top of it gives that of the first. ``--build-arg`` names both to the
Dockerfile; everything else is used as it stands. Images are kept, so that a second run is fast.
"""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.docker.dockerfile import ROOT
from tests.docker.engine import Image, docker, has_image

DEBIAN, RUST, STAGE, IMAGE = (
    f"texgen-test-{name}" for name in ("debian", "rust", "stage", "image")
)
_PATIENCE_S = 1800
CERTIFICATES = "/etc/test-certificates.crt"
_ON_DEBIAN = f"""
FROM {DEBIAN}
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates gcc libc6-dev
COPY rust /usr/local
COPY certificates.crt {CERTIFICATES}
ENV PIP_CERT={CERTIFICATES} CARGO_HTTP_CAINFO={CERTIFICATES} SSL_CERT_FILE={CERTIFICATES}
"""


def dockerfile_image() -> Image:
    """Builds the image from this checkout, unless Docker has a newer one."""
    build_stage()
    _build(IMAGE)
    return Image(IMAGE)


def build_stage() -> Image:
    """Builds the Dockerfile's first stage, which has pip and Rust."""
    if not has_image(DEBIAN):
        _make_debian(DEBIAN, "trixie")
    if not has_image(RUST):
        _make_rust()
    _build(STAGE, "--target", "build")
    return Image(STAGE)


def _build(name: str, *options: str) -> None:
    bases = ("--build-arg", f"RUST_BASE={RUST}", "--build-arg", f"DEBIAN_BASE={DEBIAN}")
    line = ("build", "--network", "host", *bases, *options, "--tag", name, ROOT)
    docker(*line, timeout_s=_PATIENCE_S)


def debian_with_python(suite: str) -> str:
    """Makes an image of a Debian with its own Python and no compiler; returns its name."""
    name = f"{DEBIAN}-{suite}-python"
    if not has_image(name):
        _make_debian(name, suite, "--include=python3-venv")
        with TemporaryDirectory(dir="/var/tmp") as folder:
            _copy_certificates(Path(folder))
            (Path(folder) / "Dockerfile").write_text(
                f"FROM {name}\nCOPY certificates.crt {CERTIFICATES}\n"
            )
            docker("build", "--tag", name, folder)
    return name


def _make_debian(name: str, suite: str, *options: str) -> None:
    if shutil.which("debootstrap") is None or os.geteuid() != 0:
        pytest.skip("Debian's base needs debootstrap, and root")
    with TemporaryDirectory(dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        subprocess.run(["debootstrap", "--variant=minbase", *options, suite, root], check=True)
        pack = subprocess.Popen(["tar", "-c", "-C", root, "."], stdout=subprocess.PIPE)
        subprocess.run(["docker", "import", "-", name], stdin=pack.stdout, check=True)


def _make_rust() -> None:
    found = subprocess.run(["rustc", "--print", "sysroot"], capture_output=True, text=True)
    if found.returncode:
        pytest.skip("Rust's base needs rustc")
    with TemporaryDirectory(dir="/var/tmp") as folder:
        sysroot, there = Path(found.stdout.strip()), Path(folder) / "rust"
        for name in ("bin/cargo", "bin/rustc"):
            (there / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(sysroot / name, there / name)
        skipped = shutil.ignore_patterns("manifest-*", "components", "etc", "src")
        shutil.copytree(sysroot / "lib", there / "lib", symlinks=True, ignore=skipped)
        _copy_certificates(Path(folder))
        (Path(folder) / "Dockerfile").write_text(_ON_DEBIAN)
        docker("build", "--network", "host", "--tag", RUST, folder, timeout_s=_PATIENCE_S)


def _copy_certificates(folder: Path) -> None:
    # Builds use the machine's own package indexes; the Dockerfile's last stage keeps none of that.
    machines = ssl.get_default_verify_paths().cafile or "/etc/ssl/certs/ca-certificates.crt"
    shutil.copy(machines, folder / "certificates.crt")
