"""`fovea train`: a training, its plan, and its log where its users want it."""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from fovea.cli import cli


@cli.command()
@click.argument("config_file", metavar="CONFIG.toml", type=click.Path())
@click.argument("overrides", metavar="[key=value]...", nargs=-1)
@click.option("--plan", is_flag=True, help="show parameters, operations, memory and length, and train nothing")
@click.option("--tensorboard", metavar="FOLDER", help="write every log line there, too, for TensorBoard")
@click.option("--wandb", "wandb_project", metavar="PROJECT", help="send every log line to this project of Weights & Biases (WANDB_MODE=offline keeps it here)")
def train(config_file: str, overrides: tuple[str, ...], plan: bool, tensorboard: str | None, wandb_project: str | None) -> None:
    """Train a reader. Stopped and started again it goes on from its checkpoint.

    Several GPUs: torchrun --standalone --nproc-per-node=4 -m fovea train CONFIG.toml. The same run goes on with another number of processes
    that divides trainer.micro_batches.
    """
    import fovea
    from fovea import _C
    from fovea.train_trackers import trackers

    config = _C.TrainConfig(**_C.read_toml(config_file))
    config.override(list(overrides))
    if plan:
        click.echo(_C.describe_training_plan(_C.plan_training(config)), nl=False)
        return
    first = int(os.environ.get("RANK", "0")) == 0
    with trackers(config, tensorboard if first else None, wandb_project if first else None) as track:

        def on_log(line: dict[str, Any]) -> None:
            click.echo(_C.describe_log(line), err=True)
            track(line)

        fovea.train(config, on_log=on_log)
    if first:
        out = config.trainer.out
        names = [f"{out}/{name}" for name in ("model", "best", "adapters") if os.path.isdir(f"{out}/{name}")]
        click.echo("\n".join(names))
        if config.trainer.lora.rank > 0 and not config.trainer.lora.merge:
            click.echo(f"merged into one model: fovea convert --model {config.trainer.init} --adapters {out}/adapters --out MERGED", file=sys.stderr)
