"""What a training run's options must be, before anything is made."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from texgen.core.errors import ConfigError

if TYPE_CHECKING:
    from texgen.train.config import TrainConfig


def check_config(config: TrainConfig) -> None:
    """Checks that a run's options are numbers that can be, and fit together.

    Raises:
        ConfigError: Names the option and the mend.
    """
    _check_numbers(config)
    _check_negatives(config)
    _check_batch(config)


def _check_numbers(config: TrainConfig) -> None:
    for name, value in config.to_dict().items():
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, float) and not math.isfinite(one):
                message = f"--{name.replace('_', '-')} {one}: take a finite number"
                raise ConfigError(message)
    if config.alpha < 0:
        message = f"--alpha {config.alpha:g}: would draw NS near; take 0 or more"
        raise ConfigError(message)
    least, most = config.crop_scale
    if least > most:
        message = f"--crop-scale {least:g} {most:g}: the least comes first"
        raise ConfigError(message)


def _check_negatives(config: TrainConfig) -> None:
    if config.negatives == "texture" and config.textures is None:
        raise ConfigError("--negatives texture: add --textures OUT, a finished texgen build")
    if config.stream and (config.negatives != "texture" or config.num_negatives != 1):
        raise ConfigError("--stream: takes --negatives texture and --num-negatives 1")
    if config.negatives == "patch" or (
        config.negatives == "texture" and config.missing_texture == "patch"
    ):
        check_patches(config.patch_range, config.size, non_overlapping=config.non_overlapping)


def check_patches(
    patch_range: tuple[int, int], size: int, *, non_overlapping: bool = False
) -> None:
    """Checks that an image has room for its patches.

    Raises:
        ConfigError: If not.
    """
    least, most = patch_range
    given = f"--patch-range {least} {most}"
    if least > most:
        message = f"{given}: the least comes first"
        raise ConfigError(message)
    if most > size:
        # They would be the image itself, and no negative of it.
        message = (
            f"{given}: patches end at --size {size} px; the paper's 16 to 72 of 224 px are "
            f"{max(1, round(size / 14))} {max(1, round(size * 72 / 224))} here"
        )
        raise ConfigError(message)
    if non_overlapping and not any(size % side == 0 for side in range(least, most + 1)):
        message = f"{given} with --non-overlapping: no side among them divides {size} px"
        raise ConfigError(message)


def _check_batch(config: TrainConfig) -> None:
    part = config.batch_size // config.accumulate
    if config.method != "moco" and config.bn_splits != 1:
        message = f"--bn-splits {config.bn_splits}: is MoCo's; leave it out with {config.method}"
        raise ConfigError(message)
    if part < 2:
        message = (
            f"--accumulate {config.accumulate}: leaves parts of {part} of a batch of "
            f"{config.batch_size}, and batch statistics need 2"
        )
        raise ConfigError(message)
    if config.method == "moco" and config.queue_size % part:
        message = (
            f"--queue-size {config.queue_size} is not a multiple of the {part} keys of a batch"
            f"{' part' if config.accumulate > 1 else ''}; take "
            f"{max(1, config.queue_size // part) * part}"
        )
        raise ConfigError(message)
