"""The summary of a run in TensorBoard or Weights & Biases, where their users want it. Nothing is sent anywhere unless asked."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any


def _scalars(done: Any) -> Iterator[tuple[str, float]]:
    """Name and value of every measured column: "prose/budget=100/ratio_asked=10/precision"."""
    groups = [c for c in done.columns if c in ("kind", "budget", "mode", "ratio_asked", "font", "age", "tokens_bin", "language")]
    for row in done.rows:
        where = "/".join(str(row[g]) if g == "kind" else f"{g}={row[g]}" for g in groups if row.get(g) not in (None, ""))
        for column in done.columns:
            value = row.get(column)
            if column not in groups and isinstance(value, (int, float)) and not isinstance(value, bool):
                yield f"{where}/{column}", float(value)


def to_tensorboard(done: Any, folder: str | os.PathLike[str]) -> None:
    """Scalars of summary.csv. Errors: ImportError naming the package."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise ImportError("TensorBoard's log needs its package: pip install tensorboard") from None
    with SummaryWriter(log_dir=os.path.join(os.fspath(folder), done.out.name)) as writer:
        for name, value in _scalars(done):
            writer.add_scalar(name, value, 0)


def to_wandb(done: Any, project: str) -> None:
    """One run with config and summary of the manifest. Errors: ImportError naming the package."""
    try:
        import wandb
    except ImportError:
        raise ImportError("Weights & Biases needs its package: pip install wandb") from None
    run = done.run
    with wandb.init(project=project, name=done.out.name, config=run.manifest.get("config", {})) as log:
        log.summary.update(dict(_scalars(done)))
