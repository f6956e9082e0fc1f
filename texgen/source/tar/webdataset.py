"""Images in WebDataset shards."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

import pyarrow.compute as pc

from texgen.core.errors import SourceError
from texgen.core.text import pluralize
from texgen.core.types import ArrowTable
from texgen.source.archive.split import ArchiveSplit
from texgen.source.base import NO_LABELS, OnError, is_image_name
from texgen.source.labels.rules import ArchiveImage, ByNumber, ByText, Labelling
from texgen.source.locator import Archive
from texgen.source.paths import displayable, member_path
from texgen.source.tar.index import IndexRow, ignored, index_rows, json_label, tar_indexes
from texgen.source.tar.reader import TarSource
from texgen.source.tar.sample_names import extension, sample_key

_SHOWN = 4
_BOM = b"\xef\xbb\xbf"
_FIELD = re.compile(rb"[a-z_][a-z0-9_.-]*")
"""An extension that may name a part of a sample, unlike the digits behind a number's dot."""

_NUMBER = re.compile(rb"(-?[0-9]{1,18})(?:\.0*)?")
_LIKE_A_NUMBER = re.compile(rb"[-+]?[0-9]*\.?[0-9]+(?:[eE][-+]?[0-9]+)?|[-+]?(?:nan|inf)", re.I)


class WebDatasetSource(TarSource):
    """A folder of tars, a folder of split folders of tars, one tar, or a pattern of tars.

    Labels are the contents of the ``.cls`` files, numbers or class names. In a split without
    them the folders in the keys are the classes; without these, ``--labels`` may name them.
    """

    clash_hint = (
        "rename one (a key ends at the first dot of a name), or, if they are in two archives, add "
        "--keys file for keys that begin with the archive's name"
    )

    def _split(self, name: str, paths: Iterable[str]) -> ArchiveSplit:
        archives = self._open_archives(paths)
        indexes = tar_indexes(self._files, archives, self._on_error, self._spec.label_field)
        samples = WebDatasetSamples(archives, indexes, self._spec.image_field)
        if labelling := samples.labelling():
            split = self._labelled(name, archives, samples.images, labelling)
        else:
            self._check_unlabelled(name, samples)
            split = self._unlabelled(name, archives, samples.images)
        split.notes.extend(samples.notes(name))
        return split

    def _check_unlabelled(self, name: str, samples: WebDatasetSamples) -> None:
        label_field = self._spec.label_field
        if label_field not in (None, NO_LABELS):
            message = f"--label-field {label_field}: no sample of {name!r} has a label there"
            self._on_error(SourceError(message))
        elif label_field is None and not self._spec.labels and (key := samples.json_label()):
            message = (
                f"the .json files of {name!r} hold {key!r}, which is read only if it is asked for; "
                f"add --label-field json.{key}, or --label-field {NO_LABELS}"
            )
            self._on_error(SourceError(message))


@dataclass(slots=True)
class WebDatasetSamples:
    """The samples of a split's tars: the files of one key in one tar.

    Args:
        archives: The tars.
        indexes: Indexes of the tars, in the same order.
        image_field: Extension of the images; None takes every extension of images.
    """

    archives: Sequence[Archive]
    indexes: Sequence[ArrowTable]
    image_field: str | None = None
    _imageless: int = field(default=0, init=False)
    _imageless_extensions: Counter[bytes] = field(default_factory=Counter, init=False)
    _hidden: int = field(default=0, init=False)
    _are_text: bool = field(default=False, init=False)

    def labelling(self) -> Labelling | None:
        """The rule for the labels in the tars; None if no sample has one, not even a wrong one."""
        contents = {data for i in self.indexes for data in pc.unique(i["label"]).to_pylist()}
        labels = {_clean(data) for data in contents if data is not None} - {b"-1"}
        # A single number makes all of them numbers.
        self._are_text = bool(labels) and not any(map(_LIKE_A_NUMBER.fullmatch, labels))
        if self._are_text:
            return ByText(prefix=False)
        return ByNumber(None, prefix=False) if labels else None

    def json_label(self) -> str | None:
        """The key in the samples' JSON that seems to be their label."""
        return next(filter(None, map(json_label, self.indexes)), None)

    def images(self, on_error: OnError) -> Iterator[ArchiveImage]:
        """The image of every sample.

        Args:
            on_error: Called for each further image of a sample and each malformed label.
        """
        self._imageless = self._hidden = 0
        self._imageless_extensions.clear()
        for number, index in enumerate(self.indexes):
            for key, files in self._samples(index_rows(index)):
                images = [file for file in files if self._is_image(file.name)]
                if not images:
                    self._imageless += 1
                    # Unlike a set's, the order of a dict is that of the tar: notes are part of OUT.
                    extensions = dict.fromkeys(extension(file.name) for file in files)
                    self._imageless_extensions.update(extensions.keys())
                    continue
                for other in images[1:]:
                    on_error(SourceError(self._two_images(number, key, images[0], other)))
                try:
                    label = self._label_of(files)
                except ValueError as error:
                    source = self._source(number, images[0])
                    on_error(SourceError(f"the label beside {source} {error}"))
                    continue
                name, offset, size, check, _ = images[0]
                yield ArchiveImage(number, name, key, label, offset, size, check)

    def notes(self, split: str) -> Iterator[str]:
        """What was ignored, a sentence each."""
        if self._imageless:
            common = self._imageless_extensions.most_common(_SHOWN)
            extensions = (f".{displayable(ext)}" for ext, _ in common if ext)
            listed = ", ".join(extensions) or "no extensions"
            samples = pluralize(self._imageless, "sample")
            yield f"{samples} of {split!r} without an image ignored (their files: {listed})"
        if self._hidden:
            images = pluralize(self._hidden, "image")
            yield f"{images} of {split!r} with a step of the path that begins with a dot ignored"
        if members := ignored(self.indexes):
            yield f"{members} in the tars of {split!r} ignored"

    def _is_image(self, name: bytes) -> bool:
        if self.image_field is None:
            return is_image_name(b"." + extension(name))
        wanted = self.image_field.lower().removeprefix(".")
        return extension(name) == wanted.encode("utf-8", "surrogateescape")

    def _samples(self, files: Iterable[IndexRow]) -> Iterator[tuple[bytes, list[IndexRow]]]:
        """Key and files of each sample."""
        last_key, sample = b"", list[IndexRow]()
        for file in files:
            path = member_path(file.name)
            if path is None:
                # macOS adds a file "._NAME" beside each file, which is not a lost image.
                is_apple_double = file.name.rpartition(b"/")[2].startswith(b"._")
                self._hidden += self._is_image(file.name) and not is_apple_double
                continue
            key = sample_key(path)
            if key != last_key and sample:
                yield last_key, sample
                sample = []
            last_key = key
            sample.append(file)
        if sample:
            yield last_key, sample

    def _two_images(self, number: int, key: bytes, one: IndexRow, other: IndexRow) -> str:
        first, second = self._source(number, one), self._source(number, other)
        if one.name == other.name:
            places = f"at bytes {one.offset} and {other.offset}"
            return f"{first} is in the tar twice ({places}); rename one, or remove it"
        message = (
            f"{first} and {second} are images of one sample, since a key ends at the first dot "
            f"({displayable(key)}); rename them without dots before the extension"
        )
        fields = [extension(file.name) for file in (one, other)]
        if not all(map(_FIELD.fullmatch, fields)):
            return message
        choice = " or ".join(map(displayable, fields))
        return f"{message}, or, if the sample has two images, choose by --image-field {choice}"

    def _label_of(self, files: Sequence[IndexRow]) -> int | bytes | None:
        """A sample's label; None without one.

        Raises:
            ValueError: If the content of a label file is not a label. The message is a predicate:
                "is 'x'; expected ...".
        """
        labels = dict.fromkeys(_clean(file.label) for file in files if file.label is not None)
        if len(labels) > 1:
            one, other, *_ = map(_quoted, labels)
            raise ValueError(f"is {one} in one file and {other} in another; keep one of them")
        for data in labels:
            return _text(data) if self._are_text else _number(data)
        return None

    def _source(self, number: int, file: IndexRow) -> str:
        return f"{self.archives[number].text}!{displayable(file.name)}"


def _clean(data: bytes) -> bytes:
    return data.removeprefix(_BOM).strip()


def _number(data: bytes) -> int | None:
    """A label that is a number; None for -1, which stands for no label."""
    match = _NUMBER.fullmatch(data)
    number = int(match[1]) if match else -2
    if number < -1:
        raise ValueError(f"is {_quoted(data)}; expected a number from 0 on, as others of the split")
    return None if number == -1 else number


def _text(data: bytes) -> bytes | None:
    """A label that is a class name; None for -1."""
    if data == b"-1":
        return None
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = ""
    if not text or not all(c.isprintable() for c in text):
        raise ValueError(
            f"is {_quoted(data)}; expected a number from 0 on, or a class name as text"
        )
    return data


def _quoted(data: bytes) -> str:
    return repr(data[:40])[1:]
