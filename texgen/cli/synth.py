"""`texgen synth`."""

from __future__ import annotations

import os
from pathlib import Path

import click

from texgen.cli.options import engine_bin_option, engine_option
from texgen.errors import ConfigError, ImageError, StorageError
from texgen.images import read_rgb
from texgen.patches import mirror_to_minimum
from texgen.synthesize import EnginePool, EngineSpec, Job
from texgen.types import Pixels

_FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpg", ".jpeg": "jpg"}


@click.command(name="synth", short_help="one texture from example patches")
@click.argument("patches", nargs=-1, required=True, metavar="PATCH...", type=click.Path())
@click.option("--out", required=True, metavar="F", help="A .png, .webp (lossless) or .jpg file.")
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=224,
    show_default=True,
    help="Side of the texture, px.",
)
@click.option("--seed", type=click.IntRange(0, 2**64 - 1), default=0, show_default=True)
@click.option(
    "--quality", type=click.IntRange(1, 100), default=95, show_default=True, help="Of .jpg."
)
@engine_option
@engine_bin_option
def command(
    patches: tuple[str, ...],
    out: str,
    size: int,
    seed: int,
    quality: int,
    engine: str,
    engine_bin: str | None,
) -> None:
    """Make one texture from example patches, used whole as they are."""
    target = Path(out)
    image_format = _FORMATS.get(target.suffix.lower())
    if image_format is None:
        message = f"--out {out}: the name must end in {', '.join(_FORMATS)}"
        raise ConfigError(message)
    examples = tuple(mirror_to_minimum(_read(Path(patch))) for patch in patches)
    job = Job(str(target), examples, size, seed, image_format, quality)
    with EnginePool(EngineSpec(engine, engine_bin), 1) as pool:
        texture = pool.synthesize(job)
    _write(target, texture.encoded)


def _read(path: Path) -> Pixels:
    try:
        return read_rgb(path)
    except ImageError as error:
        message = f"{path}: {error.reason}"
        raise ConfigError(message) from error


def _write(target: Path, data: bytes) -> None:
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(data)
        part.replace(target)
    except OSError as error:
        part.unlink(missing_ok=True)
        message = f"cannot write {target}: {error.strerror}"
        raise StorageError(message) from error
