from __future__ import annotations

import hashlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.factories import ENGINE, config
from texgen.core.config import RunOptions
from texgen.core.fingerprint import SourceDigest, canonical_json, differences, fingerprint

SOURCES = {"train": "ab", "val": "cd"}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


def of(**changes: object) -> str:
    return fingerprint(config(**changes).canonical(), SOURCES)


@pytest.mark.parametrize(
    "change",
    [
        {"engine": replace(ENGINE, name="other")},
        {"engine": replace(ENGINE, version="2")},
        {"engine": replace(ENGINE, parameters={"candidates": 51.0})},
        {"engine": replace(ENGINE, encoders={**ENGINE.encoders, "png": "png 2"})},
        {"decode_rule": "other"},
        {"max_pixels": 1001},
        {"size": 17},
        {"patch_size": 95},
        {"small_patch_size": 47},
        {"textures_per_image": 2},
        {"format": "webp"},
        {"quality": 95},
        {"samples_per_shard": 511},
        {"seed": 1},
        {"limit": 5},
    ],
)
def test_whatever_changes_bytes_changes_the_fingerprint(change):
    assert of(**change) != of()


def test_an_encoder_that_is_not_used_leaves_the_fingerprint_alone():
    other = replace(ENGINE, encoders={**ENGINE.encoders, "jpg": "jpg 2"})
    assert of(engine=other) == of()


def test_the_fingerprint_is_that_of_its_json_read_back():
    canonical = config(format="jpg", quality=90).canonical()
    assert fingerprint(json.loads(canonical_json(canonical)), SOURCES) == fingerprint(
        canonical, dict(reversed(SOURCES.items()))
    )


def test_every_split_and_its_name_take_part_in_the_fingerprint():
    canonical = config().canonical()
    others = [{"train": "ab"}, {"train": "ab", "val": "ce"}, {"train": "ab", "test": "cd"}]
    assert len({fingerprint(canonical, sources) for sources in (SOURCES, *others)}) == 4


@given(JSON)
def test_canonical_json_is_ascii_that_reads_back(value):
    text = canonical_json(value)
    assert text.isascii()
    assert json.loads(text) == value


@given(st.dictionaries(st.text(), st.integers(), max_size=6))
def test_canonical_json_knows_no_order_of_insertion(value):
    assert canonical_json(value) == canonical_json(dict(reversed(value.items())))


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_canonical_json_refuses_what_json_lacks(value):
    with pytest.raises(ValueError, match="JSON"):
        canonical_json([value])


SHORT = st.text(max_size=3)
IMAGES = st.lists(st.tuples(SHORT, SHORT, st.integers(-1, 20), st.none() | st.just(0)), max_size=4)


def digest(image_source: list[tuple[str, str, int, int | None]]) -> str:
    whole = SourceDigest()
    for synthetic_image in image_source:
        whole.add(*synthetic_image)
    return whole.hexdigest()


@given(IMAGES, IMAGES)
def test_a_source_digest_is_equal_for_equal_images_alone(first, second):
    assert (digest(first) == digest(second)) == (first == second)


@given(IMAGES)
def test_a_source_digest_is_the_hash_of_lines_of_canonical_json(image_source):
    lines = b"".join(
        canonical_json(list(synthetic_image)) + b"\n" for synthetic_image in image_source
    )
    assert digest(image_source) == hashlib.sha256(lines).hexdigest()


def test_differences_name_each_option_with_both_values():
    found = differences({"size": 224, "seed": 0, "gone": 1}, {"size": 128, "seed": 0, "new": None})
    assert len(found) == 2
    assert "gone" in found[0]
    assert all(part in found[1] for part in ("size", "224", "128"))


@given(st.integers(0, 100), st.integers(0, 20_000))
def test_a_percentage_allows_just_that_share_of_the_images(percent, hundreds):
    options = RunOptions(max_failures=percent / 100)
    assert options.failures_allowed(100 * hundreds) == percent * hundreds
    assert options.failures_allowed(100 * hundreds + 7) == percent * hundreds + percent * 7 // 100


def test_29_percent_of_100_images_are_29():
    assert RunOptions(max_failures=0.29).failures_allowed(100) == 29


@given(st.integers(0, 1000), st.integers(0, 1000))
def test_a_number_of_failures_does_not_depend_on_the_images(number, images):
    assert RunOptions(max_failures=number).failures_allowed(images) == number
