"""Ablations: the plan, a miniature run of two cells, resumption, and errors before anything starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import fovea
from fovea import _C
from fovea.ablations import Ablation, ablation_figure

ROOT = Path(__file__).resolve().parents[2]

GRID = """
[train]
tokenizer = "{root}/models/reader-tiny/tokenizer.json"
[train.pages]
text = ["{root}/datasets/samples/en_the_man_who_was_thursday.txt"]
fonts = ["DejaVu Sans"]
[train.trainer]
preset = "miniature"
num_steps = 4
tokens_per_batch = 300
max_pages_per_batch = 2
prefetch_steps = 1
log_every = 2
workers = 1
checkpoint_every_s = 0
[train.trainer.curriculum]
sides_px = [64]
[eval]
text = ["{root}/datasets/samples/en_state_of_the_union_1953.txt"]
font = ["DejaVu Sans"]
budget = [1]
ratio = [5]
pages = 2
[eval.generate]
max_new_tokens = 8
[[cell]]
name = "conv"
group = "page"
[[cell]]
name = "text"
group = "text"
model = ["source=text", "text_encoder.kind=mean", "text_encoder.width=64", "text_encoder.heads=2"]
"""


@pytest.fixture
def grid(tmp_path: Path) -> Path:
    path = tmp_path / "grid.toml"
    path.write_text(GRID.format(root=ROOT), encoding="utf-8")
    return path


def test_plan_names_cells_and_their_cost(grid: Path, tmp_path: Path) -> None:
    rows = _C.plan_ablation(_C.AblateConfig(grid=str(grid), out=str(tmp_path / "out"), set=["train.trainer.seed=1,2"]))
    assert [(row["name"], row["seed"]) for row in rows] == [("conv", 1), ("conv", 2), ("text", 1), ("text", 2)]
    assert rows[0]["parameters"] == rows[1]["parameters"] != rows[2]["parameters"]
    assert rows[0]["gigaflops_front"] > 0 == rows[2]["gigaflops_front"]
    assert not (tmp_path / "out").exists()
    half = _C.plan_ablation(_C.AblateConfig(grid=str(grid), shard="2/2"))
    assert [row["name"] for row in half] == ["text"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("kind=mean", "kind=meen"), "cell 'text'.*text_encoder.kind must be one of"),
        (("sides_px = [64]", "sides_px = [96]"), "cell 'conv'.*multiple of 64"),
        (('name = "text"', 'name = "conv"'), "two cells are called 'conv'"),
        (("num_steps", "num_stepps"), "num_stepps.*num_steps"),
        (("en_state_of_the_union_1953", "nowhere"), "nowhere.txt is not there"),
        (("budget = [1]", "budget = [3]"), "squares"),
    ],
)
def test_impossible_cells_are_named_before_anything_starts(grid: Path, tmp_path: Path, change: tuple[str, str], message: str) -> None:
    text = grid.read_text(encoding="utf-8")
    assert change[0] in text
    grid.write_text(text.replace(*change), encoding="utf-8")
    out = tmp_path / "out"
    with pytest.raises(_C.ConfigError, match=message):
        fovea.ablate(grid, out)
    assert not out.exists()


def test_cells_train_are_measured_and_kept(grid: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    seen = []
    result = fovea.ablate(grid, out, on_progress=lambda done, total, running: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    rows = result.rows
    assert {(row["name"], row["text_kind"]) for row in rows} == {(n, k) for n in ("conv", "text") for k in ("prose", "shuffled-words")}
    for row in rows:
        assert row["undertrained"] == 1 and row["status"] == "complete"
        assert row["train_steps"] == 4 and row["train_petaflops"] > 0 and row["train_text_tokens"] > 0
    figure = result.figure()
    assert "conv (undertrained)" in [text.get_text() for text in figure.axes[1].get_legend().get_texts()]
    with pytest.raises(_C.ConfigError, match="no cell 'konv'"):
        ablation_figure(rows, names=["konv"])

    # A finished cell is kept; one whose result is lost is trained and measured again, and no other.
    cells = sorted((out / "cells").iterdir())
    before = [(cell / "result.json").stat().st_mtime_ns for cell in cells]
    (cells[0] / "result.json").unlink()
    run = subprocess.run([sys.executable, "-m", "fovea", "ablate", str(grid), "--out", str(out)], capture_output=True, text=True, timeout=240, check=True)
    assert "2 cells complete, 0 failed" in run.stdout
    assert (out / "ablation.svg").stat().st_size > 1000
    after = [(cell / "result.json").stat().st_mtime_ns for cell in cells]
    assert after[0] != before[0] and after[1] == before[1]
    assert Ablation(out).rows == rows  # the training was not repeated, and reading is exact


def test_a_failing_cell_is_recorded_and_the_others_go_on(grid: Path, tmp_path: Path) -> None:
    text = grid.read_text(encoding="utf-8")
    grid.write_text(text.replace('name = "conv"\n', 'name = "conv"\nset = ["train.trainer.init=/nowhere/model"]\n'), encoding="utf-8")
    with pytest.raises(_C.Error, match="nowhere"):  # found before anything starts
        fovea.ablate(grid, tmp_path / "out")
    grid.write_text(text.replace('name = "conv"\n', 'name = "conv"\nset = ["eval.ratio=900"]\n'), encoding="utf-8")
    with pytest.raises(_C.Error, match="1 cells failed"):
        fovea.ablate(grid, tmp_path / "out")
    cells = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))["cells"]
    assert [cell["status"] for cell in cells] == ["failed", "complete"]
    assert cells[0]["error"]
