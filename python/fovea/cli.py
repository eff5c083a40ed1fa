"""The `fovea` command. Options are made from the field tables of the C++ config structs; none is declared here twice."""

from __future__ import annotations

import itertools
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
            kind = {"list[str]": "TEXT...", "list[int]": "N,N...", "list[float]": "X,X...", "int": "N", "float": "X", "str": "TEXT", "bool": "[true|false]"}
            params.append(
                click.Option(
                    [_option_name(entry["name"]), entry["name"].replace(".", "__")], multiple=is_list, metavar=kind[entry["type"]],
                    help=entry["help"] + rule + shown,
                )
            )
        return [*params, *super().get_params(ctx)]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        lists = {_option_name(e["name"]) for e in self.schema if e["type"].startswith("list[")}
        switches = {_option_name(e["name"]) for e in self.schema if e["type"] == "bool"}
        known = {_option_name(e["name"]): e["name"] for e in self.schema}
        spread: list[str] = []
        current, taken = "", 0
        for i, arg in enumerate(args):
            if arg.startswith("--") and len(arg) > 2:
                name, eq, value = arg.partition("=")
                name = name.replace("_", "-")  # --text_kind is --text-kind
                current, taken = (name if name in lists else ""), int(bool(eq))
                if name in switches and not eq and args[i + 1 : i + 2] not in (["true"], ["false"]):
                    eq, value = "=", "true"  # --map is --map true
                elif not eq and name.startswith("--no-") and "--" + name[5:] in switches:
                    name, eq, value = "--" + name[5:], "=", "false"
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

    def __init__(self, unit: str = "pages") -> None:
        self.left = ""
        self.unit = unit
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

        self.left = f"{pages_done}/{pages_total} {self.unit}"
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


@cli.command(cls=_Schema, config_name="RenderConfig")
@click.argument("files", metavar="TEXT...", nargs=-1, type=click.Path())
@click.option("--config", "config_file", type=click.Path(), help="TOML file with these options; the command line wins over it")
@click.option("--styles", is_flag=True, help="list the styles that ship, with what each follows, and exit")
@click.pass_context
def render(ctx: click.Context, files: tuple[str, ...], config_file: str | None, styles: bool, **values: Any) -> None:
    """Texts and a style in, a folder of pages out; with --sweep over a grid of styles.

    fovea render book.txt --style glyph --out pages --map

    fovea render book.txt --style plain --sweep font="DejaVu Sans,DejaVu Serif" size_px=8:14:2 --contact-sheet --out sweep

    Killed and started again it goes on: what is there with the same text, style, fonts and versions is not drawn anew.
    """
    from fovea import _C
    from fovea.api import deepseek_tokenizer_path, git_revision

    if styles:
        for name in _C.style_names():
            lines = itertools.takewhile(lambda line: line.startswith("#"), _C.style_text(name).splitlines())
            click.echo(f"{name}\n" + "\n".join("    " + line[1:].strip() for line in lines))
        return
    for name in ("set", "sweep"):  # a list option takes what follows it: what has no "=" is a text
        files += tuple(word for word in values[name] if "=" not in word)
        values[name] = tuple(word for word in values[name] if "=" in word)
    config = _C.RenderConfig(**(_C.read_toml(config_file) if config_file else {}))
    ctx.command.fill(config, values)
    if files:
        config.text = [*config.text, *files] if values.get("text") else list(files)
    if not config.tokenizer:
        config.tokenizer = deepseek_tokenizer_path()
    notes: dict[str, None] = {}

    def on_result(line: dict[str, Any]) -> None:
        where = line["text"] + (f" ({line['cell']})" if line["cell"] else "")
        if "error" in line:
            notes[f"{where}: {line['error']}"] = None
            return
        if line["num_missing_glyphs"]:
            notes[f"{where}: no font has {line['num_missing_glyphs']} of the characters ('{line['missing_example']}', say); they are drawn as boxes"] = None
        if line["num_bytes_left_out"]:
            notes[f"{where}: {line['num_bytes_left_out']} bytes did not fit and were left out"] = None
        for text in line["notes"]:
            notes[f"{where}: {text}"] = None

    with _Bar("cells") as bar:
        done = _C.run_render(config, lambda n, total: bar(n, total, n / total, -1), on_result, ["fovea", *sys.argv[1:]], git_revision())
    for note in list(notes)[:20]:
        click.echo(f"note: {note}", err=True)
    if len(notes) > 20:
        click.echo(f"note: and {len(notes) - 20} more, see {config.out}/results.jsonl", err=True)
    skipped = f", {done['num_skipped']} of {len(done['results'])} cells were there already" if done["num_skipped"] else ""
    click.echo(f"{done['num_pages']} pages in {config.out}{skipped}")
    click.echo("\n".join(done["files"]))


@cli.command("map", cls=_Schema, config_name="MapConfig")
@click.argument("files", metavar="PAGE.map.json...", nargs=-1, type=click.Path())
@click.option("--tokens/--no-tokens", default=True, help="count text tokens, with DeepSeek's tokenizer where none is named")
@click.pass_context
def map_command(ctx: click.Context, files: tuple[str, ...], tokens: bool, **values: Any) -> None:
    """Where the characters of drawn pages fall on vision tokens: PAGE.MODE.json and a picture of grid, load and cuts beside each map."""
    from fovea import _C
    from fovea.api import deepseek_tokenizer_path

    config = _C.MapConfig()
    ctx.command.fill(config, values)
    config.map = [*config.map, *files]
    if not tokens:
        config.tokenizer = ""
    elif not config.tokenizer:
        config.tokenizer = deepseek_tokenizer_path()
    for line in _C.run_map(config):
        ratio = f", ratio {line['ratio']:.2f} ({line['num_text_tokens']} text tokens)" if "ratio" in line else ""
        click.echo(f"{line['map']}: {line['num_vision_tokens']} vision tokens{ratio}")
        for grid in line["grids"]:
            load = grid.get("text_tokens_per_vision_token")
            loads = f", text tokens a vision token {load['min']:.2f} to {load['max']:.2f}, mean {load['mean']:.2f}" if load else ""
            click.echo(
                f"  {grid['name']}: {grid['num_columns']} x {grid['num_rows']}, cut by a token border {100 * grid['share_cut_by_token']:.1f} %, "
                f"by a patch border {100 * grid['share_cut_by_patch']:.1f} % of {grid['num_glyphs']} glyphs{loads}"
            )
        click.echo("\n".join(f"  {name}" for name in line["files"]))


@cli.group("score")
def score_group() -> None:
    """Predictions scored as the official programs do, from files alone; no model is loaded."""


def _score(ctx: click.Context, run: str, config_name: str, values: dict[str, Any]) -> None:
    from fovea import _C

    config = getattr(_C, config_name)()
    ctx.command.fill(config, values)
    click.echo(_C.describe_score(getattr(_C, run)(config)), nl=False)


@score_group.command("fox", cls=_Schema, config_name="FoxConfig")
@click.argument("results_file", metavar="[RESULTS.json]", required=False, type=click.Path())
@click.pass_context
def score_fox(ctx: click.Context, results_file: str | None, **values: Any) -> None:
    """Fox's own results file: means under both readings of who is the reference, and per page."""
    _score(ctx, "score_fox", "FoxConfig", values | ({"results": results_file} if results_file else {}))


@score_group.command("omnidocbench", cls=_Schema, config_name="OmniDocBenchConfig")
@click.option("--cdm", is_flag=True, help="set the formulas with TeX and compare what is seen; gives 1.5 and 1.6 their overall score (needs pdflatex and pdftoppm)")
@click.pass_context
def score_omnidocbench(ctx: click.Context, cdm: bool, **values: Any) -> None:
    """Markdown predictions against OmniDocBench.json, in the official result's structure."""
    if not cdm:
        return _score(ctx, "score_omnidocbench", "OmniDocBenchConfig", values)
    from fovea import _C, metrics

    config = _C.OmniDocBenchConfig()
    ctx.command.fill(config, values)
    on_terminal = lambda done, total: click.echo(f"\rformulas set: {done} of {total}", nl=done == total, err=True)  # noqa: E731
    click.echo(_C.describe_score(metrics.score_omnidocbench_with_cdm(config, progress=on_terminal)), nl=False)


@score_group.command("text", cls=_Schema, config_name="TextScoreConfig")
@click.pass_context
def score_text(ctx: click.Context, **values: Any) -> None:
    """Any two texts, or folders of texts with the same names, by every metric."""
    _score(ctx, "score_texts", "TextScoreConfig", values)


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


from fovea import cli_ablate, cli_data, cli_eval, cli_memory, cli_read, cli_report, cli_serve, cli_train  # noqa: E402, F401  its commands, which use what stands above
