"""Every error that texgen raises on purpose.

A message is one plain line that names the thing and the mend. Errors cross
process borders, so each keeps its arguments in ``args`` and pickles.
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
"""Code to text of a failed row's ``error``: fixed, so that manifests are reproducible."""


_LARGE = 10_000_000
"""Pixels of an image that may itself be what uses memory up."""


class TexgenError(Exception):
    """Base of all; ``exit_code`` is what the command line ends with."""

    exit_code = 1


class ConfigError(TexgenError):
    """An option is wrong, or contradicts what is on disk."""

    exit_code = 2


class SourceError(ConfigError):
    """The photographs cannot be listed."""


class SourceChangedError(SourceError):
    """A photograph is no longer what it was when the build was planned."""


class SourceReadError(TexgenError):
    """The storage of a photograph failed; another attempt may succeed."""


class LockedError(ConfigError):
    """Another process writes to the same OUT."""


class StorageError(TexgenError):
    """OUT cannot be written or read."""


class ScratchError(StorageError):
    """Files on their way to OUT cannot be written on this machine; on another they may."""


class LimitError(TexgenError):
    """The system gives a process no more memory, threads, processes or open files."""


class ImageMemoryError(LimitError):
    """This machine has too little memory for an image, of which another may make a texture.

    Args:
        width: Width of the image, px.
        height: Height of the image, px.
        source: Where it is, relative to SRC; empty where whoever decodes does not know.
    """

    def __init__(self, width: int, height: int, source: str = "") -> None:
        super().__init__(width, height, source)
        self.width = width
        self.height = height
        self.source = source

    def __str__(self) -> str:
        pixels = self.width * self.height
        line = (
            f"memory does not suffice for {self.source or 'an image'} of {self.width} x "
            f"{self.height} pixels: raise the limit (`ulimit -v`, or the memory of the container "
            "or job), or take fewer --workers"
        )
        if pixels >= _LARGE:
            line += f"; --max-pixels {pixels - 1} makes such images failed rows of a new OUT"
        return line


class OutputError(TexgenError):
    """A command's result cannot be printed."""


class ShardConflictError(StorageError):
    """A finished shard is there with other bytes than this attempt made."""


class DatasetError(TexgenError):
    """A data set on disk is not there or not readable as one."""


class BuildFailedError(TexgenError):
    """Some shards could not be made; the others are kept."""


class InterruptedBuildError(TexgenError):
    """The user or the system stopped the build.

    Args:
        message: How to go on.
        exit_code: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message, exit_code)
        self.exit_code = exit_code

    def __str__(self) -> str:
        return str(self.args[0])


class CodeDiffersError(ConfigError):
    """A process or node that makes shards has another texgen than the command."""


class EngineStartError(ConfigError):
    """An engine process cannot be started at all, so no sample can be made."""


class MissingCodecError(ConfigError):
    """Pillow was built without a format that `texgen.source.decode` reads: rows would differ."""


class SampleError(TexgenError):
    """One texture cannot be made; the build records it and goes on.

    Args:
        code: A key of `FAILURES`.
        detail: What happened, for the log; may differ from run to run.
    """

    def __init__(self, code: str, detail: str = "") -> None:
        super().__init__(code, detail)
        self.code = code
        self.detail = detail

    @property
    def reason(self) -> str:
        """The fixed text that goes into the manifest."""
        return f"{self.code}: {FAILURES[self.code]}"

    def __str__(self) -> str:
        return f"{self.reason} ({self.detail})" if self.detail else self.reason


class ImageError(SampleError):
    """A photograph cannot be read."""


class EngineSampleError(SampleError):
    """The engine gave an answer that is not a texture; another try gives the same."""


class RetryableEngineError(SampleError):
    """The engine process failed; another try may succeed."""


class WorkerTimeoutError(RetryableEngineError):
    """No answer within the time-out; the process was killed."""


class WorkerCrashedError(RetryableEngineError):
    """The process ended without an answer."""


class WorkerGarbageError(RetryableEngineError):
    """The process sent bytes that are not a frame; it was killed."""
