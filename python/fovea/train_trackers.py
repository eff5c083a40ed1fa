"""The log of a training in TensorBoard or Weights & Biases. Nothing is sent anywhere unless asked."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any


@contextlib.contextmanager
def trackers(config: Any, tensorboard: str | None = None, wandb_project: str | None = None) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that takes each log line to where it was asked for. A run that goes on goes on there, too. Errors: ImportError naming the package."""
    with _sinks(Path(config.trainer.out).name, config.to_dict(), tensorboard, wandb_project) as track:
        yield track


def track_cells(ablation: str | os.PathLike[str], tensorboard: str | None = None, wandb_project: str | None = None) -> list[str]:
    """The finished cells of an ablation's folder, a run each with the lines of its training and what it reads; returns their names. Errors: ImportError naming the package."""
    names = []
    for path in sorted(Path(ablation).glob("cells/*/result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        log = path.parent / "train" / "log.jsonl"
        if not log.exists():
            continue
        name = f"{Path(ablation).name}-{path.parent.name}"
        settings = {**json.loads((path.parent / "cell.json").read_text(encoding="utf-8")), "hardware": result.get("hardware"), "status": result.get("status")}
        with _sinks(name, settings, tensorboard, wandb_project, group=Path(ablation).name) as track:
            line: dict[str, Any] = {"step": 0}
            for text in log.read_text(encoding="utf-8").splitlines():
                line = json.loads(text)
                track(line)
            read = {f"{row['text_kind']}/{row['token_form']}/budget={row['budget']}/ratio={row['ratio_asked']}/font={row['font']}/{key}": row[key]
                    for row in result.get("rows", []) for key in ("precision", "char_edit_distance")}  # fmt: skip
            track({**read, "step": line["step"] + 1})
        names.append(name)
    return names


@contextlib.contextmanager
def _sinks(name: str, settings: dict[str, Any], tensorboard: str | None, wandb_project: str | None, group: str | None = None) -> Iterator[Callable[[dict[str, Any]], None]]:
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
                    writer.add_scalar(key if "/" in key else f"train/{key}", value, line["step"])

            sinks.append(to_tensorboard)
        if wandb_project:
            try:
                import wandb
            except ImportError:
                raise ImportError("Weights & Biases needs its package: pip install wandb") from None
            run = stack.enter_context(wandb.init(project=wandb_project, dir=os.environ.get("WANDB_DIR"), group=group, name=name, id=name, resume="allow", config=settings))
            sinks.append(lambda line: run.log(dict(_numbers(line)), step=line["step"]))

        def track(line: dict[str, Any]) -> None:
            for sink in sinks:
                sink(line)

        yield track


def _numbers(line: dict[str, Any]) -> Iterator[tuple[str, float]]:
    for key, value in line.items():
        if key != "step" and isinstance(value, (int, float)) and not isinstance(value, bool):
            yield key, float(value)
