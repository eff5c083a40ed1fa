"""The log of a training in TensorBoard or Weights & Biases. Nothing is sent anywhere unless asked."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def trackers(config: Any, tensorboard: str | None = None, wandb_project: str | None = None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that takes each log line to where it was asked for. A run that goes on goes on there, too. Errors: ImportError naming the package."""
    name = Path(config.trainer.out).name
    sinks: list[Callable[[dict[str, Any]], None]] = []
    with contextlib.ExitStack() as stack:
        if tensorboard:
            try:
                from torch.utils.tensorboard import SummaryWriter
            except ImportError:
                raise ImportError("TensorBoard's log needs its package: pip install tensorboard") from None
            writer = stack.enter_context(SummaryWriter(log_dir=str(Path(tensorboard) / name)))

            def to_tensorboard(line: dict[str, Any]) -> None:
                for key, value in _numbers(line):
                    writer.add_scalar(f"train/{key}", value, line["step"])

            sinks.append(to_tensorboard)
        if wandb_project:
            try:
                import wandb
            except ImportError:
                raise ImportError("Weights & Biases needs its package: pip install wandb") from None
            run = stack.enter_context(wandb.init(project=wandb_project, name=name, id=name, resume="allow", config=config.to_dict()))
            sinks.append(lambda line: run.log(dict(_numbers(line)), step=line["step"]))

        def track(line: dict[str, Any]) -> None:
            for sink in sinks:
                sink(line)

        yield track


def _numbers(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in line.items():
        if key != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
            yield key, float(value)
