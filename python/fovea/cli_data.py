"""`fovea data`: what data sets there are, what is in them, and whether a copy is whole."""

from __future__ import annotations

from typing import Any

import click

from fovea.cli import cli


@cli.group("data")
def data_group() -> None:
    """Data sets: list, describe, check. Nothing is downloaded; `describe` tells the command."""


@data_group.command("list")
def data_list() -> None:
    """All data sets that have a card."""
    from fovea import datasets

    for card in datasets.cards().values():
        where = f"ships, {len(card.paths())} files" if card.ships else "your own copy"
        click.echo(f"{card.name:<18} {where:<18} {card.title}")


def _show(name: str, value: Any) -> None:
    if isinstance(value, dict):
        value = ", ".join(f"{k} {v}" for k, v in value.items())
    if value not in ("", None, ()):
        click.echo(f"{name:<22} {', '.join(value) if isinstance(value, (list, tuple)) else value}")


@data_group.command("describe")
@click.argument("what", metavar="NAME|PATH")
@click.option("--kind", default="", help="form of a path, where it is not told by its name (text, jsonl, parquet, hf, fox, omnidocbench)")
def data_describe(what: str, kind: str) -> None:
    """Card of a data set (licence, citation, how to get it), or statistics of a copy on disk."""
    from pathlib import Path

    from fovea import datasets

    if Path(what).exists():
        for name, value in datasets.statistics(what, kind).items():
            _show(name, value)
        return
    card = datasets.card(what)
    for name in ("name", "title", "languages", "licence", "citation", "homepage", "files", "used_for"):
        _show(name, getattr(card, name))
    if card.download:
        click.echo(f"\nto download it yourself:\n    {card.download}")
    for path in card.paths():
        found = datasets.statistics(path)
        click.echo(f"    {path.name:<38} {found['records']:>4} records {found['characters']:>8} characters {found.get('text_tokens', ''):>7} text tokens")


@data_group.command("check")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path())
@click.option("--kind", default="", help="form, where it is not told by the name")
@click.option("--images", default="", help="folder of the page images")
@click.pass_context
def data_check(ctx: click.Context, paths: tuple[str, ...], kind: str, images: str) -> None:
    """Whether copies are whole: JSON, keys, ids, images. Exit code 1 if not."""
    from fovea import datasets

    bad = False
    for path in paths:
        problems = datasets.check(path, kind, images)
        bad = bad or bool(problems)
        click.echo(f"{path}: " + ("good" if not problems else f"{len(problems)} problems"))
        for problem in problems:
            click.echo(f"    {problem}")
    if bad:
        ctx.exit(1)
