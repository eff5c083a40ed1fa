"""`fovea memory` and `fovea auto-table`: two small measurements with a reader at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from fovea.cli import _Bar, cli


def _text_of(file: str) -> str:
    from fovea import _C

    try:
        return Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _C.IoError(f"[memory] cannot read {file}: {error}") from None


@cli.command("memory")
@click.argument("text", metavar="TEXT", type=click.Path())
@click.option("--budget", default=400, show_default=True, type=int, help="vision tokens in all")
@click.option("--out", default="runs/memory", show_default=True, type=click.Path(), help="folder for memory.csv and the figure")
@click.option("--model", default=None, type=click.Path(), help="model folder; none: the reader that ships")
@click.option("--sides", default="", metavar="PX,PX", help="page sides, falling; empty: those that the model knows")
@click.option("--turns", default=40, show_default=True, type=click.IntRange(1), help="turns of the conversation that the text is cut into")
@click.option("--turn-words", default=80, show_default=True, type=click.IntRange(1))
@click.option("--font", default="DejaVu Sans Mono", show_default=True)
@click.option("--font-size-px", default=None, type=float, help="at the largest side; empty: a 64th of it")
@click.option("--device", default="cpu", show_default=True)
@click.option("--max-new-tokens", default=4096, show_default=True, type=click.IntRange(1), help="most text tokens a page")
def memory(text: str, budget: int, out: str, sides: str, turns: int, turn_words: int, max_new_tokens: int, **options: Any) -> None:
    """A text told as a conversation into a memory that fades, and what is readable of it by age."""
    from fovea import _C
    from fovea.memory import memory_curve, turns_of

    try:
        given = tuple(int(s) for s in sides.split(",")) if sides else None
    except ValueError:
        raise _C.ConfigError(f"[memory] sides must be like 640,512, got '{sides}'") from None
    told = turns_of(_text_of(text), turn_words)[:turns]
    with _Bar("turns") as bar:
        rows = memory_curve(told, budget, out, sides=given, generate={"max_new_tokens": max_new_tokens}, on_turn=lambda done: bar(done, len(told), done / len(told), -1.0), **options)
    click.echo(f"{'age':>4} {'side px':>7} {'vision':>7} {'text':>6} {'ratio':>6} {'recall':>8} {'edit distance':>13}  stopped")
    for r in rows:
        click.echo(f"{r['age_pages']:>4} {r['side_px']:>7} {r['vision_tokens']:>7} {r['text_tokens']:>6} {r['ratio']:>6.1f} {100 * r['recall']:>6.1f} % {r['char_edit_distance']:>13.4f}  {r['stop_reason']}")
    click.echo("\n".join(f"{Path(out) / name}" for name in ("memory.csv", "memory.svg", "memory.png")))


@cli.command("auto-table")
@click.argument("text", metavar="TEXT", type=click.Path())
@click.option("--sizes", default="9,12,17,26", show_default=True, metavar="PX,PX", help="letter sizes of the pages")
@click.option("--modes", default="", metavar="MODE,MODE", help="fixed modes; empty: those that auto chooses from")
@click.option("--pages", default=2, show_default=True, type=click.IntRange(1))
@click.option("--side", "side_px", default=768, show_default=True, type=click.IntRange(64), help="of the pages as they are drawn")
@click.option("--font", default="DejaVu Sans", show_default=True)
@click.option("--model", default=None, type=click.Path(), help="model folder; none: the reader that ships")
@click.option("--device", default="cpu", show_default=True)
@click.option("--max-new-tokens", default=4096, show_default=True, type=click.IntRange(1), help="most text tokens a page")
@click.option("--out", default="", metavar="FILE.csv", type=click.Path(), help="also write the table there")
def auto_table_command(text: str, sizes: str, modes: str, out: str, max_new_tokens: int, **options: Any) -> None:
    """Tokens and accuracy of --mode auto beside each fixed mode, on drawn pages of several letter sizes."""
    from fovea import _C, figures
    from fovea.auto_table import auto_table

    try:
        given = [float(s) for s in sizes.split(",")]
    except ValueError:
        raise _C.ConfigError(f"[auto-table] sizes must be like 9,12,17, got '{sizes}'") from None
    with _Bar() as bar:
        rows = auto_table(_text_of(text), given, modes=[m for m in modes.split(",") if m], generate={"max_new_tokens": max_new_tokens}, on_page=lambda done, total: bar(done, total, done / total, -1.0), **options)
    click.echo(f"{'size px':>7}  {'mode':<10} {'chosen':<14} {'attempts':>8} {'vision tokens':>13} {'precision':>10} {'edit distance':>13}  stopped")
    for r in rows:
        click.echo(f"{r['font_size_px']:>7g}  {r['mode']:<10} {r['chosen']:<14} {r['num_attempts']:>8.1f} {r['vision_tokens']:>13.0f} {100 * r['precision']:>8.1f} % {r['char_edit_distance']:>13.4f}  {r['stop_reasons']}")
    if out:
        Path(out).parent.mkdir(parents=True, exist_ok=True)
        click.echo(figures.write_atomic(Path(out), figures.to_csv(rows)))
