"""The training loop: one process, or one of several that `torchrun` started."""

from __future__ import annotations

import contextlib
import errno
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
from texgen.train.checkpoint import checkpoints, load_checkpoint, save_checkpoint, whole_checkpoint
from texgen.train.config import TrainConfig, check_same
from texgen.train.data import Data
from texgen.train.distributed import mean_over_ranks, rank_and_world_size
from texgen.train.loader_errors import loader_failures
from texgen.train.metrics import Metrics, read_metrics
from texgen.train.models import make_method
from texgen.train.optim import cosine, make_optimizer
from texgen.train.rank_environment import ranks_of
from texgen.train.rendezvous import Say, lost_ranks
from texgen.train.run_dir import CONFIG, lock_run_dir
from texgen.train.runtime import Clock, Stop, joined

OnStep = Callable[[int, int, dict[str, float]], None]
"""Called with steps done, steps in all, and the last row of metrics."""


class DivergedError(TexgenError):
    """The loss is no number any more."""


@dataclass(frozen=True, slots=True)
class Summary:
    """A run as it ended.

    Attributes:
        steps: Done in all.
        loss: The last.
        checkpoint: The last.
        without_texture: Photographs that had none.
    """

    steps: int
    loss: float
    checkpoint: str
    without_texture: int


def train(
    config: TrainConfig,
    tell: OnStep = lambda done, steps, row: None,
    say: Say = lambda line: None,
) -> Summary:
    """Trains, or goes on from the last checkpoint in ``config.out``.

    Args:
        config: Of the run.
        tell: Told of steps.
        say: Told a line where the run waits for something.

    Raises:
        ConfigError: If the options contradict each other, what is there, or the checkpoint.
        LockedError: If another process trains into ``config.out``.
        DatasetError: If a texture is damaged.
        DivergedError: If the loss became infinite or no number; the last checkpoint is good.
        InterruptedBuildError: After Ctrl-C or SIGTERM; a checkpoint of that step is there.
        LoaderError: If the processes that load images met a limit of the machine.
        RankError: If another rank does not come, or is lost.
    """
    ranks = ranks_of(os.environ)
    with (
        joined(ranks, config.device, config.rank_timeout, say) as device,
        contextlib.ExitStack() as stack,
    ):
        if rank_and_world_size()[0] == 0:
            stack.enter_context(lock_run_dir(config))
        stack.enter_context(lost_ranks(lambda: _again(Path(config.out))))
        stack.enter_context(loader_failures())
        stack.enter_context(_full_disk(config.out))
        return _Run(config, device).go(tell, say)


@contextlib.contextmanager
def _full_disk(out: str) -> Iterator[None]:
    """Says of config and metrics that they cannot be written; checkpoints say it of themselves.

    Raises:
        StorageError: If so.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}:
            raise
        message = (
            f"--out {out}: cannot be written ({error.strerror}); make room and run the same "
            "command again"
        )
        raise StorageError(message) from error


def _again(folder: Path) -> str:
    last = checkpoints(folder)
    where = f"go on from {last[-1]}" if last else "begin again, since there is no checkpoint yet"
    return f"start all ranks again: they {where}"


class _Run:
    def __init__(self, config: TrainConfig, device: torch.device) -> None:
        self.config, self.device = config, device
        self.folder = Path(config.out)
        torch.manual_seed(config.seed)
        # Convolutions of channels-last weights are the faster ones, on CPUs too.
        self.method = make_method(config).to(memory_format=torch.channels_last).to(device)
        self.data = Data(config, self.method.ns_views)
        self.optimizer = make_optimizer(
            self.method, config.optimizer, config.lr, config.weight_decay
        )
        self.epoch_steps = self.data.draws.steps
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

    def go(self, tell: OnStep, say: Say) -> Summary:
        first = rank_and_world_size()[0] == 0
        # Of a run that is complete already.
        row: dict[str, float] = (read_metrics(self.folder) or [{}])[-1]
        stopped = Stop(say)
        with contextlib.ExitStack() as stack:
            if first:
                metrics = stack.enter_context(Metrics(self.folder, self.step))
            stack.enter_context(stopped)
            clock = Clock()
            for batches in self._parts(clock):
                result = self._step(batches)
                self.step += 1
                if self._due(self.config.log_every):
                    row = self._row(result, clock.read(len(batches) * _images(batches[0])))
                    if first:
                        metrics.add(row)
                        tell(self.step, self.end, row)
                    self._check(row["loss"])
                if self._due(self.config.log_every) or rank_and_world_size()[1] == 1:
                    # Ranks must agree on it, for which they would wait at each step.
                    self._heed(stopped)
                if self._due(self.config.checkpoint_every * self.epoch_steps):
                    self._check(float(result["loss"]))
                    self._save()
        path = checkpoints(self.folder)[-1] if first else self.folder
        loss = row.get("loss", math.nan)
        return Summary(self.step, loss, str(path), self.data.without_texture)

    def _due(self, every: int) -> bool:
        """Whether it is the step for what is done every so many steps, and after the last."""
        return self.step % every == 0 or self.step == self.end

    def _heed(self, stopped: Stop) -> None:
        """Saves and ends where any rank was told to stop."""
        # All know it at the same step, so none waits for another in vain.
        told = torch.tensor(float(stopped.number))
        if (mean_over_ranks(told.to(self.device)) if rank_and_world_size()[1] > 1 else told) > 0:
            self._save()
            raise InterruptedBuildError(
                f"stopped after step {self.step}; the same command goes on from there",
                signals.exit_code(stopped.number or signal.SIGTERM),
            )

    def _parts(self, clock: Clock) -> Iterator[list[dict[str, Tensor]]]:
        """The batches of each step, as many as gradients are accumulated over."""
        while self.step < self.end:
            batches = self.data.epoch(*divmod(self.step, self.epoch_steps))
            while self.step < self.end:
                with clock.loading():
                    parts = [next(batches, None) for _ in range(self.config.accumulate)]
                found = [part for part in parts if part is not None]
                if len(found) < self.config.accumulate:
                    break
                yield [
                    {k: v.to(self.device, non_blocking=True) for k, v in part.items()}
                    for part in found
                ]

    def _step(self, batches: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        config = self.config
        for group in self.optimizer.param_groups:
            warmup = config.warmup_epochs * self.epoch_steps
            group["lr"] = config.lr * cosine(self.step, self.steps, warmup)
        self.method.begin_step(self.step / self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        results: list[dict[str, Tensor]] = []
        for number, batch in enumerate(batches, 1):
            with self._alone(wait=number < len(batches)):
                with torch.autocast(self.device.type, torch.bfloat16, enabled=config.amp):
                    result: dict[str, Tensor] = self.module(
                        batch["first"], batch["second"], batch.get("nonsemantic")
                    )
                (result["loss"] / len(batches)).backward()  # type: ignore[no-untyped-call]
            results.append({name: value.detach() for name, value in result.items()})
        self.optimizer.step()
        return {name: torch.stack([one[name] for one in results]).mean(0) for name in results[0]}

    def _alone(self, *, wait: bool) -> contextlib.AbstractContextManager[None]:
        """Ranks add up their gradients once a step, with its last part."""
        if wait and isinstance(self.module, nn.parallel.DistributedDataParallel):
            waiting: contextlib.AbstractContextManager[None] = self.module.no_sync()
            return waiting
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

    def _check(self, loss: float) -> None:
        if not math.isfinite(loss):
            last = checkpoints(self.folder)
            message = (
                f"the loss is {loss} at step {self.step}: lower --lr or raise --temperature; "
                f"{f'{last[-1]} is from before' if last else 'there is no checkpoint yet'}"
            )
            raise DivergedError(message)

    def _save(self) -> None:
        if rank_and_world_size()[0] == 0:
            state = {
                "config": json.dumps(self.config.to_dict()),
                "step": self.step,
                "photographs": self.data.photographs_sha256,
                "method": self.method.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            }
            save_checkpoint(self.folder, self.step, state, self.config.keep)
        if rank_and_world_size()[1] > 1:
            dist.barrier()

    def _resume(self) -> None:
        found = checkpoints(self.folder)
        if found:
            self._restore(found[-1])
        config = self.folder / CONFIG
        # Once it is known to be the run's.
        if rank_and_world_size()[0] == 0 and not (found and config.exists()):
            config.write_text(json.dumps(self.config.to_dict(), indent=2) + "\n")

    def _restore(self, checkpoint: Path) -> None:
        state = load_checkpoint(checkpoint)
        with whole_checkpoint(checkpoint):
            check_same(json.loads(state["config"]), self.config, str(checkpoint))
            self._check_photographs(state.get("photographs"), checkpoint)
            self.method.load_state_dict(state["method"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step = state["step"]
            torch.set_rng_state(state["rng"])
            if state["cuda_rng"] is not None and self.device.type == "cuda":
                torch.cuda.set_rng_state(state["cuda_rng"])

    def _check_photographs(self, before: str | None, checkpoint: Path) -> None:
        # SRC may have moved, and its photographs must be the same: epochs are counted in them.
        if before is not None and before != self.data.photographs_sha256:
            message = (
                f"{checkpoint} was trained on other photographs: give it the same --src, or "
                "name another --out"
            )
            raise ConfigError(message)


def _images(batch: dict[str, Tensor]) -> int:
    return len(batch["first"])
