"""Checks of a training run's options that need several of them."""

from __future__ import annotations

import math
from dataclasses import fields
from typing import TYPE_CHECKING

from texgen.core.config import DEFAULT_ENGINE, MIN_SIZE, max_size
from texgen.core.errors import ConfigError

if TYPE_CHECKING:
    from texgen.train.config import TrainConfig


def flag_name(name: str) -> str:
    """Returns the option of a field: ``rank_timeout`` is ``--rank-timeout``."""
    return f"--{name.replace('_', '-')}"


def check_options(config: TrainConfig) -> None:
    """Checks that the options of a run have valid values, and do not contradict each other.

    Raises:
        ConfigError: Names the first option that is wrong.
    """
    _check_numbers(config)
    _check_negatives(config)
    _check_batch(config)


def _check_numbers(config: TrainConfig) -> None:
    for name, value in config.to_dict().items():
        for number in value if isinstance(value, list) else [value]:
            if isinstance(number, float) and not math.isfinite(number):
                raise ConfigError(f"{flag_name(name)} {number}: expected a finite number")
    if config.alpha < 0:
        raise ConfigError(f"--alpha {config.alpha:g} would attract the NS: use 0 or more")
    least, most = config.crop_scale
    if least > most:
        raise ConfigError(f"--crop-scale {least:g} {most:g}: the smaller number comes first")


def _check_negatives(config: TrainConfig) -> None:
    _check_fresh(config)
    if config.negatives == "texture" and not (config.fresh or config.textures):
        raise ConfigError(
            "--negatives texture: add --textures OUT, a finished texgen build, or --fresh"
        )
    if config.stream and (config.negatives != "texture" or config.num_negatives != 1):
        raise ConfigError("--stream needs --negatives texture and --num-negatives 1")
    if config.negatives == "patch" or (
        config.negatives == "texture" and config.missing_texture == "patch"
    ):
        check_patches(config.patch_range, config.size, non_overlapping=config.non_overlapping)


def _check_fresh(config: TrainConfig) -> None:
    defaults = {one.name: one.default for one in fields(config)}
    if not config.fresh:
        for name in ("fresh_every", "texture_size", "patch_size", "texture_device"):
            if getattr(config, name) != defaults[name]:
                raise ConfigError(
                    f"{flag_name(name)} is an option of --fresh: add that, or leave it out"
                )
        return
    if config.negatives != "texture":
        raise ConfigError(
            f"--fresh makes textures, and --negatives is {config.negatives}: name --negatives "
            "texture, or leave --fresh out"
        )
    for name in ("textures", "textures_split", "stream", "missing_texture"):
        if getattr(config, name) != defaults[name]:
            raise ConfigError(
                f"{flag_name(name)} is for textures that were built, and --fresh makes its own: "
                "leave out one of both"
            )
    if config.texture_size is None and not MIN_SIZE <= config.size <= max_size(DEFAULT_ENGINE):
        raise ConfigError(
            f"--fresh with --size {config.size}: a texture has {MIN_SIZE} to "
            f"{max_size(DEFAULT_ENGINE)} px; set --texture-size"
        )


def check_patches(
    patch_range: tuple[int, int], size: int, *, non_overlapping: bool = False
) -> None:
    """Checks that patches fit into an image with a side of ``size`` px.

    Raises:
        ConfigError: If they do not fit, or with ``non_overlapping`` if no side in the range divides
            ``size``.
    """
    least, most = patch_range
    given = f"--patch-range {least} {most}"
    if least > most:
        raise ConfigError(f"{given}: the smaller number comes first")
    if most > size:
        # Such a patch would be the image itself, which is no negative.
        raise ConfigError(
            f"{given}: patches have --size {size} px at most; the paper's 16 to 72 of 224 px "
            f"correspond to --patch-range {max(1, round(size / 14))} "
            f"{max(1, round(size * 72 / 224))}"
        )
    if non_overlapping and not any(size % side == 0 for side in range(least, most + 1)):
        raise ConfigError(
            f"{given} with --non-overlapping: no side in this range divides {size} px"
        )


def _check_batch(config: TrainConfig) -> None:
    part = config.batch_size // config.accumulate
    if config.method != "moco" and config.bn_splits != 1:
        raise ConfigError(f"--bn-splits {config.bn_splits} works only with MoCo: leave it out")
    if part < 2:
        raise ConfigError(
            f"--accumulate {config.accumulate} leaves parts of {part} of a batch of "
            f"{config.batch_size}, and batch statistics need 2: lower it, or raise --batch-size"
        )
    if config.method == "moco" and config.queue_size % part:
        batch = "a batch part" if config.accumulate > 1 else "a batch"
        raise queue_size_error(config.queue_size, part, batch)


def queue_size_error(queue_size: int, keys: int, batch: str) -> ConfigError:
    """Returns the error for a queue whose size is not a multiple of the keys of ``batch``."""
    fitting = max(1, queue_size // keys) * keys
    return ConfigError(
        f"--queue-size {queue_size} is not a multiple of the {keys} keys of {batch}; use {fitting}"
    )
