"""`texgen synth`."""

from __future__ import annotations

from pathlib import Path

import click

from texgen.cli.options.common import (
    check_texture_size,
    engine_bin_option,
    engine_option,
    engine_spec,
    jpeg_quality,
    place_option,
    quality_option,
    size_option,
)
from texgen.cli.options.param_types import Place
from texgen.cli.output import check_not_read, check_target, write_file
from texgen.core.config import sample_timeout_s
from texgen.core.decode import decode
from texgen.core.errors import ConfigError, ImageError
from texgen.core.types import Pixels
from texgen.synthesis import EnginePool, Job
from texgen.synthesis.patches import MAX_PATCHES, MAX_SEED, mirror_to_minimum

_FORMATS = {".png": "png", ".webp": "webp", ".jpg": "jpg", ".jpeg": "jpg"}


@click.command(name="synth")
@click.argument("patches", nargs=-1, required=True, metavar="PATCH...", type=Place(utf8=False))
@place_option(
    "--out",
    "F",
    "File of the texture; its name ends in .png, .webp (lossless) or .jpg.",
    utf8=False,
    required=True,
)
@size_option
@click.option(
    "--seed",
    # The seed of one texture, and not that of a data set as in `texgen build`.
    type=click.IntRange(0, MAX_SEED),
    default=0,
    help="Seed of the texture, such as the seed of a row in a manifest.",
)
@quality_option
@engine_option
@engine_bin_option
def command(
    patches: tuple[str, ...],
    out: str,
    size: int,
    seed: int,
    quality: int | None,
    engine: str,
    engine_bin: str | None,
) -> None:
    """Make one texture from example patches.

    Each PATCH is an image file, which is used as a whole.
    """
    target = Path(out)
    check_target("--out", target, _FORMATS)
    check_not_read("--out", target, patches)
    image_format = _FORMATS[target.suffix.lower()]
    quality = jpeg_quality(quality, image_format)
    spec = engine_spec(engine, engine_bin)
    check_texture_size(size, engine)
    if len(patches) > MAX_PATCHES:
        raise ConfigError(f"PATCH...: {len(patches)} patches; give {MAX_PATCHES} at most")
    examples = tuple(mirror_to_minimum(_read(Path(patch))) for patch in patches)
    job = Job(str(target), examples, size, seed, image_format, quality)
    with EnginePool(spec, 1, timeout_s=sample_timeout_s(size)) as pool:
        texture = pool.synthesize(job)
    write_file(target, texture.encoded)


def _read(path: Path) -> Pixels:
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ImageError as error:
        raise ConfigError(f"{path}: {error.reason}") from error
