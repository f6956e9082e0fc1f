"""What a training run is made of; saved with every checkpoint."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any

from texgen.core.errors import ConfigError
from texgen.source import KEYS, LAYOUTS, SOURCE_OPTIONS
from texgen.train.checks import check_config

METHODS = ("moco", "simclr", "byol")
NEGATIVES = ("none", "texture", "patch")
MISSING = ("error", "skip", "patch")
STEMS = ("imagenet", "small", "cifar")
"""ResNet's own (each side / 4); one 3x3 convolution of stride 2 (/ 2); the same of stride 1."""
OPTIMIZERS = ("sgd", "lars")


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """Options of `texgen train`; see there for what they mean.

    Those in `FREE` may change when a run is resumed; the others decide what comes out.
    """

    src: str
    out: str
    split: str = "train"
    src_format: str | None = None
    layout: str = LAYOUTS[0]
    keys: str = KEYS[0]
    image_field: str | None = None
    label_field: str | None = None
    textures: str | None = None
    textures_split: str | None = None
    stream: bool = False
    missing_texture: str = "error"

    method: str = "moco"
    negatives: str = "none"
    num_negatives: int = 1
    alpha: float = 2.0
    patch_range: tuple[int, int] = (16, 72)
    non_overlapping: bool = False
    temperature: float = 0.2
    queue_size: int = 65536
    momentum: float = 0.999
    bn_splits: int = 1

    arch: str = "resnet50"
    stem: str | None = None
    width: float = 1.0
    dim: int | None = None
    size: int = 224
    crop_scale: tuple[float, float] = (0.2, 1.0)
    colour_jitter: bool = True

    batch_size: int = 256
    accumulate: int = 1
    epochs: int = 200
    lr: float = 0.03
    warmup_epochs: int = 0
    optimizer: str = "sgd"
    weight_decay: float = 1e-4
    seed: int = 0
    max_steps: int | None = None
    amp: bool = False
    compile: bool = False

    workers: int = 4
    log_every: int = 10
    checkpoint_every: int = 1
    keep: int = 2
    device: str | None = None
    rank_timeout: float = 1800.0

    def __post_init__(self) -> None:
        check_config(self)

    @property
    def how_read(self) -> dict[str, Any]:
        """How ``src`` is read, as `texgen.source.SourceSpec` names it."""
        return {"format": self.src_format, **{name: getattr(self, name) for name in SOURCE_OPTIONS}}

    @property
    def embedding(self) -> int:
        """C of the embeddings: the methods' own unless given."""
        return self.dim or (256 if self.method == "byol" else 128)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {name: list(v) if isinstance(v, tuple) else v for name, v in asdict(self).items()}

    @staticmethod
    def from_dict(given: dict[str, Any]) -> TrainConfig:
        """The config that `to_dict` gave; what this version does not know is left out."""
        known = {one.name for one in fields(TrainConfig)}
        values: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in given.items() if k in known
        }
        return TrainConfig(**values)


FREE = frozenset(
    {"src", "src_format", "out", "textures", "workers", "log_every", "checkpoint_every", "keep"}
    | {"device", "compile", "max_steps", "rank_timeout", *SOURCE_OPTIONS}
)
"""May differ from a checkpoint's: they decide where and how fast, not what comes out."""


def check_same(saved: dict[str, Any], config: TrainConfig, where: str) -> None:
    """Checks that a checkpoint is of this run.

    Raises:
        ConfigError: Names every option that differs.
    """
    now = config.to_dict()
    differ = [name for name in now if name not in FREE and saved.get(name) != now[name]]
    if differ:
        what = ", ".join(
            f"--{name.replace('_', '-')} was {saved.get(name)} and is {now[name]}"
            for name in differ
        )
        message = f"{where} is a checkpoint of another run: {what}; name another --out"
        raise ConfigError(message)
