"""`fovea eval`, `fovea tasks` and `fovea sweep`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

from fovea.cli import _Bar, _Schema, cli, score_group


def _cell(value: Any) -> str:
    if value is None or value == "":
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def print_rows(columns: list[str], rows: list[dict[str, Any]], leave_out: tuple[str, ...] = ("task", "task_version")) -> None:
    """Columns that say something, as a table."""
    shown = [c for c in columns if c not in leave_out and not c.endswith(("_low", "_high")) and any(_cell(row.get(c)) != "-" for row in rows)]
    shown = [c for c in shown if not (c.endswith(("_rate", "_errors")) and not any(row.get(c) for row in rows))]
    if len(rows) == 1:
        for c in shown:
            low, high = rows[0].get(f"{c}_low"), rows[0].get(f"{c}_high")
            interval = f"  ({_cell(low)} to {_cell(high)})" if low is not None and high is not None else ""
            click.echo(f"{c:<28} {_cell(rows[0].get(c))}{interval}")
        return
    widths = [max(len(c), *(len(_cell(row.get(c))) for row in rows)) for c in shown]
    for line in [dict(zip(shown, shown, strict=True)), *rows]:
        click.echo("  ".join(_cell(line.get(c)).rjust(w) for c, w in zip(shown, widths, strict=True)))


@cli.command("tasks")
def tasks() -> None:
    """The tasks that `fovea eval` knows, and the controls."""
    from fovea import _C

    for name, about in _C.task_names().items():
        click.echo(f"{name:<14} {about}")
    click.echo(f"\ncontrols: {', '.join(_C.control_names())}")


@cli.command("eval", cls=_Schema, config_name="EvalConfig")
@click.argument("task_name", metavar="TASK|CONFIG", required=False)
@click.option("--config", "config_file", type=click.Path(), help="TOML, JSON or YAML file with these options; the command line wins over it")
@click.option("--parquet/--no-parquet", default=False, help="also write results.parquet")
@click.option("--dry-run", is_flag=True, help="tell samples and tokens, and read nothing")
@click.option("--endpoint-model", default="", help="name of the model at an endpoint (--reader http://...)")
@click.option("--tensorboard", type=click.Path(), default=None, help="folder: also log the summary for TensorBoard")
@click.option("--wandb", default=None, help="project: also log the summary to Weights & Biases (WANDB_MODE=offline keeps it here)")
@click.pass_context
def eval_command(ctx: click.Context, task_name: str | None, config_file: str | None, parquet: bool, dry_run: bool, endpoint_model: str, tensorboard: str | None, wandb: str | None, **values: Any) -> None:
    """One task and one reader into a run folder: curve, fox, omnidocbench, needle, qa, exact, forgetting or perplexity.

    fovea eval curve --data book.txt --controls shuffled-words random-letters --prior

    fovea eval fox --data focus_benchmark_test --mode small --out runs/fox

    fovea eval needle --reader http://localhost:8000/v1 --endpoint-model deepseek-ocr

    Killed and started again it goes on; samples that could not be read are tried again (exit code 1 while there are any).
    """
    from fovea import _C
    from fovea.evaluation import evaluate, read_grid, resolve_eval_config

    if task_name and task_name.endswith((".json", ".toml", ".yaml", ".yml")):
        task_name, config_file = None, task_name
    config = _C.EvalConfig(**(read_grid(config_file) if config_file else {}))
    endpoint = values.get("reader") if str(values.get("reader") or "").startswith(("http://", "https://")) else None
    if endpoint:
        values["reader"] = None
    ctx.command.fill(config, values)  # type: ignore[attr-defined]
    if task_name:
        config.task = task_name
    if dry_run:
        estimate = _C.estimate_eval(resolve_eval_config(config))
        click.echo("  ".join(f"{name}={value}" for name, value in estimate.items()))
        return
    reader = None
    if endpoint:
        from fovea.endpoints import OpenAIReader

        reader = OpenAIReader(endpoint, model=endpoint_model)
    failed: list[dict[str, Any]] = []

    def on_sample(line: dict[str, Any]) -> None:
        if "error" in line:
            failed.append(line)

    with _Bar("samples") as bar:
        done = evaluate(config, reader=reader, parquet=parquet, on_progress=bar, on_sample=on_sample, command=["fovea", *sys.argv[1:]])
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    for line in failed[:5]:
        click.echo(f"error: {line['sample']}: {line['error']}", err=True)
    if done.rows:
        print_rows(done.columns, done.rows)
    prior = done.out / "prior.csv"
    if prior.is_file():
        import pandas

        table = pandas.read_csv(prior)
        click.echo("\nwithout the page:")
        print_rows(list(table.columns), table.astype(object).where(table.notna(), None).to_dict("records"))
    if tensorboard or wandb:
        from fovea import trackers

        trackers.log([done.out], tensorboard, wandb)
    click.echo("\n" + "\n".join(str(name) for name in done.files))
    if done.num_errors:
        click.echo(f"{done.num_errors} samples could not be read, see {done.out}/errors.jsonl; the same command tries them again", err=True)
        ctx.exit(1)


@score_group.command("task", cls=_Schema, config_name="EvalConfig")
@click.argument("task_name", metavar="TASK")
@click.argument("file", metavar="PREDICTIONS", type=click.Path())
@click.pass_context
def score_task(ctx: click.Context, task_name: str, file: str, **values: Any) -> None:
    """Saved predictions, of others or of --predict-only, by a task's own metrics.

    fovea score task fox results.json --data focus_benchmark_test
    """
    from fovea import _C
    from fovea.evaluation import evaluate

    config = _C.EvalConfig()
    ctx.command.fill(config, values)  # type: ignore[attr-defined]
    config.task, config.reader, config.predictions = task_name, "predictions", file
    done = evaluate(config, command=["fovea", *sys.argv[1:]])
    for note in done.notes:
        click.echo(f"note: {note}", err=True)
    print_rows(done.columns, done.rows)
    click.echo("\n" + "\n".join(str(name) for name in done.files))
    if done.num_errors:
        click.echo(f"{done.num_errors} samples have no prediction, see {done.out}/errors.jsonl", err=True)
        ctx.exit(1)


@cli.command("sweep", cls=_Schema, config_name="SweepConfig")
@click.argument("words", metavar="[GRID.toml] [key=a,b]...", nargs=-1)
@click.option("--executor", default="local", help="who runs the cells (local, slurm, ray) [local]")
@click.option("--parquet/--no-parquet", default=False, help="also write results.parquet of all cells")
@click.option("--slurm", multiple=True, help="a line for sbatch, say --slurm=--time=2:00:00")
@click.option("--tasks", default=0, help="size of the Slurm array, 0: one a cell")
@click.option("--submit/--no-submit", default=True, help="call sbatch where it is")
@click.option("--ray-address", default=None, help="a running Ray cluster; without, one is started here")
@click.option("--cpus", default=1.0, help="CPU cores a cell (Ray)")
@click.option("--gpus", default=0.0, help="GPUs a cell (Ray)")
@click.option("--tensorboard", type=click.Path(), default=None, help="folder: also log the summary of each complete cell for TensorBoard")
@click.option("--wandb", default=None, help="project: also log the summary of each complete cell to Weights & Biases (WANDB_MODE=offline keeps it here)")
@click.pass_context
def sweep_command(ctx: click.Context, words: tuple[str, ...], executor: str, parquet: bool, slurm: tuple[str, ...], tasks: int, submit: bool, ray_address: str | None, cpus: float, gpus: float, tensorboard: str | None, wandb: str | None, **values: Any) -> None:
    """A grid of tasks, frozen to one stand-alone config a cell; every option of `fovea eval` may be an axis.

    fovea sweep grid.toml budget=64,100 ratio=5:20:5 style.hinting=none,light --out runs/grid --dry-run

    fovea sweep --out runs/grid            (goes on with what the folder holds)

    Kill it anywhere, run several on one folder: a cell is run by one process at a time, and not again once it is complete.
    """
    from fovea import _C, executors
    from fovea.cli import _fail

    config = _C.SweepConfig()
    ctx.command.fill(config, values)  # type: ignore[attr-defined]
    axes = [*config.axes, *(word for word in words if "=" in word)]
    files = [word for word in words if "=" not in word]
    if len(files) > 1:
        ctx.exit(_fail(f"[sweep] one grid file at most, got {', '.join(files)}"))
    grid = files[0] if files else config.grid or None
    options = {key: value for key, value in config.to_dict().items() if key not in ("grid", "axes", "out", "dry_run")}

    def on_cell(cell: dict[str, Any]) -> None:
        if "error" in cell:
            click.echo(f"error: {cell['hash']} ({cell['label']}): {cell['error']}", err=True)

    if config.dry_run:
        result = executors.run(grid, axes, Path(config.out), "local", dry_run=True, **options)
        for cell in result["cells"]:
            click.echo(f"{cell['hash']}  {cell['status']:<9} {cell['num_samples']:>6} samples {cell['num_vision_tokens']:>9} vision {cell['num_text_tokens']:>10} text tokens  {cell['label']}")
        e = result["estimate"]
        left = _C.describe_seconds(e["seconds_left"]) if e["seconds_left"] is not None else "unknown until a cell is done (or give --seconds-per-token)"
        price = f", price {e['price_left']:.4g}" if e["price_left"] is not None else ""
        click.echo(f"{result['num_cells']} cells, {result['num_complete']} complete; {e['num_samples']} samples, {e['num_vision_tokens']} vision tokens, {e['num_text_tokens']} text tokens; time left {left}{price}")
        return
    with _Bar("cells") as bar:
        result = executors.run(
            grid, axes, Path(config.out), executor, parquet=parquet, on_cell=on_cell, on_progress=bar, command=["fovea", *sys.argv[1:]], slurm=list(slurm), tasks=tasks, submit=submit,
            ray_address=ray_address, cpus=cpus, gpus=gpus, **options,
        )
    for note in result["notes"]:
        click.echo(f"note: {note}", err=True)
    click.echo(f"{result['num_complete']} of {result['num_cells']} cells complete, {len(result['failed'])} failed, {len(result['busy'])} in another process")
    if tensorboard or wandb:
        from fovea import trackers

        trackers.log([config.out], tensorboard, wandb)
    click.echo("\n".join(result["files"]))
    if result["failed"]:
        ctx.exit(1)
