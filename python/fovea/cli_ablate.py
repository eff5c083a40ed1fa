"""`fovea ablate`, and the cell that it starts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fovea.cli import _Schema, cli


@cli.command(cls=_Schema, config_name="AblateConfig")
@click.argument("grid", required=False, type=click.Path())
@click.option("--figure/--no-figure", "draw", default=True, help="draw ablation.svg and ablation.png")
@click.option("--seed", "seeds", metavar="4,5", help="seed of every cell, or several; short for --set train.trainer.seed=4,5")
@click.option("--gpus", metavar="0,1", help="GPUs, a cell at a time on each; short for --devices cuda:0 cuda:1")
@click.option("--executor", type=click.Choice(["local", "slurm", "ray"]), default="local", help="who runs the cells: this machine, a Slurm array, or Ray")
@click.option("--slurm", "slurm_lines", multiple=True, metavar="--OPTION=VALUE", help="a line for sbatch, such as --slurm=--time=2:00:00; repeatable")
@click.option("--tasks", type=int, default=0, help="size of the Slurm array, 0 one job a cell")
@click.option("--submit/--no-submit", default=True, help="submit the Slurm array, or write its script alone")
@click.option("--ray-address", help="address of a Ray cluster; without it Ray runs on this machine")
@click.option("--cpus", type=float, default=1, help="Ray: processors a cell")
@click.option("--ray-gpus", type=float, default=0, help="Ray: GPUs a cell")
@click.option("--tensorboard", metavar="FOLDER", help="put the logs of the finished cells there, too, for TensorBoard")
@click.option("--wandb", "wandb_project", metavar="PROJECT", help="send them to this project of Weights & Biases (WANDB_MODE=offline keeps them here)")
@click.option("--collect", is_flag=True, help="make table and figure of the cells that are finished, and run nothing")
@click.pass_context
def ablate(
    ctx: click.Context, grid: str | None, draw: bool, seeds: str | None, gpus: str | None, executor: str, slurm_lines: tuple[str, ...], tasks: int, submit: bool, ray_address: str | None,
    cpus: float, ray_gpus: float, tensorboard: str | None, wandb_project: str | None, collect: bool, **values: Any,
) -> None:
    """Models that differ in one choice, trained alike and measured by the curve, in one table and one figure.

    GRID is a TOML file (experiments/README.md), or the folder or manifest.json of an ablation that was run. Finished cells are kept, unfinished ones gone on with; a cell that fails is recorded and the others go on.
    """
    from fovea import _C
    from fovea.ablation_executors import gpu_devices, run
    from fovea.ablations import Ablation, write_seed_table

    config = _C.AblateConfig()
    ctx.command.fill(config, values)
    if grid:
        config.grid = grid
    if seeds is not None:
        if any(word.startswith("train.trainer.seed=") for word in config.set):
            raise _C.ConfigError("[ablate] seed and set train.trainer.seed say the same thing: name one of them")
        config.set = [*config.set, f"train.trainer.seed={seeds}"]
    if gpus is not None:
        if values.get("devices"):
            raise _C.ConfigError("[ablate] gpus and devices say the same thing: name one of them")
        config.devices = gpu_devices(gpus)
    plan = _C.plan_ablation(config)
    click.echo(f"{'cell':<32} {'seed':>4} {'params M':>9} {'px':>6} {'tokens':>7} {'GFLOP/page':>11}  status")
    for row in plan:
        click.echo(
            f"{row['name']:<32.32} {row['seed']:>4} {row['parameters'] / 1e6:>9.1f} {row['side_px']:>6} {row['vision_tokens']:>7} {row['gigaflops_page']:>11.2f}  {row['status']}"
        )
    if config.dry_run:
        return
    told = ""

    def on_progress(done: int, total: int, running: list[dict[str, Any]]) -> None:
        nonlocal told
        text = f"{done}/{total} cells" + "".join(f"  {cell['name']} {cell['phase']} {100 * cell['progress']:.0f} %" for cell in running)
        if text != told:
            told = text
            click.echo(("\r\033[K" if sys.stderr.isatty() else "") + text, err=True, nl=not sys.stderr.isatty())

    if collect:
        result = {**_C.collect_ablation(config), "notes": []}
    else:
        result = run(
            config, executor, on_progress=on_progress, slurm=list(slurm_lines), tasks=tasks, submit=submit, ray_address=ray_address, cpus=cpus, ray_gpus=ray_gpus
        )
    for note in result["notes"]:
        click.echo(note)
    if executor == "slurm" and not collect:
        click.echo(f"{result['files'][0]}\nwhen the jobs have ended: the same command with --collect")
        return
    if sys.stderr.isatty():
        click.echo("", err=True)
    if tensorboard or wandb_project:
        from fovea.train_trackers import track_cells

        click.echo(f"logged: {len(track_cells(config.out, tensorboard, wandb_project))} cells")
    busy = f", {result['num_busy']} are being trained by another process" if result["num_busy"] else ""
    click.echo(f"{result['num_complete']} cells complete, {result['num_failed']} failed{busy}")
    names = [Path(config.out) / "table.csv"]
    if result["rows"]:
        names.append(write_seed_table(config.out))
    if draw and result["rows"]:
        figure = Ablation(config.out).figure()
        for kind in ("svg", "png"):
            names.append(Path(config.out) / f"ablation.{kind}")
            figure.savefig(names[-1], dpi=150)
    click.echo("\n".join(str(name) for name in names))
    if result["num_failed"]:
        click.echo(f"which and why: {config.out}/manifest.json", err=True)
        sys.exit(1)


@cli.command("ablate-cell", hidden=True, context_settings={"ignore_unknown_options": True})
@click.argument("words", nargs=-1)
def ablate_cell(words: tuple[str, ...]) -> None:
    """One cell of an ablation in its folder: cell=FOLDER device=cpu."""
    from fovea import _C

    config = _C.AblateCellConfig()
    config.override(list(words))
    _C.run_ablate_cell(config, lambda line: click.echo(line, err=True))
