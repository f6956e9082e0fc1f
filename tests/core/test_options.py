"""Fields of config dataclasses that are options too."""

from __future__ import annotations

import dataclasses

import pytest

from texgen.core.options import option


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    src: str = dataclasses.field(metadata={"help": "Source of the images."})
    rate: float = option(0.5, "Learning rate, above 0.", min=0, max=1, min_open=True)
    kind: str = option("a", "Kind of the network.", choices=("a", "b"))


def test_a_field_has_its_default_and_a_field_without_one_is_required():
    assert Config("here") == Config("here", 0.5, "a")
    with pytest.raises(TypeError, match="src"):
        Config()


def test_the_metadata_describe_the_option():
    plain = {"min": None, "max": None, "min_open": False, "choices": None}
    metadata = {field.name: dict(field.metadata) for field in dataclasses.fields(Config)}
    assert metadata == {
        "src": {"help": "Source of the images."},
        "rate": {
            **plain, "help": "Learning rate, above 0.", "min": 0, "max": 1, "min_open": True
        },
        "kind": {**plain, "help": "Kind of the network.", "choices": ("a", "b")},
    }  # fmt: skip
