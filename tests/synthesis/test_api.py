from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import synthetic_image
from texgen.core.config import ENGINES
from texgen.synthesis import api, shared_pools, synthesize

PATCH = np.asarray(synthetic_image(0, (20, 20)))


@pytest.fixture(autouse=True)
def no_engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong arguments start no engine."""
    if "error" in request.fixturenames:
        monkeypatch.setattr(api, "shared_pool", None)


@pytest.mark.parametrize(
    ("given", "error", "says"),
    [
        ({"size": 32.0}, TypeError, "size must be an integer"),
        ({"size": 0}, ValueError, "size must be 1 to"),
        ({"size": 1025}, ValueError, "size must be 1 to 1024, .*'embark' goes to 4096"),
        ({"size": 4097, "engine": "embark"}, ValueError, "size must be 1 to 4096"),
        ({"seed": 1.5}, TypeError, "seed must be an integer"),
        ({"seed": -1}, ValueError, "seed must be 0 to"),
        ({"seed": 2**64}, ValueError, "seed must be 0 to"),
        ({"patches": []}, ValueError, "1 to 255 patches"),
        ({"patches": [PATCH] * 256}, ValueError, "1 to 255 patches"),
        ({"patches": [PATCH.tolist()]}, TypeError, "got list"),
        ({"patches": PATCH}, ValueError, "uint8"),
        ({"engine": "quilt"}, ValueError, ", ".join(ENGINES)),
        ({"engine": "embark", "engine_bin": "ts"}, ValueError, "engine_bin goes with"),
    ],
)
def test_a_wrong_argument_is_the_error_that_python_has_for_it(given, error, says):
    with pytest.raises(error, match=says):
        synthesize(**{"patches": [PATCH], **given})


def test_numpys_integers_are_numbers_as_good_as_any():
    plain = synthesize([PATCH], 32, 7, engine="stub")
    assert np.array_equal(synthesize([PATCH], np.int32(32), np.uint64(7), engine="stub"), plain)


def test_a_large_texture_has_more_time_and_sizes_share_engines():
    for size in (16, 32, 224, 225, 300, 1025):
        synthesize([PATCH], size, engine="stub")
    times = [timeout for _, spec, timeout, *_ in shared_pools._pools if spec.name == "stub"]
    assert sorted(times) == [pytest.approx(120 * (top / 224) ** 2) for top in (224, 1024, 4096)]
    shared_pools.close_pools()
