"""`fovea report`, `fovea law`, `fovea paper`: what is made of finished runs."""

from __future__ import annotations

import sys
from typing import Any

import click

from fovea.cli import _Bar, _Schema, cli


@cli.command("report")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path())
@click.option("--out", default="report.html", metavar="FILE", help="the HTML file to write [report.html]", type=click.Path())
@click.option("--title", default="", help="heading; names of the runs where none is given")
@click.option("--worst", default=3, help="pages of each series shown in full, worst first [3]", type=click.IntRange(0, 1000))
@click.option("--max-pages", default=400, help="pages of each series that are drawn again to learn where their errors stand [400]", type=click.IntRange(0))
@click.option("--figures", default="", metavar="DIR", help="also write the curve as PNG, SVG, PDF and CSV into this folder", type=click.Path())
def report(runs: tuple[str, ...], out: str, title: str, worst: int, max_pages: int, figures: str) -> None:
    """One HTML file about run folders, or about all cells of a sweep; it needs no network and no other file.

    Curves with the paper's points, tables, prose beside its controls, loops and inventions, errors by place and by glyph, the worst pages with
    their errors marked, tokens, paired comparisons, manifests.
    """
    from fovea.report import write_report

    with _Bar() as bar:
        path = write_report(list(runs), out, title=title, worst=worst, max_pages=max_pages, on_page=lambda done, total: bar(done, total, done / total, -1.0))
    click.echo(path)
    if figures:
        from fovea.report.figures import save_curve

        click.echo("\n".join(map(str, save_curve(list(runs), figures))))


@cli.command("law", cls=_Schema, config_name="LawConfig")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path())
@click.option("--out", default="runs/law", metavar="DIR", help="folder for law.json, its figures and their data [runs/law]", type=click.Path())
@click.option("--figure/--no-figure", default=True, help="draw law.png, law.svg and law.pdf")
@click.pass_context
def law(ctx: click.Context, runs: tuple[str, ...], out: str, figure: bool, **values: Any) -> None:
    """The law of a curve: a logistic in log ratio and a capacity model in bits a token, with intervals and held-out ratios foretold.

    Runs of random letters or digits also give the bits that a vision token holds for certain.
    """
    from fovea import _C
    from fovea.law import describe, fit_runs, save

    config = _C.LawConfig()
    ctx.command.fill(config, values)
    found = fit_runs(list(runs), config)
    click.echo(describe(found))
    click.echo("\n".join(map(str, save(found, out, figure=figure))))


@cli.command("paper")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option("--out", default="runs/paper", metavar="DIR", help="folder for tables and figures, one folder a name [runs/paper]", type=click.Path())
@click.option("--list", "list_names", is_flag=True, help="list the names, with their status, and exit")
@click.option("--ours", multiple=True, metavar="NAME[:ROW]=PATH", help="where our values of a table are: a run folder, a metrics or results file")
@click.option("--keep", is_flag=True, help="keep what --ours measured in the package's data (of a checkout), for later tables")
@click.option("--write-readme", is_flag=True, help="also write each table into its README.md under paper-repro/ (of a checkout)")
def paper(names: tuple[str, ...], out: str, list_names: bool, ours: tuple[str, ...], keep: bool, write_readme: bool) -> None:
    """The paper's tables and figures beside ours: published value, ours, gap, allowed gap, command, status; figures redrawn.

    fovea paper                        all of them

    fovea paper fox-curve --ours fox-curve=runs/fox
    """
    from fovea import _C
    from fovea import paper as repro

    if list_names:
        for item in repro.items():
            click.echo(f"{item.name:<24} {item.status:<28} {item.title}")
        return
    given = []
    for text in ours:
        name, eq, path = text.partition("=")
        if not eq:
            raise _C.ConfigError(f"[paper] --ours must be NAME=FILE, got '{text}'")
        given.append((name, path))
    for result in repro.build(list(names), out, ours=given, write_readme=write_readme, keep=keep, on_item=lambda name: click.echo(f"{name} ...", err=True) if sys.stderr.isatty() else None):
        click.echo(result.line())
