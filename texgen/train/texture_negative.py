"""Negatives that are textures of the image, synthesised while training runs; needs no torch."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from operator import index
from typing import TypeVar

import numpy as np
from PIL import Image

from texgen.core.config import (
    CPU,
    DEFAULT_ENGINE,
    DEVICES,
    ENGINES,
    PATCH_SIZE,
    STUB,
    TEXTURE_SIZE,
    sample_timeout_s,
)
from texgen.core.decode import to_rgb
from texgen.core.errors import EngineSampleError, SampleError
from texgen.core.seeds import texture_seed
from texgen.core.types import Geometry, Pixels
from texgen.synthesis.api import checked_size
from texgen.synthesis.devices import engine_on
from texgen.synthesis.engine_spec import EngineSpec
from texgen.synthesis.patches import (
    Patches,
    PatchRule,
    check_rgb,
    checked_integer,
    cut_patches,
    examples,
    patch_geometry,
)
from texgen.synthesis.pool import EnginePool
from texgen.synthesis.process import identify
from texgen.synthesis.protocol import Job, Texture
from texgen.synthesis.shared_pools import shared_pool
from texgen.train.shared_number import SharedNumber

_log = logging.getLogger(__name__)
AnImage = TypeVar("AnImage", Image.Image, Pixels)

TextureJob = Job
"""The patches of one texture, with its name, size and seed."""


class TextureNegative:
    """Makes textures of images while training runs, so that none need to be built and stored.

    A texture is synthesised from the centre patch and a random patch of its image, by the rules of
    `texgen build`. It depends on the image, its key, the epoch and these arguments alone: not on
    processes, their number, or earlier calls. Epoch e gives texture number e of the image. With the
    same seed, size, patch sizes and engine, epoch 0 gives the pixels that ``texgen build`` stores
    under the image's key, epoch 1 those of ``KEY+001`` (``--textures-per-image 2``), and so on.

    Textures come from an engine process, which the process that calls starts at its first call
    and which ends with it, however it ends. This works in the main process and in each worker of a
    ``DataLoader``, forked or spawned. An engine is warm after its first textures; keep workers
    with ``persistent_workers=True``.

    Args:
        size: Side of the textures in px, 1 to 1024; up to 4096 with ``embark``.
        patch_size: Side of the example patches in px; None takes 96 for 224 px, and that
            proportion for other sizes.
        small_patch_size: Side of the example patches in px in an image that is smaller than
            ``patch_size``; None takes half of ``patch_size``.
        seed: Seed of all textures, as ``--seed`` of a build.
        engine: Name of the engine, ``fast`` or ``embark``.
        engines: Number of engine processes of each process that calls `batch`; None takes its share
            of the processors. Calls for one texture need one engine, and a GPU has one.
        device: What makes the textures, which are the same with each: ``cpu``; ``gpu``, with the
            engine ``fast``; or ``auto``, a GPU if the first call finds one that passes its
            self-test, and the processor, with a warning in the log, if not. A GPU makes hundreds
            of textures at once and one of them slowly, so that it is for `batch`, called in one
            process and not in each worker of a ``DataLoader``. It is the one that the environment
            variable ``TEXGEN_GPU`` numbers, from 0, else the one of torchrun's ``LOCAL_RANK``.

    Raises:
        ValueError: If an argument is out of range, or the engine has no GPU.
        TypeError: If an argument has the wrong type.
    """

    def __init__(
        self,
        size: int = TEXTURE_SIZE,
        patch_size: int | None = None,
        *,
        small_patch_size: int | None = None,
        seed: int = 0,
        engine: str = DEFAULT_ENGINE,
        engines: int | None = None,
        device: str = CPU,
    ) -> None:
        deterministic = [name for name in ENGINES if EngineSpec(name).deterministic]
        if engine not in (*deterministic, STUB):
            raise ValueError(f"engine must be one of {', '.join(deterministic)}, not {engine!r}")
        self.size = checked_size(size, engine)
        if patch_size is None:
            patch_size = max(1, round(self.size * PATCH_SIZE / TEXTURE_SIZE))
        self.patch_size = checked_integer("patch_size", patch_size, 1)
        if small_patch_size is None:
            small_patch_size = max(1, self.patch_size // 2)
        self.small_patch_size = checked_integer("small_patch_size", small_patch_size, 1)
        self.seed = index(seed)
        self.engine = engine
        if device not in DEVICES:
            raise ValueError(f"device must be one of {', '.join(DEVICES)}, not {device!r}")
        if device != CPU and engine != DEFAULT_ENGINE:
            raise ValueError(
                f"device {device!r} goes with engine {DEFAULT_ENGINE!r}, not {engine!r}"
            )
        self.device = device
        self._spec: EngineSpec | None = None
        self._device_note = ""
        self.engines = None if engines is None else checked_integer("engines", engines, 1)
        self._epoch = SharedNumber()

    @property
    def on_gpu(self) -> bool:
        """Whether a GPU makes the textures, which then come faster by `batch`.

        Raises:
            EngineStartError: If the GPU that ``device`` asks for cannot be used.
        """
        return self._engine_spec().device != CPU

    def device_note(self) -> str:
        """Says what makes the textures, and why if a GPU was asked for; "" with ``device="cpu"``.

        Raises:
            EngineStartError: If the GPU that ``device`` asks for cannot be used.
        """
        self._engine_spec()
        return self._device_note

    def set_epoch(self, epoch: int) -> None:
        """Sets the epoch of calls that name none, also in the running workers of a ``DataLoader``.

        The call belongs before ``for batch in loader``. The data set must hold this object as an
        attribute of its own: an attribute of its class is another object in spawned workers.
        """
        self._epoch.set(checked_integer("epoch", epoch, 0))

    def check_engine(self) -> None:
        """Starts an engine and ends it again, so that a loop fails before its first batch.

        Raises:
            EngineStartError: If the engine cannot be started.
        """
        # A GPU has been started when it was chosen.
        if not self.on_gpu:
            identify(self._engine_spec())

    def __call__(self, image: AnImage, key: str | int, epoch: int | None = None) -> AnImage:
        """Returns a texture of an image.

        Args:
            image: PIL image, or (H, W, 3) uint8 RGB.
            key: Key of the image, see `texgen.image_key`, or its index in the data set.
            epoch: Number of the epoch, from 0; None takes that of `set_epoch`, which is 0 at first.

        Returns:
            A PIL image, or (size, size, 3) uint8, as ``image`` is; every pixel is copied from it.

        Raises:
            ValueError: If ``image`` is an array of another form, or ``epoch`` is negative.
            TypeError: If an argument has the wrong type.
            SampleError: If the image's values have no scale, or the engine fails.
            EngineStartError: If the engine cannot be started.
            LimitError: If the system starts no thread for the engine.
        """
        job = self.job(image, key, epoch)
        try:
            texture = self._pool().synthesize(job)
        except SampleError as error:
            raise _naming(job.name, error) from error
        return _like(type(image), _pixels(texture))

    def batch(
        self, images: Iterable[AnImage], keys: Iterable[str | int], epoch: int | None = None
    ) -> list[AnImage]:
        """Returns a texture of each image; several engines, or a GPU, work on them side by side.

        The arguments, textures and errors are those of a call for one image. An array of
        shape (N, H, W, 3) is N images. Of an iterator no image is kept once its patches are cut.
        """
        forms: list[type[AnImage]] = []
        jobs: list[Job] = []
        for image, key in zip(images, keys, strict=True):
            forms.append(type(image))
            jobs.append(self.job(image, key, epoch))
        return [_like(form, made) for form, made in zip(forms, self.make(jobs), strict=True)]

    def job(
        self, image: Image.Image | Pixels, key: str | int, epoch: int | None = None
    ) -> TextureJob:
        """Cuts the patches of a texture out of an image, for `make`; the image is not kept.

        A job is small and can be pickled. The arguments and errors are those of a call.
        """
        name = key if isinstance(key, str) else str(index(key))
        number = self._epoch.get() if epoch is None else checked_integer("epoch", epoch, 0)
        seed = texture_seed(self.seed, name, number)
        try:
            patches = _patches(image, seed, PatchRule(self.patch_size, self.small_patch_size))
        except SampleError as error:
            raise _naming(name, error) from error
        return Job(name, examples(patches), self.size, seed, wants_raw=True)

    def make(self, jobs: Sequence[TextureJob]) -> list[Pixels]:
        """Returns the texture of each job, (size, size, 3) uint8, made side by side.

        Raises:
            SampleError: If the engine fails.
            EngineStartError: If the engine cannot be started.
            LimitError: If the system starts no thread for the engine.
        """
        textures = []
        for job, texture in self._pool().map((job, job) for job in jobs):
            if isinstance(texture, SampleError):
                raise _naming(job.name, texture)
            textures.append(_pixels(texture))
        return textures

    def _engine_spec(self) -> EngineSpec:
        """The engine, on the device that the first call has found."""
        if self._spec is None:
            chosen = engine_on(EngineSpec(self.engine), self.device)
            self._spec, self._device_note = chosen.engine, chosen.note
            if self._device_note and self._spec.device == CPU:
                _log.warning("%s", self._device_note)
        return self._spec

    def _pool(self) -> EnginePool:
        return shared_pool(
            self._engine_spec(),
            sample_timeout_s(self.size),
            size=self.size,
            engines=self.engines,
        )


def _patches(image: Image.Image | Pixels, seed: int, rule: PatchRule) -> Patches:
    if not isinstance(image, Image.Image):
        check_rgb(image)
        height, width = image.shape[:2]
        return cut_patches(image, patch_geometry(width, height, seed, rule))
    if 0 in image.size:
        raise ValueError(f"expected an image with pixels, got {image.width} x {image.height} px")
    if image.mode != "RGB":
        image = Image.fromarray(to_rgb(image))
    boxes = patch_geometry(image.width, image.height, seed, rule)
    return Patches(_crop(image, boxes, boxes.center), _crop(image, boxes, boxes.random), boxes)


def _crop(image: Image.Image, boxes: Geometry, corner: tuple[int, int]) -> Pixels:
    # The patch alone becomes an array, which is quicker than the whole image.
    x, y = corner
    return np.asarray(image.crop((x, y, x + boxes.side, y + boxes.side)))


def _pixels(texture: Texture | None) -> Pixels:
    if texture is None or texture.pixels is None:
        raise EngineSampleError("engine_garbage", "no pixels")
    return texture.pixels


def _like(form: type[AnImage], pixels: Pixels) -> AnImage:
    """Returns a texture's pixels in the form of its image."""
    if issubclass(form, Image.Image):
        return Image.fromarray(pixels)
    return pixels


def _naming(key: str, error: SampleError) -> SampleError:
    """Returns an error with the key of its image."""
    return type(error)(error.code, f"{key}: {error.detail}" if error.detail else key)
