"""Other domains and corruptions."""

from __future__ import annotations

import shutil
import sys
import types

import numpy as np
import pytest
import torch

from tests.conftest import make_source, synthetic_image
from tests.evaluate.conftest import Answers
from texgen.core.errors import ConfigError
from texgen.evaluate import corruptions
from texgen.evaluate.corruptions import ALEXNET, mean_corruption_error
from texgen.evaluate.features import (
    centre_view,
    corrupted_view,
    open_folder,
    whole_view,
)
from texgen.evaluate.ood import Domain, evaluate_corrupted, evaluate_domain

CLASSES = ("ant", "bee", "cat")


def test_mce_is_the_mean_of_ratios_to_alexnet():
    errors = {name: [share / 2] * 5 for name, share in ALEXNET.items()}
    assert mean_corruption_error(errors) == pytest.approx(50.0)
    # A corruption with AlexNet's mean error adds half a fifteenth.
    mean = ALEXNET["fog"]
    errors["fog"] = [mean - 0.1, mean - 0.05, mean, mean + 0.05, mean + 0.1]
    assert mean_corruption_error(errors) == pytest.approx(50.0 + 50.0 / 15)


def test_mce_of_some_corruptions_is_refused():
    errors = {name: [0.5] * 5 for name in ALEXNET if name != "snow"}
    with pytest.raises(ConfigError, match="missing: snow"):
        mean_corruption_error(errors)
    errors["snow"] = [0.5] * 4
    with pytest.raises(ConfigError, match="missing: snow"):
        mean_corruption_error(errors)


def test_images_of_other_classes_are_left_out(tiny_run, tmp_path):
    make_source(tmp_path, {"bee": 2, "cat": 1, "emu": 3}, (40, 40))
    # Ant is not a class of the set, so it is never the answer.
    answers = Answers(CLASSES, torch.tensor([[9.0, 1, 0]] * 2 + [[9.0, 0, 1]] * 4))
    found = evaluate_domain(tiny_run, answers, Domain("set", open_folder(str(tmp_path))))
    assert found["accuracy"] == 100.0
    assert (found["images"], found["left_out"], found["classes"]) == (3, 3, 2)


def test_a_folder_may_have_the_name_of_a_split(tmp_path):
    make_source(tmp_path / "test", {"bee": 2}, (40, 40))
    assert len(open_folder(str(tmp_path / "test")).positions) == 2


@pytest.mark.parametrize("group", ["", "noise/"])
def test_imagenet_c_is_read_with_and_without_groups(group, tiny_run, tmp_path):
    for severity in range(1, 6):
        make_source(tmp_path / f"{group}fog/{severity}", {"ant": 1, "bee": 1}, (32, 32))
    answers = Answers(CLASSES, torch.tensor([[1.0, 0, 0], [1, 0, 0]]))
    found = evaluate_corrupted(tiny_run, answers, str(tmp_path), ["fog"])
    assert found["accuracy"] == {"fog": [50.0] * 5}
    assert found["mean"] == 50.0
    # AlexNet's errors are known for a thousand classes only.
    assert found["mce"] is None
    shutil.rmtree(tmp_path / f"{group}fog/3")
    with pytest.raises(ConfigError, match="no fog/3"):
        evaluate_corrupted(tiny_run, answers, str(tmp_path), ["fog"])


def test_an_image_that_was_cut_already_is_taken_whole():
    image = synthetic_image(1, (32, 32))
    whole, centre = whole_view(image, 32, (0, 0)), centre_view(image, 32, (0, 0))
    pixels = torch.from_numpy(np.asarray(image, np.float32)).permute(2, 0, 1)
    scale = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) * 255
    mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * 255
    assert torch.allclose(whole * scale + mean, pixels, atol=1e-3)
    assert not torch.allclose(whole, centre, atol=0.1)


def test_corrupting_here_takes_the_librarys_functions_and_its_own_numbers(monkeypatch):
    def corrupt(image, severity, corruption_name, **more):
        assert image.shape == (32, 32, 3)
        assert ("seed" in more) == (corruption_name in ("impulse_noise", "glass_blur"))
        return np.full_like(image, severity * 10 + np.random.randint(10))  # noqa: NPY002

    monkeypatch.setitem(sys.modules, "imagecorruptions", types.SimpleNamespace(corrupt=corrupt))
    image = synthetic_image(1, (40, 40))
    first = [
        corrupted_view(name, 3, image, 32, (0, n))
        for name in ("fog", "glass_blur")
        for n in range(9)
    ]
    again = [
        corrupted_view(name, 3, image, 32, (0, n))
        for name in ("fog", "glass_blur")
        for n in range(9)
    ]
    assert all(map(torch.equal, first, again))
    assert len({float(one.mean()) for one in first}) > 4


def test_without_the_library_the_package_is_named(monkeypatch):
    monkeypatch.setattr(corruptions, "_LIBRARY", "no_such_module")
    with pytest.raises(ConfigError, match="pip install imagecorruptions-imaug"):
        corruptions.check_library(224)


def test_a_library_that_does_not_load_is_one_line(monkeypatch, tmp_path):
    (tmp_path / "imagecorruptions").mkdir()
    (tmp_path / "imagecorruptions" / "__init__.py").write_text("raise ImportError('no libGL.so.1')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "imagecorruptions", raising=False)
    with pytest.raises(ConfigError, match=r"it does not load here \(no libGL.so.1\)"):
        corruptions.check_library(224)


def test_every_corruption_of_the_library_is_made():
    image = synthetic_image(1, (64, 64))
    plain = centre_view(image, 48, (0, 0))
    for name in ALEXNET:
        first = corrupted_view(name, 3, image, 48, (0, 5))
        assert not torch.allclose(first, plain), name
        assert torch.equal(first, corrupted_view(name, 3, image, 48, (0, 5))), name
