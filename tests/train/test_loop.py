"""Small training runs: resumed exactly, stopped, with several processes, with errors."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from tests.conftest import command, make_source
from texgen.cli.main import run
from texgen.train.checkpoint import checkpoints, load_checkpoint
from texgen.train.metrics import read_metrics

TINY = [
    *("--arch", "resnet18", "--width", "0.125", "--size", "32", "--batch-size", "4"),
    *("--patch-range", "8", "16", "--queue-size", "16", "--epochs", "3", "--log-every", "1"),
    *("--workers", "0", "--quiet", "--device", "cpu"),
]


def arguments(image_folder: Path, out: Path, *more: str) -> list[str]:
    return ["train", "--src", str(image_folder), "--out", str(out), *TINY, *more]


def losses(out: Path) -> list[float]:
    return [row["loss"] for row in read_metrics(out)]


FRESH = ["--negatives", "texture", "--fresh"]


@pytest.mark.parametrize("method", ["moco", "simclr", "byol"])
@pytest.mark.parametrize(
    "negatives",
    [
        ["--negatives", "texture", "--textures", "…"],
        ["--negatives", "patch"],
        [*FRESH, "--num-negatives", "2", "--fresh-every", "2"],
    ],
    ids=["texture", "patch", "fresh"],
)
def test_a_run_that_is_killed_and_resumed_equals_an_undisturbed_one(
    method, negatives, image_folder, textures, tmp_path
):
    options = ["--method", method, *(str(textures) if o == "…" else o for o in negatives)]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert run(arguments(image_folder, whole, *options)) == 0
    # Ends in the middle of an epoch, like a run that is killed after the checkpoint of that step.
    assert run(arguments(image_folder, cut, *options, "--max-steps", "7")) == 0
    assert losses(cut) == losses(whole)[:7]
    # The rows after the checkpoint are lost.
    with (cut / "metrics.jsonl").open("a") as file:
        file.write(json.dumps({"step": 8, "epoch": 1.6, "loss": 99.0}) + '\n{"step": 9, "lo')
    assert run(arguments(image_folder, cut, *options)) == 0
    assert losses(cut) == losses(whole)
    assert [row["step"] for row in read_metrics(cut)] == list(range(1, 16))
    states = [load_checkpoint(checkpoints(out)[-1])["method"] for out in (whole, cut)]
    assert all(torch.equal(v, states[1][k]) for k, v in states[0].items())


def test_a_finished_run_is_left_as_it_is(image_folder, tmp_path, capsys):
    for _ in range(2):
        assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "2", "--json")) == 0
    first, second = (json.loads(line) for line in capsys.readouterr().out.splitlines())
    assert first == second
    assert first["steps"] == 2


def test_metrics_are_in_lines_and_a_table(image_folder, textures, tmp_path):
    out = tmp_path / "run"
    options = ["--negatives", "texture", "--textures", str(textures), "--max-steps", "3"]
    assert run(arguments(image_folder, out, *options)) == 0
    rows = read_metrics(out)
    assert len(rows) == 3
    for row in rows:
        assert {"loss", "lr", "positive", "negative", "nonsemantic", "ns_share"} <= row.keys()
        assert 0 < row["ns_share"] < 1
        assert row["images_per_s"] > 0
        assert 0 <= row["data_share"] <= 1
    with (out / "metrics.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in table] == [row["loss"] for row in rows]


def test_only_the_last_checkpoints_are_kept(image_folder, tmp_path):
    assert run(arguments(image_folder, tmp_path / "run", "--keep", "2")) == 0
    names = [path.name for path in checkpoints(tmp_path / "run")]
    assert names == ["step-00000010.pt", "step-00000015.pt"]
    assert sorted(p.name for p in (tmp_path / "run" / "checkpoints").iterdir()) == names


def test_accumulated_parts_have_the_gradient_and_the_loss_of_one_batch(
    image_folder, tmp_path, monkeypatch
):
    """BYOL without batch statistics, so that images do not depend on each other."""
    monkeypatch.setattr("texgen.train.networks.norm_of", lambda splits: lambda _: Unnormed())
    monkeypatch.setattr("texgen.train.networks.nn.BatchNorm1d", lambda _: torch.nn.Identity())
    more = ["--method", "byol", "--max-steps", "1", "--lr", "0.05"]
    weights, told = [], []
    for parts in ("1", "2"):
        out = tmp_path / parts
        assert run(arguments(image_folder, out, *more, "--accumulate", parts)) == 0
        weights.append(load_checkpoint(checkpoints(out)[-1])["method"]["predictor.3.weight"])
        told.append(losses(out)[0])
    assert torch.allclose(*weights, atol=1e-6)
    assert told[1] == pytest.approx(told[0], abs=1e-5)


def test_a_step_in_bfloat16_is_another_step_with_nearly_the_same_loss(image_folder, tmp_path):
    plain, fast = first_losses(image_folder, tmp_path, "--amp", run)
    assert fast == pytest.approx(plain, abs=0.05)
    assert fast != plain


# torch's compiler takes more than a minute when its cache is cold.
@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
def test_a_compiled_step_has_the_loss_of_the_plain_one(image_folder, tmp_path):
    # In another process, because torch's compiler starts threads and raises the recursion limit.
    plain, fast = first_losses(
        image_folder, tmp_path, "--compile", lambda given: subprocess.call(command(*given))
    )
    assert fast == pytest.approx(plain, abs=1e-4)


def first_losses(
    image_folder: Path, folder: Path, flag: str, call: Callable[[list[str]], int]
) -> list[float]:
    """Returns the losses of the first step, without the flag and with it."""
    options = ["--negatives", "patch", "--max-steps", "1"]
    for name, more in (("plain", []), ("fast", [flag])):
        assert call(arguments(image_folder, folder / name, *options, *more)) == 0
    return [losses(folder / name)[0] for name in ("plain", "fast")]


class Unnormed(torch.nn.Identity):
    """An identity with the parameters that torchvision initialises."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.bias = torch.nn.Parameter(torch.zeros(()))


@pytest.mark.parametrize("method", ["moco", "simclr"])
def test_each_query_meets_the_negatives_of_its_own_view(method, image_folder, tmp_path):
    """A patch as large as the image is the query itself, so that their cosine is 1."""
    options = ["--method", method, "--negatives", "patch", "--patch-range", "32", "32"]
    more = ["--momentum", "0", "--num-negatives", "2", "--max-steps", "3", "--alpha", "0.5"]
    assert run(arguments(image_folder, tmp_path / "run", *options, *more)) == 0
    for row in read_metrics(tmp_path / "run"):
        assert row["nonsemantic"] == pytest.approx(1.0, abs=1e-4)
        assert row["positive"] < 0.999


def test_a_run_of_before_an_option_existed_is_resumed_with_its_default(
    image_folder, tmp_path, capsys
):
    out = tmp_path / "run"
    assert run(arguments(image_folder, out, "--max-steps", "1")) == 0
    state = load_checkpoint(checkpoints(out)[-1])
    config = json.loads(state["config"])
    added = {name: config.pop(name) for name in ("fresh", "fresh_every", "patch_size")}
    assert added == {"fresh": False, "fresh_every": 1, "patch_size": None}
    torch.save(state | {"config": json.dumps(config)}, checkpoints(out)[-1])
    assert run(arguments(image_folder, out, "--max-steps", "2")) == 0
    capsys.readouterr()
    assert run(arguments(image_folder, out, *FRESH)) == 2
    said = capsys.readouterr().err
    assert "--negatives was none and is texture, --fresh was False and is True; name" in said


def test_fresh_textures_are_the_same_in_any_number_of_processes_which_leave_no_engine(
    image_folder, tmp_path, no_orphans
):
    options = ["--method", "simclr", *FRESH, "--epochs", "1"]
    for workers in ("0", "2"):
        line = arguments(image_folder, tmp_path / workers, *options, "--workers", workers)
        assert run(line) == 0
    assert losses(tmp_path / "0") == losses(tmp_path / "2")


@pytest.mark.whole
@pytest.mark.parametrize("workers", [pytest.param("0", marks=pytest.mark.slow), "2"])
def test_fresh_textures_of_a_gpu_train_as_those_of_processors(
    image_folder, tmp_path, gpu, monkeypatch, capsys, no_orphans, workers
):
    options = ["--method", "simclr", *FRESH, "--epochs", "1", "--num-negatives", "2"]
    options += ["--texture-size", "24", "--workers", workers]
    assert run(arguments(image_folder, tmp_path / "cpu", *options)) == 0
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    line = arguments(image_folder, tmp_path / "gpu", *options, "--texture-device", "gpu")
    assert run(line) == 0
    assert f"textures are made on {gpu}\n" in capsys.readouterr().err
    assert losses(tmp_path / "gpu") == losses(tmp_path / "cpu")


@pytest.mark.whole
def test_a_run_that_is_resumed_on_another_device_equals_one_that_never_stopped(
    image_folder, tmp_path, gpu, monkeypatch, capsys, no_orphans
):
    """From the processor to the GPU in the middle of an epoch, and back in that of the next."""
    monkeypatch.setenv("TEXGEN_SOFTWARE_GPU", "1")
    options = ["--method", "simclr", *FRESH, "--epochs", "2"]
    whole, moved = tmp_path / "whole", tmp_path / "moved"
    assert run(arguments(image_folder, whole, *options, "--max-steps", "7")) == 0
    # An epoch has 5 steps.
    for device, steps in [("cpu", "4"), ("gpu", "6"), ("cpu", "7")]:
        line = [*options, "--texture-device", device, "--max-steps", steps]
        assert run(arguments(image_folder, moved, *line)) == 0
        assert (f"textures are made on {gpu}\n" in capsys.readouterr().err) == (device == "gpu")
        assert losses(moved) == losses(whole)[: int(steps)]


def test_without_a_gpu_a_run_says_that_processors_make_its_fresh_textures(
    image_folder, tmp_path, monkeypatch, capsys, no_orphans
):
    for name in ("VK_ICD_FILENAMES", "VK_DRIVER_FILES"):
        monkeypatch.setenv(name, "/nonexistent.json")
    line = arguments(image_folder, tmp_path / "run", *FRESH, "--max-steps", "1")
    assert run([*line, "--texture-device", "auto"]) == 0
    assert "the processor makes the textures: no GPU" in capsys.readouterr().err
    other = arguments(image_folder, tmp_path / "other", *FRESH, "--texture-device", "gpu")
    assert run(other) == 2
    assert "device gpu: no GPU" in capsys.readouterr().err.splitlines()[-1]


def test_an_epoch_of_fresh_textures_has_the_losses_of_one_with_built_textures(
    image_folder, tmp_path, no_orphans
):
    out = tmp_path / "textures"
    sizes = ["--size", "48", "--patch-size", "20", "--small-patch-size", "10", "--seed", "4"]
    line = ["build", "--src", str(image_folder), "--out", str(out), *sizes, "--no-ray", "--quiet"]
    assert run(line) == 0
    kinds = {
        "built": ["--textures", str(out)],
        "fresh": ["--fresh", "--texture-size", "48", "--patch-size", "20"],
    }
    for name, kind in kinds.items():
        more = ["--negatives", "texture", "--seed", "4", "--epochs", "2", *kind]
        assert run(arguments(image_folder, tmp_path / name, *more)) == 0
    built, fresh = losses(tmp_path / "built"), losses(tmp_path / "fresh")
    assert fresh[:5] == built[:5]
    assert fresh[5:] != built[5:]


def test_another_option_than_the_checkpoints_is_named(image_folder, tmp_path, capsys):
    out = tmp_path / "run"
    assert run(arguments(image_folder, out, "--max-steps", "1")) == 0
    capsys.readouterr()
    assert run(arguments(image_folder, out, "--lr", "0.5", "--workers", "1")) == 2
    said = capsys.readouterr().err
    assert "--lr was 0.03 and is 0.5; name another --out" in said
    assert "workers" not in said


def test_a_loss_that_is_not_a_number_ends_the_run_and_keeps_the_last_checkpoint(
    image_folder, tmp_path, capsys
):
    out = tmp_path / "run"
    assert run(arguments(image_folder, out, "--max-steps", "5")) == 0
    state = load_checkpoint(checkpoints(out)[-1])
    state["method"]["encoder.fc.0.weight"].fill_(float("nan"))
    torch.save(state, checkpoints(out)[-1])
    capsys.readouterr()
    assert run(arguments(image_folder, out)) == 1
    assert "the loss is nan at step 6" in capsys.readouterr().err
    assert [path.name for path in checkpoints(out)] == ["step-00000005.pt"]


@pytest.mark.parametrize("content", [b"", b"PK\3\4 no archive", b"\x80\x04N."])
def test_a_damaged_checkpoint_is_one_line(content, image_folder, tmp_path, capsys):
    place = tmp_path / "run" / "checkpoints" / "step-00000001.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(content)
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert str(place) in said


def test_a_checkpoint_that_would_run_code_is_not_loaded(image_folder, tmp_path, capsys):
    place = tmp_path / "run" / "checkpoints" / "step-00000001.pt"
    place.parent.mkdir(parents=True)
    torch.save({"config": "{}", "method": Evil(), "step": 1}, place)
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    assert "not a checkpoint of texgen train" in capsys.readouterr().err


def test_a_damaged_checkpoint_names_the_one_before_it(image_folder, tmp_path, capsys):
    assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "10")) == 0
    first, last = checkpoints(tmp_path / "run")
    last.write_bytes(last.read_bytes()[:1000])
    capsys.readouterr()
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    assert f"{last} is damaged" in (said := capsys.readouterr().err)
    assert f"remove it to resume from {first.name}" in said


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("code of a checkpoint was run",))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--negatives", "texture"], "add --textures OUT, a finished texgen build, or --fresh"),
        (["--batch-size", "6"], "--queue-size 16 is not a multiple"),
        (["--batch-size", "5", "--accumulate", "2"], "is not a multiple of 1 rank x 2"),
        (
            ["--batch-size", "64", "--queue-size", "64"],
            "20 images cannot fill a batch of 64; lower --batch-size",
        ),
        (["--arch", "vgg16"], "no such ResNet"),
        (
            ["--negatives", "patch", "--patch-range", "16", "72"],
            "patches have --size 32 px at most",
        ),
        (["--negatives", "patch", "--patch-range", "16", "8"], "--patch-range 16 8: the smaller"),
        (["--split", "val"], "has only train"),
        (["--stream", "--negatives", "patch"], "--stream"),
        (["--bn-splits", "3"], "--bn-splits 3 does not divide"),
    ],
)
def test_an_invalid_option_is_one_line_and_2(options, said, image_folder, tmp_path, capsys):
    assert run(arguments(image_folder, tmp_path / "run", *options)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def test_a_source_without_images_names_what_is_expected(tmp_path, capsys):
    (tmp_path / "empty" / "train").mkdir(parents=True)
    assert run(arguments(tmp_path / "empty", tmp_path / "run")) == 2
    assert "empty: no images in train; expected class folders" in capsys.readouterr().err


def test_ranks_with_one_image_each_are_refused(image_folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("texgen.train.data.rank_and_world_size", lambda: (0, 4))
    assert run(arguments(image_folder, tmp_path / "run", "--batch-size", "4")) == 2
    assert "use 8 or more" in capsys.readouterr().err


def test_without_torch_the_extra_is_named(image_folder, tmp_path, capsys, monkeypatch):
    found = __import__("importlib.util").util.find_spec
    monkeypatch.setattr(
        "importlib.util.find_spec", lambda name, *a: None if name == "torch" else found(name, *a)
    )
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    assert "texgen train needs torch: in a checkout run pip install '.[train]'" in (
        capsys.readouterr().err
    )


def started(image_folder: Path, out: Path, *more: str, ranks: int = 1) -> subprocess.Popen[str]:
    starter = [sys.executable, "-m"]
    if ranks > 1:
        starter += ["torch.distributed.run", "--standalone", f"--nproc-per-node={ranks}", "-m"]
    return subprocess.Popen(
        [*starter, "texgen", *arguments(image_folder, out, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


@pytest.mark.integration
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_stopped_run_says_after_which_step(number, code, image_folder, tmp_path):
    out = tmp_path / "run"
    process = started(image_folder, out, "--epochs", "4000")
    until(lambda: len(read_metrics(out)) > 2, process)
    process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == code
    rows = read_metrics(out)
    step = rows[-1]["step"]
    assert said == f"texgen: stopped after step {step}; run the same command again to resume\n"
    assert checkpoints(out)[-1].name == f"step-{step:08d}.pt"


@pytest.mark.integration
@pytest.mark.faults
@pytest.mark.parametrize(
    "negatives", [["--negatives", "patch"], [*FRESH, "--workers", "2"]], ids=["patch", "fresh"]
)
def test_a_run_killed_at_any_moment_is_resumed_from_its_last_checkpoint(
    negatives, image_folder, tmp_path, no_orphans
):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    options = ["--method", "simclr", *negatives, "--epochs", "4"]
    assert run(arguments(image_folder, whole, *options)) == 0
    for steps in (6, 13):
        process = started(image_folder, cut, *options)
        until(lambda steps=steps: len(read_metrics(cut)) >= steps, process)
        process.kill()
        process.communicate()
    assert run(arguments(image_folder, cut, *options)) == 0
    assert losses(cut) == losses(whole)


@pytest.mark.integration
def test_the_same_command_runs_under_torchrun(image_folder, textures, tmp_path):
    out = tmp_path / "run"
    options = ["--negatives", "texture", "--textures", str(textures), "--epochs", "2"]
    process = started(image_folder, out, *options, "--json", ranks=2)
    answer, said = process.communicate(timeout=240)
    assert process.returncode == 0, said
    assert json.loads(answer)["steps"] == 10
    assert [row["step"] for row in read_metrics(out)] == list(range(1, 11))
    assert checkpoints(out)[-1].name == "step-00000010.pt"


def until(happened, process: subprocess.Popen[str]) -> None:
    end = time.monotonic() + 120
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("value", ["[16]", "[8, 16, 24]", "16", '["a", "b"]'])
def test_a_config_file_gives_a_range_as_a_list_of_two_numbers(
    value, image_folder, tmp_path, capsys
):
    config = tmp_path / "run.toml"
    config.write_text(f"patch-range = {value}\n")
    given = ["train", "--src", str(image_folder), "--out", str(tmp_path / "run")]
    assert run([*given, "--config", str(config)]) == 2
    assert "patch-range" in capsys.readouterr().err
    config.write_text("patch-range = [8, 16]\nsize = 32\nmax-steps = 1\nbatch-size = 4\n")
    assert run([*given, "--config", str(config), *TINY]) == 0
    saved = json.loads((tmp_path / "run" / "config.json").read_text())
    assert saved["patch_range"] == [8, 16]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--alpha", "nan"], "--alpha nan: expected a finite number"),
        (["--alpha", "-1"], "--alpha -1 would attract the NS: use 0 or more"),
        (["--lr", "inf"], "--lr inf: expected a finite number"),
        (["--crop-scale", "1", "0.2"], "--crop-scale 1 0.2: the smaller number comes first"),
        (["--method", "simclr", "--bn-splits", "2"], "--bn-splits 2 works only with MoCo"),
        (["--textures", "t"], "--textures: name --negatives texture to use them, or none or patch"),
        (["--fresh"], "--fresh makes textures, and --negatives is none: name --negatives texture"),
        (["--fresh", "--negatives", "patch"], "and --negatives is patch: name"),
        ([*FRESH, "--textures", "t"], "--textures is for textures that were built, and --fresh"),
        ([*FRESH, "--textures-split", "t"], "--textures-split is for textures that were built"),
        ([*FRESH, "--stream"], "--stream is for textures that were built, and --fresh makes its"),
        ([*FRESH, "--missing-texture", "skip"], "--missing-texture is for textures that were"),
        (["--fresh-every", "2"], "--fresh-every is an option of --fresh: add that, or leave it"),
        (["--patch-size", "9"], "--patch-size is an option of --fresh"),
        (["--texture-size", "64"], "--texture-size is an option of --fresh"),
        (["--texture-device", "gpu"], "--texture-device is an option of --fresh"),
        ([*FRESH, "--size", "2000"], "a texture has 16 to 1024 px; set --texture-size"),
        (["--batch-size", "4", "--accumulate", "4"], "leaves parts of 1 of a batch of 4"),
        (["--negatives", "patch", "--non-overlapping", "--patch-range", "5", "7"], "divides 32 px"),
        (
            [
                *("--negatives", "texture", "--textures", "t", "--missing-texture", "patch"),
                *("--patch-range", "16", "72"),
            ],
            "px at most; the paper's 16 to 72 of 224 px correspond to --patch-range 2 10",
        ),
    ],
)
def test_invalid_numbers_are_reported_before_anything_is_made(
    options, said, image_folder, tmp_path, capsys
):
    out = tmp_path / "run"
    assert run(arguments(image_folder, out, *options)) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert not out.exists()


def test_byol_has_weights_of_its_own(image_folder, tmp_path):
    options = ["--method", "byol", "--negatives", "patch", "--patch-range", "3", "10"]
    assert run(arguments(image_folder, tmp_path / "run", *options, "--max-steps", "1")) == 0
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert (config["alpha"], config["momentum"]) == (0.05, 0.99)


def test_a_folder_of_something_else_is_left_alone(image_folder, tmp_path, capsys):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "config.json").write_text('{"mine": 1}')
    (tmp_path / "file").touch()
    places = {
        tmp_path / "project": "holds config.json, which is not part of a run",
        tmp_path / "file": "name a folder that can be written",
        image_folder / "run": "is inside --src",
    }
    for out, said in places.items():
        assert run(arguments(image_folder, out)) == 2
        assert said in capsys.readouterr().err
    assert (tmp_path / "project" / "config.json").read_text() == '{"mine": 1}'


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl"])
def test_other_files_in_out_are_reported_before_the_first_step(
    name, image_folder, tmp_path, capsys
):
    place = tmp_path / "run" / name
    place.parent.mkdir()
    if name == "checkpoints":
        place.touch()
    else:
        place.mkdir()
    assert run(arguments(image_folder, tmp_path / "run")) == 2
    assert f"holds {name}, which is not part of a run" in capsys.readouterr().err


def test_a_damaged_config_is_written_anew_once_it_is_deleted(image_folder, tmp_path, capsys):
    assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "5")) == 0
    config = tmp_path / "run" / "config.json"
    whole = json.loads(config.read_text())
    config.write_text("{")
    capsys.readouterr()
    assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "6")) == 2
    assert "config.json is damaged; delete it" in capsys.readouterr().err
    config.unlink()
    assert run(arguments(image_folder, tmp_path / "run", "--lr", "9")) == 2
    assert not config.exists()
    assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "6")) == 0
    assert json.loads(config.read_text()) == whole | {"max_steps": 6}


def test_a_run_that_was_refused_leaves_no_folder(image_folder, tmp_path):
    assert run(arguments(image_folder, tmp_path / "run", "--split", "x")) == 2
    assert not (tmp_path / "run").exists()
    (tmp_path / "own").mkdir()
    assert run(arguments(image_folder, tmp_path / "own", "--split", "x")) == 2
    assert (tmp_path / "own").is_dir()


@pytest.mark.parametrize("wrong", ["no textures", "no such split", "of others"])
def test_textures_that_do_not_belong_are_one_line_and_2(
    wrong, image_folder, textures, tmp_path, capsys
):
    options = ["--negatives", "texture", "--batch-size", "2"]
    options += ["--textures-split", "x"] if wrong == "no such split" else []
    place = tmp_path if wrong == "no textures" else textures
    source = image_folder
    if wrong == "of others":
        source = tmp_path / "others"
        make_source(source / "train", {"emu": 4}, (40, 40))
    assert run(arguments(source, tmp_path / "run", *options, "--textures", str(place))) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"texgen: --textures {place}: ")
    assert error.count("\n") == 1


def test_two_trainers_do_not_write_to_one_folder(image_folder, tmp_path, capsys):
    out = tmp_path / "run"
    out.mkdir()
    with (out / "lock").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert run(arguments(image_folder, out)) == 2
    assert "another texgen train is working in it" in capsys.readouterr().err


def test_a_run_is_resumed_with_the_same_images_only(image_folder, tmp_path, capsys):
    source = tmp_path / "source"
    shutil.copytree(image_folder, source)
    assert run(arguments(source, tmp_path / "run", "--max-steps", "1")) == 0
    capsys.readouterr()
    next(source.rglob("*.JPEG")).unlink()
    assert run(arguments(source, tmp_path / "run", "--max-steps", "2")) == 2
    assert "was trained on other images" in capsys.readouterr().err
    assert run(arguments(image_folder, tmp_path / "run", "--max-steps", "2")) == 0


def test_a_run_stops_at_the_next_step(image_folder, tmp_path):
    """A run stops then even if it logs rarely and its next checkpoint is far away."""
    options = ["--log-every", "1000", "--checkpoint-every", "1000", "--epochs", "1000"]
    line = arguments(image_folder, tmp_path / "run", *options)
    process = subprocess.Popen(command(*line), stderr=subprocess.PIPE, text=True)
    begun = tmp_path / "run" / "metrics.jsonl"
    while not begun.exists():
        assert process.poll() is None
        time.sleep(0.05)
    # The run catches signals right after that.
    time.sleep(2)
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "run the same command again to resume" in errors
    assert list((tmp_path / "run" / "checkpoints").iterdir())


def test_a_narrow_resnext_keeps_its_groups():
    from texgen.train.networks import resnet

    def parameters(arch):
        encoder = resnet(arch, "cifar", lambda features: torch.nn.Linear(features, 4), width=0.5)
        return sum(p.numel() for p in encoder.parameters())

    counts = {parameters(arch) for arch in ("resnet50", "resnext50_32x4d", "wide_resnet50_2")}
    assert len(counts) == 3


def test_a_damaged_shard_of_a_stream_is_one_line(image_folder, textures, tmp_path, capsys):
    damaged = tmp_path / "textures"
    shutil.copytree(textures, damaged)
    for shard in damaged.glob("train/*.tar"):
        shard.chmod(0o644)
        os.truncate(shard, shard.stat().st_size // 2 + 100)
    options = ["--negatives", "texture", "--textures", str(damaged), "--stream"]
    assert run(arguments(image_folder, tmp_path / "run", *options)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "is damaged" in error or "cut off" in error


@pytest.mark.parametrize("stream", [[], ["--stream"]])
def test_a_damaged_texture_is_named(stream, image_folder, textures, tmp_path, capsys):
    damaged = tmp_path / "textures"
    shutil.copytree(textures, damaged)
    for shard in damaged.glob("train/*.tar"):
        shard.chmod(0o644)
        with tarfile.open(shard) as tar, shard.open("r+b") as file:
            for member in tar:
                if member.name.endswith(".png"):
                    file.seek(member.offset_data + 40)
                    file.write(bytes(200))
    options = ["--negatives", "texture", "--textures", str(damaged), *stream]
    assert run(arguments(image_folder, tmp_path / "run", *options)) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert re.search(
        r"textures: the texture of (ant|bee)/\S+ is damaged; run `texgen verify`", error
    )


def test_a_sample_of_a_stream_that_lost_its_image_is_named(
    image_folder, textures, tmp_path, capsys
):
    damaged = tmp_path / "textures"
    shutil.copytree(textures, damaged)
    for shard in damaged.glob("train/*.tar"):
        with tarfile.open(shard) as tar:
            kept = [(m, tar.extractfile(m).read()) for m in tar if not m.name.endswith(".png")]
        shard.unlink()
        with tarfile.open(shard, "w") as tar:
            for member, data in kept:
                tar.addfile(member, io.BytesIO(data))
    options = ["--negatives", "texture", "--textures", str(damaged), "--stream"]
    assert run(arguments(image_folder, tmp_path / "run", *options)) == 1
    assert "is damaged; run `texgen verify`" in capsys.readouterr().err
