"""Runs the Dockerfile's steps in Debian roots, for machines without a Docker; then uses the result.

    sudo python -m tests.image FOLDER

Needs debootstrap, Debian's archive, PyPI and a Rust toolchain, and takes some minutes and 4 GB in
FOLDER. RUN, COPY, ENV, USER and WORKDIR are those of the Dockerfile. What stands in for its base
images is Debian of the same suite and, for Rust's, this machine's toolchain beside Debian's gcc.
COPY takes what git knows, so `.dockerignore` is not tried here.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tests.image.dockerfile import ROOT, Instruction, read

_HOST_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_CERTIFICATES = "/run/certificates.crt"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The machine's own way to its registries; nothing of it stays in the root.
_NETWORK = dict.fromkeys(
    ("PIP_CERT", "CARGO_HTTP_CAINFO", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), _CERTIFICATES
)


@dataclass(slots=True)
class Stage:
    """A root and what is set in it."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": _PATH, "HOME": "/root"})
    user: str = "0:0"
    folder: str = "/"

    def run(self, script: str, **env: str) -> None:
        """Runs a line of shell as RUN would, and shows how long it took."""
        print(f"== {self.root.name} ({self.user}): {' '.join(script.split())}", flush=True)
        settings = [f"{name}={value}" for name, value in {**self.env, **env}.items()]
        inner = f"cd {shlex.quote(self.folder)} && {script}"
        inside = ["chroot", f"--userspec={self.user}", self.root, "env", "-i", *settings]
        subprocess.run([*inside, "/bin/sh", "-c", inner], check=True)

    def within(self, place: str) -> Path:
        """Where a path of this root lies outside."""
        return self.root / str(Path(self.folder) / place).lstrip("/")


class Builder:
    """Carries instructions out, a root for each stage.

    Args:
        folder: Where the roots are.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._stages: dict[str, Stage] = {}
        self.last = Stage(folder)

    def follow(self, step: Instruction) -> None:
        """Carries one instruction out."""
        stage = self.last
        if step.name == "FROM":
            image, *name = step.value.split()
            self.last = self._start(image, name[1] if name else "image")
        elif step.name == "RUN":
            stage.run(step.value, **_NETWORK, DEBIAN_FRONTEND="noninteractive")
        elif step.name == "COPY":
            self._copy(shlex.split(step.value))
        elif step.name == "ENV":
            for word in shlex.split(step.value):
                name, value = word.split("=", 1)
                stage.env[name] = value.replace("$PATH", stage.env["PATH"])
        elif step.name == "USER":
            stage.user = step.value
        elif step.name == "WORKDIR":
            stage.folder = step.value
            stage.within(".").mkdir(parents=True, exist_ok=True)
        elif step.name != "CMD":
            sys.exit(f"Dockerfile: {step.name} is not known here")

    def _start(self, image: str, name: str) -> Stage:
        suite = next(part for part in ("bookworm", "trixie") if part in image)
        base = self._folder / "base"
        if not base.exists():
            subprocess.run(["debootstrap", "--variant=minbase", suite, base], check=True)
        stage = self._stages[name] = Stage(self._folder / name)
        shutil.rmtree(stage.root, ignore_errors=True)
        subprocess.run(["cp", "--archive", base, stage.root], check=True)
        shutil.copy("/etc/resolv.conf", stage.root / "etc/resolv.conf")
        stage.within(_CERTIFICATES).touch()
        for place, outside in (("dev", "/dev"), ("proc", "/proc"), (_CERTIFICATES[1:], "")):
            outside = outside or str(_HOST_CERTIFICATES)
            subprocess.run(["mount", "--rbind", outside, stage.root / place], check=True)
        if image.startswith("rust:"):
            self._add_rust(stage)
        return stage

    def _add_rust(self, stage: Stage) -> None:
        rust = subprocess.check_output(["rustc", "--print", "sysroot"], text=True).strip()
        stage.within("/usr/local/rust").mkdir()
        subprocess.run(["mount", "--rbind", rust, stage.root / "usr/local/rust"], check=True)
        stage.env["PATH"] = f"/usr/local/rust/bin:{stage.env['PATH']}"
        wanted = "ca-certificates gcc libc6-dev"
        stage.run(f"apt-get -qq update && apt-get -qq install --no-install-recommends {wanted}")

    def _copy(self, words: list[str]) -> None:
        *sources, target = [word for word in words if not word.startswith("--")]
        place = self.last.within(target)
        origin = next((w.removeprefix("--from=") for w in words if w.startswith("--from=")), None)
        if origin:
            copied = self._stages[origin].root / sources[0].lstrip("/")
            subprocess.run(["cp", "--archive", "--no-target-directory", copied, place], check=True)
            return
        known = subprocess.check_output(["git", "ls-files", "-z", *sources], cwd=ROOT, text=True)
        for path in filter(None, known.split("\0")):
            # A folder's files go into the target, a file's name is its last.
            inside = next(
                (
                    Path(path).relative_to(s)
                    for s in sources
                    if path != s and Path(path).is_relative_to(s)
                ),
                Path(Path(path).name),
            )
            (place / inside).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, place / inside)


_USE = """
set -e; id; texgen --version; ray --version; touch /opt/texgen/x 2>/dev/null && exit 1
python - <<'END'
import numpy as np
from pathlib import Path
from PIL import Image
for n in range(12):
    folder = Path(f"photographs/train/{'ab'[n % 2]}")
    folder.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(n).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize((160, 140)).save(folder / f"{n}.jpg")
END
texgen build --src photographs --out plain --samples-per-shard 3 --no-ray --workers 2
texgen verify plain
texgen build --src photographs --out ray --samples-per-shard 3 --workers 2
cmp plain/index.json ray/index.json
"""


def main() -> None:
    """Builds the image's root in the folder that is named, uses it, and says how large it is."""
    if len(sys.argv) != 2 or os.geteuid() != 0:
        sys.exit(__doc__)
    if os.environ.get("TEXGEN_MOUNTS") != "own":
        # What is mounted goes away with this process.
        own = shlex.split("unshare --mount --propagation private")
        again = [*own, sys.executable, "-m", "tests.image", sys.argv[1]]
        done = subprocess.run(again, env={**os.environ, "TEXGEN_MOUNTS": "own"})
        sys.exit(done.returncode)
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    builder = Builder(folder)
    for step in read():
        builder.follow(step)
    image = builder.last
    image.run(_USE, HOME="/home/texgen", RAY_AUTH_MODE="disabled")
    for place in ("usr", "opt/texgen"):
        subprocess.run(["du", "--summarize", "--human-readable", image.root / place], check=True)


if __name__ == "__main__":
    main()
