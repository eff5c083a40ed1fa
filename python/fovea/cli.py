"""The `fovea` command. Options are made from the field tables of the C++ config structs; none is declared here twice."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import Any

import click

# `fovea` (and with it LibTorch, two seconds) is imported where a command runs: --help of the group stays quick.


def _option_name(field: str) -> str:
    return "--" + field.replace("_", "-")


class _Schema(click.Command):
    """A command whose options are the fields of a config struct, each set only where it was given.

    A text-list option takes values until the next option: --text A B --font X Y. Numeric lists are written 64,100 (or 64 100).
    """

    def __init__(self, *args: Any, config_name: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.config_name = config_name
        self._schema: list[dict[str, Any]] | None = None

    @property
    def schema(self) -> list[dict[str, Any]]:
        if self._schema is None:
            from fovea import _C

            self._schema = getattr(_C, self.config_name).schema()
        return self._schema

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        params = []
        for entry in self.schema:
            is_list = entry["type"].startswith("list[")
            default = ",".join(str(v) for v in entry["default"]) if is_list else entry["default"]
            rule = f" ({', '.join(entry['choices'])})" if "choices" in entry else ""
            shown = "" if default == "" else f" [{str(default).lower() if isinstance(default, bool) else default}]"
            kind = {"list[str]": "TEXT...", "list[int]": "N,N...", "list[float]": "X,X...", "int": "N", "float": "X", "str": "TEXT", "bool": "true|false"}
            params.append(
                click.Option(
                    [_option_name(entry["name"]), entry["name"].replace(".", "__")], multiple=is_list, metavar=kind[entry["type"]],
                    help=entry["help"] + rule + shown,
                )
            )
        return [*params, *super().get_params(ctx)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lists = {_option_name(e["name"]) for e in self.schema if e["type"].startswith("list[")}
        known = {_option_name(e["name"]): e["name"] for e in self.schema}
        spread: list[str] = []
        current, taken = "", 0
        for arg in args:
            if arg.startswith("--") and len(arg) > 2:
                name, eq, value = arg.partition("=")
                name = name.replace("_", "-")  # --text_kind is --text-kind
                current, taken = (name if name in lists else ""), int(bool(eq))
                spread.append(name + eq + value if name in known else arg)
            elif current and taken:
                spread += [current, arg]
            else:
                taken += bool(current)
                spread.append(arg)
        return super().parse_args(ctx, spread)

    def fill(self, config: Any, values: dict[str, Any]) -> None:
        """Sets what was given. Text lists go as lists (names may hold commas), all else is parsed by the struct's own parser."""
        overrides, lists = [], {}
        for entry in self.schema:
            value = values.get(entry["name"].replace(".", "__"))
            if value is None or value == ():
                continue
            if entry["type"] == "list[str]":
                lists[entry["name"]] = list(value)
            elif entry["type"].startswith("list["):
                overrides.append(f"{entry['name']}={','.join(value)}")
            else:
                overrides.append(f"{entry['name']}={value}")
        if overrides:
            config.override(overrides)
        if lists:
            config.update(lists)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 130})
def cli() -> None:
    """Optical context compression: text as pictures, pictures as few vision tokens, and back."""


class _Bar:
    """Click's progress bar on stderr, with our own time left: by text length, not by pages."""

    def __init__(self) -> None:
        self.left = ""
        self.bar = click.progressbar(
            length=1000, file=sys.stderr, show_eta=False, show_percent=True, width=30, item_show_func=lambda _: self.left,
            hidden=not sys.stderr.isatty(),
        )
        self.done = 0
        self.told_s = -1e9

    def __enter__(self) -> _Bar:
        self.bar.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.bar.__exit__(*error)

    def __call__(self, pages_done: int, pages_total: int, share: float, seconds_left: float) -> None:
        import time

        from fovea import _C

        self.left = f"{pages_done}/{pages_total} pages"
        if seconds_left >= 0 and pages_done < pages_total:
            self.left += f", {_C.describe_seconds(seconds_left)} left"
        step = max(0, int(1000 * share) - self.done)
        self.done += step
        if sys.stderr.isatty():
            self.bar.update(step, current_item="")
            if step == 0:
                self.bar.render_progress()
        elif time.monotonic() - self.told_s >= 10 or pages_done == pages_total:
            self.told_s = time.monotonic()
            click.echo(f"{100 * share:5.1f} %  {self.left}", err=True)


def print_table(rows: list[dict[str, Any]]) -> None:
    click.echo(f"{'budget':>6} {'ratio':>6} {'measured':>8}  {'font':<22} {'size px':>7}  {'precision (95 %)':<22} {'recall':>7} {'edit distance':>13} {'loops':>5}")
    for row in rows:
        interval = f"{100 * row['precision']:.1f} % ({100 * row['precision_low']:.1f}-{100 * row['precision_high']:.1f})"
        click.echo(
            f"{row['budget']:>6} {row['ratio_asked']:>6g} {row['ratio_measured']:>8.2f}  {row['font']:<22.22} {row['font_size_px']:>7.2f}  {interval:<22} "
            f"{100 * row['recall']:>5.1f} % {row['char_edit_distance']:>13.4f} {row['loop_rate']:>5.2f}"
        )


@cli.command(cls=_Schema, config_name="CurveConfig")
@click.option("--config", "config_file", type=click.Path(), help="TOML file with these options; the command line wins over it")
@click.option("--figure/--no-figure", default=True, help="draw curve.svg and curve.png")
@click.pass_context
def curve(ctx: click.Context, config_file: str | None, figure: bool, **values: Any) -> None:
    """Text in, compression curve out: pages of each ratio are drawn, encoded, read back and scored.

    Killed and started again with the same options it goes on where it was.
    """
    import fovea
    from fovea import _C

    config = _C.CurveConfig(**(_C.read_toml(config_file) if config_file else {}))
    ctx.command.fill(config, values)
    missing: dict[str, str] = {}

    def on_page(line: dict[str, Any]) -> None:
        if line["num_missing_glyphs"]:
            missing.setdefault(line["font"], f"{line['num_missing_glyphs']} characters on page {line['page']}")

    with _Bar() as bar:
        result = fovea.curve(config, figure=False, on_progress=bar, on_page=on_page, command=["fovea", *sys.argv[1:]])
    for font, what in missing.items():
        click.echo(f"note: {font} lacks glyphs for {what}, say; they are drawn as boxes", err=True)
    print_table(result.rows)
    names = [result.out / "summary.csv"]
    if figure:
        names += result.save_figures()
    click.echo("\n" + "\n".join(str(name) for name in names))


@cli.command()
@click.argument("config_file", metavar="CONFIG.toml", type=click.Path())
@click.argument("overrides", metavar="[key=value]...", nargs=-1)
def train(config_file: str, overrides: tuple[str, ...]) -> None:
    """Train a reader. Stopped and started again it goes on from its checkpoint."""
    import fovea
    from fovea import _C

    config = _C.TrainConfig(**_C.read_toml(config_file))
    config.override(list(overrides))
    fovea.train(config, on_log=lambda line: click.echo(_C.describe_log(line), err=True))
    click.echo(f"{config.trainer.out}/model")


@cli.command(cls=_Schema, config_name="InfoConfig")
@click.pass_context
def info(ctx: click.Context, **values: Any) -> None:
    """Names, shapes and parameter count of a preset or of a model folder."""
    from fovea import _C

    config = _C.InfoConfig()
    ctx.command.fill(config, values)
    found = _C.model_info(config)
    for tensor in found.get("tensors", []):
        click.echo(f"{tensor['name']} {tensor['shape']}")
    click.echo(f"{found['name']}: {found['num_tensors']} tensors, {found['num_parameters']} parameters, {found['stride_px']} px a vision token")


@cli.command()
def version() -> None:
    """Versions of Fovea and of what it stands on."""
    import numpy
    import torch

    from fovea import _C
    from fovea.api import git_revision

    versions = {**_C.library_versions(), "python": sys.version.split()[0], "torch": torch.__version__, "numpy": numpy.__version__}
    for name, text in versions.items():
        click.echo(f"{name:<10} {text}")
    if revision := git_revision():
        click.echo(f"{'revision':<10} {revision}")


def _fail(message: str) -> int:
    lines = [line.strip().rstrip(";") for line in message.split("\nException raised from")[0].splitlines()]
    click.echo("error: " + "; ".join(line for line in lines if line), err=True)
    return 2


def main(args: Sequence[str] | None = None) -> int:
    """Exit codes: 0 done, 2 wrong input (one line on stderr), 130 stopped."""

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        result = cli.main(args=list(args) if args is not None else None, prog_name="fovea", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message(), err=True)
        return 2
    except click.ClickException as error:
        return _fail(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nstopped; the same command goes on from here", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 141
    except Exception as error:
        from fovea import _C

        if isinstance(error, (_C.Error, OSError, RuntimeError)):  # RuntimeError: what LibTorch throws, out of memory say
            return _fail(str(error))
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
