"""Steps of the methods: the authors' numbers, batch statistics, several processes."""

from __future__ import annotations

import ast
import copy
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from tests.support.ranks import both_answers
from texgen.core.errors import ConfigError
from texgen.train import methods
from texgen.train.config import TrainConfig
from texgen.train.losses import byol_loss, contrastive_loss
from texgen.train.methods import BYOL, Method, MoCo, SimCLR
from texgen.train.models import make_method
from texgen.train.networks import SplitBatchNorm2d, without_bn_tracking


class Small(nn.Module):
    """Two convolutions and a head, like the authors' model of the oracle."""

    def __init__(self, norm: Any = nn.BatchNorm2d) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 12, 3, 2, 1, bias=False)
        self.bn1 = norm(12)
        self.conv2 = nn.Conv2d(12, 24, 3, 2, 1, bias=False)
        self.bn2 = norm(24)
        self.fc = nn.Sequential(nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 16))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = torch.relu(self.bn1(self.conv1(images)))
        images = torch.relu(self.bn2(self.conv2(images)))
        return self.fc(images.mean((2, 3)))


def unnormed(_: int) -> nn.Module:
    return nn.Identity()


METHODS = {
    "moco": lambda encoder, size=32: MoCo(
        encoder, dim=16, queue_size=size, momentum=0.999, temperature=0.2, alpha=2.0
    ),
    "simclr": lambda encoder: SimCLR(encoder, temperature=0.2, alpha=2.0),
    "byol": lambda encoder: BYOL(encoder, dim=16, hidden=32, momentum=0.99, alpha=0.05),
}


def batch(count: int = 8, number: int = 2, views: int = 2) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(5)
    first, second = torch.randn(2, count, 3, 16, 16, generator=generator)
    return first, second, torch.randn(count, views, number, 3, 16, 16, generator=generator)


def test_moco_gives_the_numbers_of_the_authors_model_over_six_steps(oracle):
    torch.set_default_dtype(torch.float64)
    try:
        worst = replay(oracle)
    finally:
        torch.set_default_dtype(torch.float32)
    assert set(worst) == {"logits", "loss", "gradients", "queue", "encoder_q", "encoder_k"}
    assert max(worst.values()) < 1e-9, worst


def replay(oracle) -> dict[str, float]:
    """Returns the greatest difference of each kind of number."""
    cfg = ast.literal_eval(str(oracle["cfg"]))
    method = MoCo(
        Small(), dim=cfg["dim"], queue_size=cfg["K"], momentum=cfg["m"], temperature=cfg["T"],
        alpha=cfg["alpha"],
    )  # fmt: skip
    encoders = {"encoder_q": method.encoder, "encoder_k": method.key_encoder}
    for name, encoder in encoders.items():
        encoder.load_state_dict(part(oracle, f"init.{name}."))
    method.queue.copy_(torch.from_numpy(oracle["init.queue"]).T)
    optimizer = torch.optim.SGD(
        method.encoder.parameters(), cfg["lr"], momentum=0.9, weight_decay=1e-4
    )
    worst: dict[str, float] = {}

    def compare(kind: str, ours: torch.Tensor, theirs: Any) -> None:
        difference = float((ours.double() - torch.as_tensor(theirs)).abs().max())
        worst[kind] = max(worst.get(kind, 0.0), difference)

    for step in range(cfg["steps"]):
        given = part(oracle, f"s{step}.")
        compare("queue", method.queue.T, given["queue_before"])
        logits: list[torch.Tensor] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(methods, "contrastive_loss", kept_by(logits))
            method.begin_step(0.0)
            result = method(given["r0.im_q"], given["r0.im_k"], given["r0.im_t"][:, None])
        compare("logits", logits[0], given["r0.logits"])
        compare("loss", result["loss"].detach(), given["r0.loss"])
        optimizer.zero_grad()
        result["loss"].backward()
        for name, parameter in method.encoder.named_parameters():
            compare("gradients", parameter.grad, given[f"grad.{name}"])
        optimizer.step()
    compare("queue", method.queue.T, oracle["final.queue"])
    for kind, encoder in encoders.items():
        final = part(oracle, f"final.{kind}.")
        assert encoder.state_dict().keys() == final.keys()
        for name, value in encoder.state_dict().items():
            compare(kind, value, final[name])
    return worst


def kept_by(logits: list[torch.Tensor]) -> Any:
    """Returns a `contrastive_loss` that also keeps the logits that it is called with."""

    def loss(found: torch.Tensor) -> torch.Tensor:
        logits.append(found.detach())
        return contrastive_loss(found)

    return loss


def part(oracle, prefix: str) -> dict[str, torch.Tensor]:
    return {
        name.removeprefix(prefix): torch.from_numpy(value.copy())
        for name, value in oracle.items()
        if name.startswith(prefix)
    }


@pytest.mark.parametrize("name", METHODS)
def test_ns_change_the_gradient_but_no_statistics_that_evaluation_uses(name):
    with_ns, without = (METHODS[name](Small()) for _ in range(2))
    without.load_state_dict(with_ns.state_dict())
    first, second, ns = batch(views=with_ns.ns_views)
    torch.manual_seed(1)
    with_ns(first, second, ns)["loss"].backward()
    torch.manual_seed(1)
    without(first, second, None)["loss"].backward()
    for (key, ours), theirs in zip(
        with_ns.encoder.named_buffers(), without.encoder.buffers(), strict=True
    ):
        assert torch.equal(ours, theirs), key
    assert not torch.equal(with_ns.encoder.conv1.weight.grad, without.encoder.conv1.weight.grad)


@pytest.mark.parametrize("name", METHODS)
def test_training_on_ns_moves_images_away_from_them(name):
    """Both views are equal, so that the distance to NS is all that can be learned."""
    method = METHODS[name](Small())
    if name == "byol":
        method.alpha = 0.5
    first, _, ns = batch(views=method.ns_views)
    optimizer = torch.optim.SGD(method.encoder.parameters(), 0.05)
    seen = []
    for _ in range(15):
        method.begin_step(0.0)
        result = method(first, first, ns)
        optimizer.zero_grad()
        result["loss"].backward()
        optimizer.step()
        seen.append(float(result["nonsemantic"] - result["positive"]))
    assert seen[-1] < seen[0]


def mean_cosine(one: torch.Tensor, other: torch.Tensor) -> float:
    return float(torch.cosine_similarity(one, other, dim=-1).mean())


@pytest.mark.parametrize("name", METHODS)
def test_metrics_are_the_mean_cosines(name):
    """Without batch statistics, so that embeddings do not depend on the rest of their batch."""
    method = METHODS[name](Small(unnormed)).eval()
    first, second, ns = batch(views=method.ns_views)
    with torch.no_grad():
        queue = method.queue.clone() if name == "moco" else None
        result = method(first, second, ns)
        query, other = method.encoder(first), method.encoder(second)
        of_ns = method.encoder(ns.flatten(0, 2)).view(*ns.shape[:3], -1)
        if name == "byol":
            query = method.predictor(query)
    assert float(result["positive"]) == pytest.approx(mean_cosine(query, other), abs=1e-5)
    # BYOL reports the cosines of its first view.
    views = [query] if method.ns_views == 1 or name == "byol" else [query, other]
    cosines = [mean_cosine(view[:, None], of_ns[:, v]) for v, view in enumerate(views)]
    assert float(result["nonsemantic"]) == pytest.approx(sum(cosines) / len(cosines), abs=1e-5)
    if name == "moco":
        expected = mean_cosine(query[:, None], queue[None])
        assert float(result["negative"]) == pytest.approx(expected, abs=1e-5)
    if name == "simclr":
        both = torch.cat([query, other])
        pairs = [(i, j) for i in range(16) for j in range(16) if (i - j) % 8]
        expected = sum(mean_cosine(both[i], both[j]) for i, j in pairs) / len(pairs)
        assert float(result["negative"]) == pytest.approx(expected, abs=1e-5)


def test_byol_adds_the_losses_of_both_views_each_with_its_negatives():
    method = METHODS["byol"](Small(unnormed)).eval()
    views = batch()[:2]
    # The sets differ so much that an exchange shows.
    ns = batch()[2] * torch.tensor([1.0, -9.0]).view(2, 1, 1, 1, 1)
    with torch.no_grad():
        loss = method(*views, ns)["loss"]
        predictions = [unit(method.predictor(method.encoder(view))) for view in views]
        targets = [unit(method.target(view)) for view in views]
        of_ns = unit(method.target(ns.flatten(0, 2))).view(*ns.shape[:3], -1)
        expected = sum(
            byol_loss(predictions[v], targets[1 - v], of_ns[:, v], alpha=0.05) for v in range(2)
        )
        swapped = sum(
            byol_loss(predictions[v], targets[1 - v], of_ns[:, 1 - v], alpha=0.05) for v in range(2)
        )
    assert float(loss) == pytest.approx(float(expected), abs=1e-6)
    assert abs(float(swapped - expected)) > 1e-5


def unit(embeddings: torch.Tensor) -> torch.Tensor:
    return nn.functional.normalize(embeddings, dim=-1)


@pytest.mark.parametrize("name", METHODS)
def test_metrics_have_no_gradient_and_the_share_is_one(name):
    method = METHODS[name](Small())
    first, second, ns = batch(views=method.ns_views)
    result = method(first, second, ns)
    assert not any(v.requires_grad for k, v in result.items() if k != "loss")
    assert ("ns_share" in result) == (name != "byol")
    if name != "byol":
        assert 0 < float(result["ns_share"]) < 1


def test_only_keys_enter_the_queue_and_it_wraps_around():
    method = METHODS["moco"](Small())
    first, second, ns = batch(views=1)
    before = method.queue.clone()
    for step in range(5):
        method(first, second, ns)
        assert int(method.position) == (step + 1) * 8 % 32
    assert not torch.isclose(method.queue, before).all(1).any()
    assert torch.allclose(method.queue.norm(dim=1), torch.ones(32))


def test_a_queue_that_the_batch_does_not_divide_is_refused_with_one_that_it_does():
    method = METHODS["moco"](Small(), 30)
    first, second, _ = batch()
    with pytest.raises(ConfigError, match=r"30 is not a multiple .* use 24"):
        method(first, second, None)


def test_the_target_follows_and_stands_still_at_the_end():
    method = METHODS["byol"](Small())
    with torch.no_grad():
        method.encoder.conv1.weight.add_(1.0)
    before = method.target.conv1.weight.clone()
    method.begin_step(1.0)
    assert torch.allclose(method.target.conv1.weight, before)
    method.begin_step(0.0)
    assert torch.allclose(method.target.conv1.weight, before + 0.01, atol=1e-6)


def test_parts_of_a_batch_are_normalised_as_if_each_were_on_a_device_of_its_own():
    images = torch.randn(8, 3, 5, 5)
    split, whole = SplitBatchNorm2d(3, 2), nn.BatchNorm2d(3)
    out = split(images)
    alone = [nn.BatchNorm2d(3) for _ in range(2)]
    for number, norm in enumerate(alone):
        assert torch.allclose(out[number::2], norm(images[number::2]), atol=1e-6)
    mean = (alone[0].running_mean + alone[1].running_mean) / 2
    assert torch.allclose(split.running_mean, mean, atol=1e-6)
    mean, var = (r[:, None, None] for r in (split.running_mean, split.running_var))
    expected = (images - mean) / (var + whole.eps).sqrt()
    assert torch.allclose(split.eval()(images), expected, atol=1e-5)


@pytest.mark.parametrize("norm", [nn.BatchNorm2d, lambda c: SplitBatchNorm2d(c, 2)])
def test_untracked_layers_normalise_by_the_batch_and_keep_their_statistics(norm):
    layer, twin = norm(3), norm(3)
    images = torch.randn(4, 3, 5, 5) * 3 + 2
    before = copy.deepcopy(layer.state_dict())
    with without_bn_tracking(layer):
        out = layer(images)
    assert torch.allclose(out, twin(images))
    assert all(torch.equal(layer.state_dict()[k], v) for k, v in before.items())
    layer(images)
    assert not torch.equal(layer.running_mean, before["running_mean"])


def both_ranks(rank: int, name: str, place: str, queue: Any) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{place}", rank=rank, world_size=2)
    try:
        torch.manual_seed(3)
        method = METHODS[name](Small(unnormed))
        first, second, ns = batch(views=method.ns_views)
        mine = slice(rank * 4, rank * 4 + 4)
        parallel = nn.parallel.DistributedDataParallel(method)
        method.begin_step(0.3)
        result = parallel(first[mine], second[mine], ns[mine])
        result["loss"].backward()
        gradients = {n: p.grad.numpy() for n, p in method.named_parameters() if p.grad is not None}
        state = method.queue.numpy() if isinstance(method, MoCo) else None
        queue.put((rank, float(result["loss"].detach()), gradients, state))
    finally:
        dist.destroy_process_group()


@pytest.mark.integration
@pytest.mark.parametrize("name", ["moco", "simclr"])
def test_two_processes_equal_one(name, tmp_path):
    """Without batch statistics, which differ by process; BYOL's predictor cannot do without."""
    found = both_answers(both_ranks, tmp_path, name)
    torch.manual_seed(3)
    alone = METHODS[name](Small(unnormed))
    first, second, ns = batch(views=alone.ns_views)
    alone.begin_step(0.3)
    result = alone(first, second, ns)
    result["loss"].backward()
    loss = float(result["loss"].detach())
    assert (found[0][1] + found[1][1]) / 2 == pytest.approx(loss, abs=1e-6)
    for key, parameter in alone.named_parameters():
        if parameter.grad is not None:
            for _, _, gradients, _ in found:
                assert torch.allclose(torch.from_numpy(gradients[key]), parameter.grad, atol=1e-6)
    if name == "moco":
        assert torch.allclose(torch.from_numpy(found[1][3]), alone.queue, atol=1e-6)


@pytest.mark.parametrize("arch", ["resnet18", "resnet50", "resnext50_32x4d"])
@pytest.mark.parametrize("stem", ["imagenet", "small", "cifar"])
def test_any_torchvision_resnet_is_an_encoder(arch, stem):
    method = made(arch=arch, stem=stem, size=32)
    with torch.no_grad():
        assert method.eval().encoder(torch.randn(2, 3, 32, 32)).shape == (2, 128)


def test_names_of_parameters_are_torchvisions():
    names = set(made(arch="resnet18").encoder.state_dict())
    assert {"conv1.weight", "layer1.0.bn1.running_mean", "fc.0.weight", "fc.2.bias"} <= names


def test_a_narrow_network_has_a_part_of_the_channels():
    encoder = made(arch="resnet18", width=0.25).encoder
    assert encoder.layer4[1].conv2.out_channels == 128
    assert encoder.fc[0].in_features == 128


@pytest.mark.parametrize("arch", ["resnet19", "vgg16", "ResNet"])
def test_an_architecture_that_torchvision_does_not_have_is_refused(arch):
    with pytest.raises(ConfigError, match="no such ResNet"):
        made(arch=arch)


def made(**options: Any) -> Method:
    return make_method(TrainConfig(src="", out="", queue_size=64, batch_size=8, **options))
