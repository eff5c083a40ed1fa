"""The summaries of runs in TensorBoard or Weights & Biases, where their users want them. Nothing is sent anywhere unless asked."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fovea import runs

_GROUPS = ("kind", "budget", "mode", "ratio_asked", "font", "age", "tokens_bin", "language")


def scalars(run: runs.Run) -> Iterator[tuple[str, float]]:
    """Name and value of every measured column of summary.csv: "prose/budget=100/ratio_asked=10/precision"."""
    table = run.summary
    groups = [c for c in table.columns if c in _GROUPS]
    for row in table.astype(object).where(table.notna(), None).to_dict("records"):
        where = "/".join(str(row[g]) if g == "kind" else f"{g}={row[g]}" for g in groups if row[g] not in (None, ""))
        for column in table.columns:
            value = row[column]
            if column not in groups and isinstance(value, (int, float)) and not isinstance(value, bool):
                yield f"{where}/{column}", float(value)


def _each(folders: Iterable[str | os.PathLike[str]]) -> list[tuple[str, runs.Run]]:
    """The complete runs of folders, those of sweeps one a cell, with a name that tells cells apart."""
    out = []
    for folder in folders:
        for found in runs.find([folder]):
            run = runs.load(found)
            name = run.name if Path(folder) == found else f"{Path(folder).name}-{run.name}"
            if run.complete:
                out.append((name, run))
    return out


def log(folders: Iterable[str | os.PathLike[str]], tensorboard: str | os.PathLike[str] | None = None, wandb_project: str | None = None) -> list[str]:
    """Logs run folders, or sweeps; returns the names under which they stand. Logged again a run replaces what stood there. Errors: ImportError naming the package."""
    if tensorboard:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ImportError("TensorBoard's log needs its package: pip install tensorboard") from None
    if wandb_project:
        try:
            import wandb
        except ImportError:
            raise ImportError("Weights & Biases needs its package: pip install wandb") from None
    names = []
    for name, run in _each(folders):
        names.append(name)
        values = dict(scalars(run))
        if tensorboard:
            where = Path(tensorboard) / name
            for old in where.glob("events.out.tfevents.*"):
                old.unlink()
            with SummaryWriter(log_dir=str(where)) as writer:
                for key, value in values.items():
                    writer.add_scalar(key, value, 0)
        if wandb_project:
            config: dict[str, Any] = {**run.config, "git_revision": run.manifest.get("git_revision")}
            with wandb.init(project=wandb_project, name=name, config=config, reinit="finish_previous", settings=wandb.Settings(silent=True)) as record:
                record.summary.update(values)
    return names
