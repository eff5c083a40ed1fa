"""`fovea read`: documents in, Markdown, JSON and HTML out. `fovea info`, `fovea convert`: model folders looked at and written in fewer bits."""

from __future__ import annotations

from typing import Any

import click

from fovea.cli import _Bar, _Schema, cli


@cli.command(cls=_Schema, config_name="ReadConfig")
@click.argument("documents", metavar="FILE...", nargs=-1, type=click.Path())
@click.option("--config", "config_file", type=click.Path(), help="TOML file with these options; the command line wins over it")
@click.option("--format", "formats", default="md,json", show_default=True, metavar="F,F", help="of md, json, html; the JSON is always written")
@click.option("--pages", default="", metavar="1-5,9", help="pages of PDFs")
@click.option("--dpi", default=144.0, show_default=True, type=float, help="resolution of PDF pages")
@click.option("--password", default=None, help="of encrypted PDFs")
@click.option("--boxes/--no-boxes", default=True, show_default=True, help="write pages with their boxes drawn on them")
@click.option("--reader", "reader_url", default=None, metavar="URL", help="read through an OpenAI-compatible endpoint (http://host:port/v1) instead of a model here")
@click.option("--reader-model", default="", help="model name that the endpoint expects; empty: the first that it lists")
@click.option("--reader-key-env", default="OPENAI_API_KEY", show_default=True, help="environment variable that holds the endpoint's key")
@click.option("--reader-timeout", default=300.0, show_default=True, type=float, help="seconds that a page may take there")
@click.pass_context
def read(ctx: click.Context, documents: tuple[str, ...], config_file: str | None, reader_url: str | None, reader_model: str, reader_key_env: str,
         reader_timeout: float, formats: str, pages: str, dpi: float, password: str | None, boxes: bool, **values: Any) -> None:
    """Images, PDFs and folders of them in; NAME.md, NAME.json and NAME.html a document, figures and pages with boxes beside.

    fovea read scan.pdf --model DIR --mode gundam --prompt markdown --out out --format md,json,html

    Killed and started again it goes on. A page that cannot be read is reported and the others go on (exit code 1).

    --mode auto takes the smallest mode that the letters allow.
    """
    from fovea import _C
    from fovea import documents as docs
    from fovea.api import default_model

    config = _C.ReadConfig(**(_C.read_toml(config_file) if config_file else {}))
    ctx.command.fill(config, values)
    files = [*config.files, *documents]
    if not values.get("model") and not config_file:
        config.model = default_model()
    reader = None
    if reader_url:
        import os

        from fovea.endpoints import OpenAIReader

        reader = OpenAIReader(reader_url, reader_model, key=os.environ.get(reader_key_env), timeout_s=reader_timeout)
    failed = 0
    with _Bar() as bar:
        found = docs.read_documents(
            files, config.model, reader=reader, out=config.out, formats=formats, pages=pages, dpi=dpi, password=password, boxes=boxes, config=config,
            on_page=lambda done, total, page: bar(done, total, done / total, -1.0),
        )
        for document in found:
            if not isinstance(document, docs.Document):
                continue
            failed += len(document.errors)
            for error in document.errors:
                click.echo(f"error: {error}", err=True)
            for name in document.written:
                click.echo(name)
    if failed:
        ctx.exit(1)


@cli.command(cls=_Schema, config_name="InfoConfig")
@click.argument("name", metavar="[MODEL]", required=False)
@click.pass_context
def info(ctx: click.Context, name: str | None, **values: Any) -> None:
    """What a model folder or a preset is made of, the tokens of each mode and the memory that it needs.

    fovea info deepseek-ocr --no-tensors
    """
    from fovea import _C

    config = _C.InfoConfig()
    ctx.command.fill(config, values | ({"model": name} if name else {}))
    found = _C.model_info(config)
    for tensor in found.get("tensors", []):
        click.echo(f"{tensor['name']} {tensor['shape']}")
    click.echo(_C.describe_info(found), nl=False)


@cli.command(cls=_Schema, config_name="ConvertConfig")
@click.pass_context
def convert(ctx: click.Context, **values: Any) -> None:
    """A model folder in other arithmetic: int8, int6 or int4 (a scale each --group columns) for the matrices, with the error that it makes."""
    from fovea import _C

    config = _C.ConvertConfig()
    ctx.command.fill(config, values)
    report = _C.convert_model(config)
    for form, part in report["stored"].items():
        click.echo(f"{form:<6} {part['num_tensors']:>5} tensors {part['num_bytes_original']:>14} -> {part['num_bytes']:>13} bytes, relative error {part['relative_error']:.5f}")
    for tensor in report["worst"]:
        click.echo(f"  worst: {tensor['name']} {tensor['relative_error']:.5f}")
    click.echo(f"{config.out}: {report['num_bytes']} bytes, mean relative error {report['mean_relative_error']:.5f}; checked: {report['num_checked']} tensors read back")
