"""The training loop of one process, which may be one of several ranks that `torchrun` started."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import math
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from torch import Tensor, nn

from texgen.core import signals
from texgen.core.errors import ConfigError, InterruptedBuildError, StorageError, TexgenError
from texgen.train.checkpoint import (
    checked_checkpoint,
    checkpoints,
    load_checkpoint,
    save_checkpoint,
)
from texgen.train.config import TrainConfig, check_same
from texgen.train.data import TrainingData
from texgen.train.distributed import mean_over_ranks, rank_and_world_size
from texgen.train.loader_errors import loader_failures
from texgen.train.metrics import Metrics, SpeedMeter, read_metrics
from texgen.train.models import make_method
from texgen.train.optim import cosine, make_optimizer
from texgen.train.rank_environment import ranks_from_environment
from texgen.train.rendezvous import joined_ranks, lost_ranks
from texgen.train.run_dir import CONFIG, lock_run_dir
from texgen.train.runtime import Notify, Stop

OnTrainStep = Callable[[int, int, dict[str, float]], None]
"""Called with the number of steps done, the total, and the last row of metrics."""


class DivergedError(TexgenError):
    """The loss is infinite or not a number."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Result of a run.

    Attributes:
        steps: Total number of steps, with those of earlier starts.
        loss: Loss of the last row of metrics.
        checkpoint: Path of the last checkpoint.
        without_texture: Number of images without a texture.
    """

    steps: int
    loss: float
    checkpoint: str
    without_texture: int


def train(
    config: TrainConfig,
    on_step: OnTrainStep = lambda done, steps, row: None,
    notify: Notify = lambda line: None,
) -> Summary:
    """Trains, or resumes from the last checkpoint in ``config.out``.

    Raises:
        ConfigError: If options contradict each other, the data or the checkpoint.
        LockedError: If another process trains into ``config.out``.
        StorageError: If ``config.out`` cannot be written.
        DatasetError: If a texture is damaged.
        DivergedError: If the loss is infinite or not a number; the last checkpoint is good.
        InterruptedBuildError: After Ctrl-C or SIGTERM, once a checkpoint of that step is saved.
        LoaderError: If the loader processes meet a limit of the machine.
        RankError: If another rank does not come, or is lost.
    """
    ranks = ranks_from_environment(os.environ)
    with (
        joined_ranks(ranks, config.device, config.rank_timeout, notify) as device,
        contextlib.ExitStack() as stack,
    ):
        if rank_and_world_size()[0] == 0:
            stack.enter_context(lock_run_dir(config))
        stack.enter_context(lost_ranks(lambda: _restart_hint(Path(config.out))))
        stack.enter_context(loader_failures())
        stack.enter_context(_disk_errors(config.out))
        return _TrainingRun(config, device).train(on_step, notify)


@contextlib.contextmanager
def _disk_errors(out: str) -> Iterator[None]:
    """Explains errors of writing the config and metrics; `save_checkpoint` explains its own.

    Raises:
        StorageError: If OUT cannot be written.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}:
            raise
        raise StorageError(
            f"--out {out} cannot be written ({error.strerror}); make room and run the same "
            "command again"
        ) from error


def _restart_hint(folder: Path) -> str:
    last = checkpoints(folder)
    start = f"resume from {last[-1]}" if last else "begin again, as there is no checkpoint yet"
    return f"start all ranks again: they {start}"


class _TrainingRun:
    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.folder = Path(config.out)
        torch.manual_seed(config.seed)
        # Convolutions are faster with channels-last weights, on CPUs too.
        self.method = make_method(config).to(memory_format=torch.channels_last).to(device)
        self.data = TrainingData(config, self.method.ns_views)
        self.optimizer = make_optimizer(
            self.method, config.optimizer, config.lr, config.weight_decay
        )
        self.epoch_steps = self.data.steps_per_epoch
        self.steps = config.epochs * self.epoch_steps
        self.end = min(self.steps, config.max_steps or self.steps)
        self.step = 0
        self._resume()
        if config.compile:
            self.method.encoder.compile()
        self.module: nn.Module = self.method
        if rank_and_world_size()[1] > 1:
            ids = [device.index] if device.type == "cuda" else None
            self.module = nn.parallel.DistributedDataParallel(self.method, ids)

    def train(self, on_step: OnTrainStep, notify: Notify) -> Summary:
        first_rank = rank_and_world_size()[0] == 0
        # A run that is complete already has its last row there.
        row: dict[str, float] = (read_metrics(self.folder) or [{}])[-1]
        stop = Stop(notify)
        if first_rank and self.data.device_note and self.step < self.end:
            notify(self.data.device_note)
        with contextlib.ExitStack() as stack:
            if first_rank:
                metrics = stack.enter_context(Metrics(self.folder, self.step))
            stack.enter_context(stop.catching())
            speed = SpeedMeter(self.config.batch_size)
            for parts in self._batches(speed):
                result = self._step(parts)
                self.step += 1
                if self._due(self.config.log_every):
                    row = self._row(result, speed.read())
                    if first_rank:
                        metrics.add(row)
                        on_step(self.step, self.end, row)
                    self._check_loss(row["loss"])
                if self._due(self.config.log_every) or rank_and_world_size()[1] == 1:
                    # Several ranks have to agree, for which they would wait at each step.
                    self._end_if_stopped(stop)
                if self._due(self.config.checkpoint_every * self.epoch_steps):
                    self._check_loss(float(result["loss"]))
                    self._save()
        path = checkpoints(self.folder)[-1] if first_rank else self.folder
        loss = row.get("loss", math.nan)
        return Summary(self.step, loss, str(path), self.data.without_texture)

    def _due(self, every: int) -> bool:
        """Whether an action of every ``every`` steps, and of the last step, is due."""
        return self.step % every == 0 or self.step == self.end

    def _end_if_stopped(self, stop: Stop) -> None:
        """Saves and ends if any rank received a signal."""
        # All ranks learn of it at the same step, so that none waits for one that has ended.
        signalled = torch.tensor(float(stop.number))
        if rank_and_world_size()[1] > 1:
            signalled = mean_over_ranks(signalled.to(self.device))
        if signalled > 0:
            self._save()
            raise InterruptedBuildError(
                f"stopped after step {self.step}; run the same command again to resume",
                signals.exit_code(stop.number or signal.SIGTERM),
            )

    def _batches(self, speed: SpeedMeter) -> Iterator[list[dict[str, Tensor]]]:
        """Yields the batch of each step, in as many parts as gradients are accumulated over."""
        while self.step < self.end:
            loaded = self.data.epoch(*divmod(self.step, self.epoch_steps))
            while self.step < self.end:
                with speed.loading():
                    parts = list(itertools.islice(loaded, self.config.accumulate))
                if len(parts) < self.config.accumulate:
                    break
                yield [
                    {name: v.to(self.device, non_blocking=True) for name, v in part.items()}
                    for part in parts
                ]

    def _step(self, parts: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        config = self.config
        for group in self.optimizer.param_groups:
            warmup = config.warmup_epochs * self.epoch_steps
            group["lr"] = config.lr * cosine(self.step, self.steps, warmup)
        self.method.begin_step(self.step / self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        results: list[dict[str, Tensor]] = []
        for number, part in enumerate(parts, 1):
            with self._gradient_sync(skip=number < len(parts)):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=config.amp):
                    result: dict[str, Tensor] = self.module(
                        part["first"], part["second"], part.get("nonsemantic")
                    )
                (result["loss"] / len(parts)).backward()  # type: ignore[no-untyped-call]
            results.append({name: value.detach() for name, value in result.items()})
        self.optimizer.step()
        return {
            name: torch.stack([result[name] for result in results]).mean(0) for name in results[0]
        }

    def _gradient_sync(self, *, skip: bool) -> contextlib.AbstractContextManager[None]:
        """Lets ranks sum their gradients once per step, with its last part."""
        if skip and isinstance(self.module, nn.parallel.DistributedDataParallel):
            return self.module.no_sync()
        return contextlib.nullcontext()

    def _row(self, result: dict[str, Tensor], speed: dict[str, float]) -> dict[str, float]:
        values = mean_over_ranks(torch.stack([v.float() for v in result.values()]))
        row: dict[str, float] = {
            "step": self.step,
            "epoch": round(self.step / self.epoch_steps, 4),
            "lr": self.optimizer.param_groups[0]["lr"],
        }
        row |= dict(zip(result, values.tolist(), strict=True))
        return row | {k: round(v, 4) for k, v in speed.items()}

    def _check_loss(self, loss: float) -> None:
        if not math.isfinite(loss):
            last = checkpoints(self.folder)
            raise DivergedError(
                f"the loss is {loss} at step {self.step}: lower --lr or raise --temperature; "
                f"{f'the last checkpoint is {last[-1]}' if last else 'there is no checkpoint yet'}"
            )

    def _save(self) -> None:
        if rank_and_world_size()[0] == 0:
            state = {
                "config": json.dumps(self.config.to_dict()),
                "step": self.step,
                "photographs": self.data.keys_sha256,
                "method": self.method.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            }
            save_checkpoint(self.folder, self.step, state, self.config.keep)
        if rank_and_world_size()[1] > 1:
            dist.barrier()

    def _resume(self) -> None:
        existing = checkpoints(self.folder)
        if existing:
            self._restore(existing[-1])
        config = self.folder / CONFIG
        # Written only after the checkpoint is known to belong to this run.
        if rank_and_world_size()[0] == 0 and not (existing and config.exists()):
            config.write_text(json.dumps(self.config.to_dict(), indent=2) + "\n")

    def _restore(self, checkpoint: Path) -> None:
        state = load_checkpoint(checkpoint)
        with checked_checkpoint(checkpoint):
            check_same(json.loads(state["config"]), self.config, str(checkpoint))
            # SRC may have moved, but its images must be the same, since they define an epoch.
            if state.get("photographs") not in {None, self.data.keys_sha256}:
                raise ConfigError(
                    f"{checkpoint} was trained on other images: set --src to those, or name "
                    "another --out"
                )
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
            torch.set_rng_state(state["rng"])
            if state["cuda_rng"] is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"])
