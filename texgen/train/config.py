"""Options of a training run: fields, defaults, help texts and checks; saved in every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from texgen.core.config import (
    CPU,
    DEFAULT_ENGINE,
    DEVICES,
    MIN_SIZE,
    PATCH_SIZE,
    TEXTURE_SIZE,
    max_size,
)
from texgen.core.errors import ConfigError
from texgen.core.options import option
from texgen.source import KEYS, LAYOUTS, SOURCE_OPTIONS
from texgen.train.config_checks import check_options, flag_name

METHODS = ("moco", "simclr", "byol")
NEGATIVES = ("none", "texture", "patch")
MISSING_TEXTURE = ("error", "skip", "patch")
STEMS = ("imagenet", "small", "cifar")
"""The ResNet's own stem (side / 4), one 3x3 convolution of stride 2 (/ 2), and one of stride 1."""
OPTIMIZERS = ("sgd", "lars")

_METHOD_DEFAULTS = {"byol": {"alpha": 0.05, "momentum": 0.99}}
_OTHER_DEFAULTS = {"alpha": 2.0, "momentum": 0.999}
"""Values of options whose default is None in the field, because it depends on the method."""


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Options of `texgen train`; the metadata of a field holds its help text, range and choices.

    The options in `FREE` may change when a run is resumed; all others decide its result. Fields
    without metadata are options of every command that reads SRC.
    """

    src: str = field(
        metadata={
            "help": "Images to train on, in any form that texgen build reads, or STL-10's binary "
            "files."
        }
    )
    out: str = field(metadata={"help": "Folder of the run. A run in it is resumed."})
    split: str = option("train", "Split of SRC to train on.")
    src_format: str | None = option(
        None, "Format of SRC, as for texgen build.  [default: detected from its content]"
    )
    layout: str = LAYOUTS[0]
    keys: str = KEYS[0]
    image_field: str | None = None
    label_field: str | None = None
    textures: str | None = option(
        None, "OUT of a finished texgen build of the same images: a folder or URL."
    )
    textures_split: str | None = option(
        None, "Split of --textures, if its name differs.  [default: --split]"
    )
    stream: bool = option(
        False, "Read textures in the order of their shards, which suits remote shards."
    )
    missing_texture: str = option(
        "error",
        "Action for an image without a texture: end with an error, skip the image, or use its "
        "patches.",
        choices=MISSING_TEXTURE,
    )

    method: str = option("moco", "Method of contrastive learning.", choices=METHODS)
    negatives: str = option("none", "Kind of the non-semantic negatives (NS).", choices=NEGATIVES)
    fresh: bool = option(
        False, "Make textures while training runs, new ones in each epoch, without --textures."
    )
    fresh_every: int = option(
        1, "Number of epochs after which an image gets new --fresh textures.", min=1
    )
    texture_size: int | None = option(
        None,
        "Side of a --fresh texture, px.  [default: --size]",
        min=MIN_SIZE,
        max=max_size(DEFAULT_ENGINE),
    )
    patch_size: int | None = option(
        None,
        "Side of the two patches of which a --fresh texture is made, px.  [default: "
        f"{PATCH_SIZE} for textures of {TEXTURE_SIZE} px, in proportion for others]",
        min=1,
    )
    texture_device: str = option(
        CPU,
        "What makes --fresh textures: cpu, gpu (needs Vulkan or Metal), or auto: a GPU if one "
        "passes its self-test. The textures are the same.",
        choices=DEVICES,
    )
    num_negatives: int = option(1, "Number of NS per image.", min=1)
    alpha: float = option(None, "Weight (alpha) of the NS, 0 or more.  [default: 2; byol: 0.05]")
    patch_range: tuple[int, int] = option(
        (16, 72), "Smallest and largest side of a patch, px.", min=1
    )
    non_overlapping: bool = option(False, "Cut patches along a grid, so that none overlap.")
    temperature: float = option(
        0.2, "Temperature of the loss (moco, simclr), above 0.", min=0, min_open=True
    )
    queue_size: int = option(65536, "Number of keys in MoCo's queue.", min=1)
    momentum: float = option(
        None,
        "Momentum of the momentum encoder, 0 to 1.  [default: moco: 0.999; byol: 0.99]",
        min=0,
        max=1,
    )
    bn_splits: int = option(
        1,
        "Number of parts of a batch that are normalised separately, as on several devices (moco).",
        min=1,
    )

    arch: str = option("resnet50", "Architecture, the name of a torchvision ResNet.")
    stem: str | None = option(
        None, "First layers of the network.  [default: what suits --size]", choices=STEMS
    )
    width: float = option(
        1.0, "Factor on the number of channels of the four stages.", min=0, min_open=True
    )
    dim: int | None = option(
        None, "Number of dimensions of an embedding.  [default: 128; byol: 256]", min=1
    )
    size: int = option(224, "Side of a view, px.", min=8)
    crop_scale: tuple[float, float] = option(
        (0.2, 1.0),
        "Smallest and largest fraction of an image's area that a view covers.",
        min=0,
        max=1,
        min_open=True,
    )
    colour_jitter: bool = option(True, "Change brightness, contrast, saturation and hue of views.")

    batch_size: int = option(
        256, "Number of images in a step, over all ranks and accumulated parts.", min=2
    )
    accumulate: int = option(
        1, "Number of parts of a batch, over which gradients are accumulated.", min=1
    )
    epochs: int = option(200, "Number of epochs.", min=1)
    lr: float = option(
        0.03, "Highest learning rate; it falls along a cosine.", min=0, min_open=True
    )
    warmup_epochs: int = option(0, "Epochs over which the learning rate rises.", min=0)
    optimizer: str = option("sgd", "Optimizer of the encoder.", choices=OPTIMIZERS)
    weight_decay: float = option(1e-4, "Weight decay, a factor on the weight.", min=0)
    seed: int = option(0, "Seed of all random numbers.", min=0)
    max_steps: int | None = option(
        None,
        "Number of steps after which the run ends; the schedule remains that of --epochs.  "
        "[default: no limit]",
        min=1,
    )
    amp: bool = option(False, "Run networks in bfloat16; losses stay in 32 bits.")
    compile: bool = option(False, "Compile the encoder with torch.compile.")

    workers: int = option(4, "Number of processes of each rank that load images.", min=0)
    log_every: int = option(10, "Number of steps between two rows of metrics.", min=1)
    checkpoint_every: int = option(1, "Number of epochs between two checkpoints.", min=1)
    keep: int = option(2, "Number of checkpoints to keep.", min=1)
    device: str | None = option(
        None, "Device to train on.  [default: cuda if there is one]", choices=("cpu", "cuda")
    )
    rank_timeout: float = option(
        1800.0,
        "Time that a rank waits for others, at the start and in each step, seconds.",
        min=0,
        min_open=True,
    )

    def __post_init__(self) -> None:
        defaults = _METHOD_DEFAULTS.get(self.method, _OTHER_DEFAULTS)
        for name, value in defaults.items():
            if getattr(self, name) is None:
                object.__setattr__(self, name, value)
        check_options(self)

    @property
    def how_read(self) -> dict[str, Any]:
        """How ``src`` is read: arguments of `texgen.source.SourceSpec`."""
        return {"format": self.src_format, **{name: getattr(self, name) for name in SOURCE_OPTIONS}}

    @property
    def embedding(self) -> int:
        """Dimensions of an embedding: ``dim``, or the default of the method."""
        return self.dim or (256 if self.method == "byol" else 128)

    def to_dict(self) -> dict[str, Any]:
        """Returns the options by name, as values that JSON can hold."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @staticmethod
    def from_dict(saved: dict[str, Any]) -> TrainConfig:
        """Returns the config that `to_dict` saved, without options that this version lacks."""
        known = {one.name for one in fields(TrainConfig)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in saved.items() if k in known
        }
        return TrainConfig(**values)


_DEFAULTS = {one.name: one.default for one in fields(TrainConfig)}

FREE = frozenset(
    {"src", "src_format", "out", "textures", "workers", "log_every", "checkpoint_every", "keep"}
    | {"device", "texture_device", "compile", "max_steps", "rank_timeout", *SOURCE_OPTIONS}
)
"""Options that may differ from a checkpoint's: they decide where and how fast a run trains."""


def check_same(saved: dict[str, Any], config: TrainConfig, where: str) -> None:
    """Checks that a checkpoint with the options ``saved``, at the path ``where``, is of this run.

    Raises:
        ConfigError: Names every option that differs.
    """
    now = config.to_dict()
    # A checkpoint of before an option existed is of a run with its default.
    then = {name: saved.get(name, _DEFAULTS[name]) for name in now}
    differ = [name for name in now if name not in FREE and then[name] != now[name]]
    if differ:
        changes = ", ".join(
            f"{flag_name(name)} was {then[name]} and is {now[name]}" for name in differ
        )
        raise ConfigError(f"{where} is a checkpoint of another run: {changes}; name another --out")
