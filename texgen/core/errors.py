"""All errors that texgen raises on purpose.

A message is one plain line: what happened, to what, and what to do. Errors are sent between
processes, so each keeps its arguments in ``args`` and can be pickled.
"""

from __future__ import annotations

FAILURES = {
    "image_missing": "the file is a link to nothing",
    "image_absent": "the row holds no image",
    "image_denied": "the file may not be read",
    "image_empty": "the file has no bytes",
    "image_unreadable": "the file is not an image in a known format",
    "image_corrupt": "the image's data are cut off or damaged",
    "image_scale": "the image's values are not on a scale of 0 to 255",
    "image_too_large": "the image has more pixels than are allowed",
    "image_file_too_large": "the file has more than 1 GiB",
    "engine_timeout": "no texture within the time allowed",
    "engine_crashed": "the engine process ended without an answer",
    "engine_garbage": "the engine process sent what is not an answer",
    "engine_rejected": "the engine does not take these patches",
    "engine_panicked": "the engine panicked on these patches",
    "engine_failed": "the engine could not run",
    "encoding_failed": "the texture could not be encoded",
}
"""Text of a failed row's ``error`` by code. The texts are fixed: manifests stay reproducible."""


_LARGE = 10_000_000
"""Number of pixels from which an image itself may be what exhausts memory."""


class TexgenError(Exception):
    """Base class of all errors here; the command line ends with ``exit_code``."""

    exit_code = 1


class ConfigError(TexgenError):
    """An option is wrong, or contradicts what is on disk."""

    exit_code = 2


class MissingExtraError(ConfigError, ImportError):
    """A package of an extra is not installed."""


class ArgumentError(TexgenError, ValueError):
    """An argument of a function for training loops has the wrong shape, type, device or values."""


class SourceError(ConfigError):
    """The images of SRC cannot be listed."""


class SourceChangedError(SourceError):
    """An image has changed since the build was planned."""


class SourceReadError(TexgenError):
    """The storage that holds an image failed; another attempt may succeed."""


class LockedError(ConfigError):
    """Another process writes to the same OUT."""


class StorageError(TexgenError):
    """OUT cannot be written or read."""


class ScratchError(StorageError):
    """Temporary files cannot be written on this machine; another machine may succeed."""


class LimitError(TexgenError):
    """The system refuses more memory, threads, processes or open files."""


class ImageMemoryError(LimitError):
    """This machine has too little memory for an image; another machine may have enough.

    Args:
        width: Width of the image, px.
        height: Height of the image, px.
        source: Path of the image relative to SRC; empty if the decoder does not know it.
    """

    def __init__(self, width: int, height: int, source: str = "") -> None:
        super().__init__(width, height, source)
        self.width = width
        self.height = height
        self.source = source

    def __str__(self) -> str:
        pixels = self.width * self.height
        line = (
            f"not enough memory for {self.source or 'an image'} of {self.width} x "
            f"{self.height} pixels: raise the limit (`ulimit -v`, or the memory of the container "
            "or job), or use fewer --workers"
        )
        if pixels >= _LARGE:
            line += f"; in a new OUT, --max-pixels {pixels - 1} turns such images into failed rows"
        return line


class OutputError(TexgenError):
    """A command's result cannot be printed."""


class ShardConflictError(StorageError):
    """A finished shard exists and its bytes differ from those of this attempt."""


class DatasetError(TexgenError):
    """A data set does not exist or cannot be read."""


class BuildFailedError(TexgenError):
    """Some shards could not be built; the others are kept."""


class InterruptedBuildError(TexgenError):
    """The user or the system stopped the build.

    Args:
        message: Text that says how to resume.
        exit_code: Exit code of the process: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class CodeDiffersError(ConfigError):
    """A process or node that builds shards runs another version of texgen than the command."""


class EngineStartError(ConfigError):
    """An engine process cannot be started, so no texture can be made."""


class MissingCodecError(ConfigError):
    """Pillow lacks a format that `texgen.core.decode` reads, so rows would differ."""


class SampleError(TexgenError):
    """One texture cannot be made; the build records a failed row and continues.

    Args:
        code: Key of `FAILURES`.
        detail: Details for the log, which may differ from run to run.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    @property
    def reason(self) -> str:
        """Fixed text that is written to the manifest."""
        return f"{self.code}: {FAILURES[self.code]}"

    def __str__(self) -> str:
        if self.code not in FAILURES:
            # torch passes errors of its loader processes on as a text in place of the arguments.
            return self.code
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class ImageError(SampleError):
    """An image cannot be read."""


class EngineSampleError(SampleError):
    """The engine returned no texture; a retry would give the same result."""


class RetryableEngineError(SampleError):
    """The engine process failed; a retry may succeed."""


class WorkerTimeoutError(RetryableEngineError):
    """The engine process did not answer within the time limit and was killed."""


class WorkerCrashedError(RetryableEngineError):
    """The engine process ended without an answer."""


class WorkerGarbageError(RetryableEngineError):
    """The engine process sent bytes that are not a frame and was killed."""
