from __future__ import annotations

import copy
import inspect
import pickle

import pytest

import texgen.build.executors.task
from texgen.core import errors
from texgen.core.errors import FAILURES, InterruptedBuildError, SampleError, TexgenError

KINDS = [
    kind
    for module in (errors, texgen.build.executors.task)
    for kind in vars(module).values()
    if inspect.isclass(kind)
    and issubclass(kind, TexgenError)
    and kind.__module__ == module.__name__
]


def example(kind: type[TexgenError]) -> TexgenError:
    if issubclass(kind, SampleError):
        return kind("engine_timeout", "killed after 120 s")
    if issubclass(kind, InterruptedBuildError):
        return kind("stopped; go on", 143)
    if kind.__name__ == "TaskError":
        return kind("KeyError: 'x'", "Traceback")
    if kind is errors.ImageMemoryError:
        return kind(13_000, 13_000, "n01/a.jpg")
    return kind("train/a.jpg: put it back")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("again", [lambda e: pickle.loads(pickle.dumps(e)), copy.copy])  # noqa: S301
def test_an_error_crosses_processes_whole(kind, again):
    before = example(kind)
    after = again(before)
    assert type(after) is kind
    assert (str(after), after.args, vars(after)) == (str(before), before.args, vars(before))
    assert after.exit_code == before.exit_code


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_is_one_line(kind):
    assert str(example(kind))
    assert "\n" not in str(example(kind))


def test_exit_codes_are_those_of_the_contract():
    codes = {kind.__name__: example(kind).exit_code for kind in KINDS}
    two = {
        "CodeDiffersError",
        "ConfigError",
        "SourceError",
        "SourceChangedError",
        "LockedError",
        "EngineStartError",
        "MissingCodecError",
        "MissingExtraError",
    }
    assert {name for name, code in codes.items() if code == 2} == two
    assert codes.pop("InterruptedBuildError") == 143
    assert set(codes.values()) == {1, 2}


def test_an_image_too_large_for_the_memory_is_told_with_the_option_that_leaves_it_out():
    large, small = errors.ImageMemoryError(13_000, 13_000, "n/a.jpg"), "a.jpg of 600 x 400"
    assert "n/a.jpg of 13000 x 13000 pixels" in str(large)
    assert "--max-pixels 168999999" in str(large)
    # Whatever used the memory up, it was not this one.
    assert small in str(errors.ImageMemoryError(600, 400, "n/a.jpg"))
    assert "--max-pixels" not in str(errors.ImageMemoryError(600, 400, "n/a.jpg"))


@pytest.mark.parametrize("code", FAILURES)
def test_the_reason_of_a_failed_row_is_fixed(code):
    first, second = SampleError(code, "pid 17 at 12:01"), SampleError(code)
    assert first.reason == second.reason == f"{code}: {FAILURES[code]}"
    assert "pid 17" in str(first)
    assert str(second) == second.reason


def test_what_may_be_tried_again_is_told_by_its_type():
    again = {kind.__name__ for kind in KINDS if issubclass(kind, errors.RetryableEngineError)}
    assert again == {
        "RetryableEngineError", "WorkerTimeoutError", "WorkerCrashedError", "WorkerGarbageError",
    }  # fmt: skip
