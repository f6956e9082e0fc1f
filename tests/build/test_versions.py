"""All shards of a data set are made by one version of texgen."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

import texgen
from tests.build.test_finish import Heard, again
from tests.conftest import tree
from tests.support.builds import request
from texgen.build import build
from texgen.core.errors import ConfigError
from texgen.core.layout import record_path, shard_path
from texgen.dataset.records import encode_record, read_shard_record
from texgen.storage import Sink

FIRST, SECOND = ("train", 0), ("train", 1)


def made_by(out: Path, version: str | None, *shards: tuple[str, int], code: str | None = None):
    """Changes records to say that another texgen made the shards; by default all records."""
    sink = Sink(out)
    for path in [record_path(*s) for s in shards] or sorted(sink.list("_build/records")):
        # The rows matter only where a manifest is made of them.
        record, rows = read_shard_record(sink.open(path)), []
        sink.write(path, encode_record(replace(record, texgen=version, code=code), rows))


def index(out: Path) -> dict[str, object]:
    return json.loads((out / "index.json").read_text())


def test_the_index_names_the_version_that_made_the_shards(out):
    assert index(out)["texgen"] == texgen.__version__


def test_shards_are_not_added_to_those_of_another_version(out, small_source):
    made_by(out, "0.0.9")
    # Without its record the first shard counts as unfinished, and would be deleted in any case.
    (out / record_path(*FIRST)).unlink()
    (out / shard_path(*FIRST)).unlink()
    before = tree(out)
    with pytest.raises(ConfigError, match=r"texgen 0\.0\.9, and this is .*--overwrite"):
        again(small_source, out)
    assert tree(out) == before


def test_failed_rows_are_not_tried_again_by_another_version(out, small_source):
    made_by(out, "0.0.9")
    asked = request(small_source, out)
    asked = replace(asked, options=replace(asked.options, retry_failed=True))
    before = sorted(path for path in out.rglob("*") if "records" in path.parts)
    with pytest.raises(ConfigError, match=r"texgen 0\.0\.9"):
        build(asked, Heard())
    assert sorted(path for path in out.rglob("*") if "records" in path.parts) == before


def test_a_version_that_records_do_not_tell_is_taken(out, small_source):
    # Records of older builds have no such field.
    made_by(out, None)
    _, said = again(small_source, out)
    assert "texgen" not in index(out)
    assert "other code" not in said


def test_other_code_of_the_same_version_is_said_and_kept(out, small_source):
    made_by(out, texgen.__version__, SECOND, code="0123456789ab")
    (out / record_path(*FIRST)).unlink()
    _, said = again(small_source, out)
    assert "1 finished shard came from other code" in said
    assert "0123456789ab" in said


def test_parts_of_two_versions_are_no_data_set(out, small_source):
    made_by(out, "0.0.9", SECOND)
    with pytest.raises(ConfigError, match=r"parts of OUT were made by texgen 0\.0\.9 and"):
        again(small_source, out)
