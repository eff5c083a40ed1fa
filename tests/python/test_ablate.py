"""Ablations: the plan, a miniature run of two cells, resumption, and errors before anything starts."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import environment

import fovea
from fovea import _C
from fovea.ablation_executors import gpu_devices
from fovea.ablations import Ablation, ablation_figure, over_seeds

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
        (("en_state_of_the_union_1953", "nowhere"), "nowhere.txt is not there; set eval.text=FILE"),
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
    grid.write_text('eval_token_form = ["keep", "binary"]\n' + grid.read_text(encoding="utf-8"), encoding="utf-8")
    out = tmp_path / "out"
    seen = []
    result = fovea.ablate(grid, out, on_progress=lambda done, total, running: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    rows = result.rows
    assert [(row["name"], row["text_kind"], row["token_form"]) for row in rows] == [(n, k, f) for n in ("conv", "text") for f in ("keep", "binary") for k in ("prose", "shuffled-words")]
    assert all(row["token_bits_per_char"] > 0 for row in rows)
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


def test_a_manifest_is_run_again_with_another_seed(grid: Path, tmp_path: Path) -> None:
    first = _C.plan_ablation(_C.AblateConfig(grid=str(grid), out=str(tmp_path / "out"), set=["eval.pages=1"]))
    out = tmp_path / "out"
    out.mkdir()
    (out / "grid.toml").write_text(grid.read_text(encoding="utf-8"), encoding="utf-8")
    (out / "manifest.json").write_text(json.dumps({"verb": "ablate", "config": {"grid": str(grid), "set": ["eval.pages=1", "train.trainer.seed=3"]}}), encoding="utf-8")
    same = _C.plan_ablation(_C.AblateConfig(grid=str(out / "manifest.json"), out=str(out), set=["train.trainer.seed=1"]))  # the grid beside it, and what was set then
    assert [row["folder"] for row in same] == [row["folder"] for row in first]
    assert {row["seed"] for row in _C.plan_ablation(_C.AblateConfig(grid=str(out / "manifest.json")))} == {3}
    run = subprocess.run(
        [sys.executable, "-m", "fovea", "ablate", str(out), "--seed", "9", "--only", "conv", "--out", str(tmp_path / "again"), "--dry-run"],
        capture_output=True, text=True, timeout=120, check=True, env=environment(),
    )  # fmt: skip
    assert [line.split()[:2] for line in run.stdout.splitlines()[1:]] == [["conv", "9"]]
    with pytest.raises(_C.ConfigError, match=r"neither grid\.toml nor manifest\.json"):
        _C.plan_ablation(_C.AblateConfig(grid=str(ROOT / "notebooks")))


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


def test_seeds_are_joined_with_their_interval() -> None:
    base = {"name": "conv", "group": "", "text_kind": "prose", "budget": 16, "ratio_asked": 5.0, "font": "DejaVu Sans", "ratio_measured": 5.0, "undertrained": 0, "train_seconds": 1.0}
    rows = [{**base, "seed": seed, "precision": value, "precision_low": 0, "precision_high": 1} for seed, value in ((1, 0.8), (2, 0.9), (3, 1.0))]
    rows.append({**base, "name": "mean", "seed": 1, "precision": 0.5, "precision_low": 0.4, "precision_high": 0.6})
    conv, mean = over_seeds(rows)
    assert conv["num_seeds"] == 3 and conv["interval"] == "seeds"
    assert (conv["precision"], conv["precision_min"], conv["precision_max"]) == (pytest.approx(0.9), 0.8, 1.0)
    assert conv["precision_high"] - conv["precision"] == pytest.approx(4.303 * 0.1 / 3**0.5)  # t(2) * s / sqrt(3)
    assert (mean["num_seeds"], mean["interval"], mean["precision_low"], mean["precision_high"]) == (1, "pages", 0.4, 0.6)


def test_what_goes_on_after_the_page_has_its_columns(grid: Path, tmp_path: Path) -> None:
    text = grid.read_text(encoding="utf-8").replace("[train]\n", "perplexity_pages = 2\n[train]\n", 1).replace("[train.trainer.curriculum]", "[train.trainer.objective]\ntask = \"continue\"\ncontinue_chars = 40\nprobe_only_share = 0\n[train.trainer.curriculum]")
    grid.write_text(text, encoding="utf-8")
    rows = fovea.ablate(grid, tmp_path / "out").rows
    for row in rows:
        if row["text_kind"] == "prose":
            assert 0 < row["bits_per_char_page"] < 30 and 0 < row["bits_per_char_text"] < 30
        else:
            assert row["bits_per_char_page"] == ""


def test_gpus_take_one_cell_each(grid: Path, tmp_path: Path) -> None:
    assert gpu_devices("0, 2") == ["cuda:0", "cuda:2"]
    with pytest.raises(_C.ConfigError, match="one twice"):
        gpu_devices("1,1")
    with pytest.raises(_C.ConfigError, match="numbers"):
        gpu_devices("a")
    with pytest.raises(_C.ConfigError, match="cuda:0 twice"):
        fovea.ablate(grid, tmp_path / "out", devices=["cuda:0", "cuda:0"])


def test_a_slurm_array_runs_every_cell_once(grid: Path, tmp_path: Path) -> None:
    """The script with a stand-in for sbatch that runs the array's jobs side by side."""
    out = tmp_path / "out"
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    sbatch = bin_folder / "sbatch"
    sbatch.write_text("#!/bin/bash\nfor i in 1 2; do SLURM_ARRAY_TASK_ID=$i bash $1 & done; wait\necho Submitted batch job 7\n")
    sbatch.chmod(0o755)
    words = [sys.executable, "-m", "fovea", "ablate", str(grid), "--out", str(out)]
    done = subprocess.run(
        [*words, "--executor", "slurm", "--slurm=--time=1:00:00", "--tasks", "2"], capture_output=True, text=True, timeout=240, check=False,
        env=environment(PATH=f"{bin_folder}:{Path('/usr/bin')}:/bin"),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Submitted batch job 7" in done.stdout
    script = (out / "ablate.sbatch").read_text()
    assert "#SBATCH --array=1-2" in script and "#SBATCH --time=1:00:00" in script and "gres" not in script
    assert sorted(path.name.split("-")[0] for path in (out / "cells").iterdir()) == ["conv", "text"]
    collected = subprocess.run([*words, "--collect"], capture_output=True, text=True, timeout=120, check=True, env=environment())
    assert "2 cells complete, 0 failed" in collected.stdout
    assert {row["name"] for row in Ablation(out).rows} == {"conv", "text"}
    assert (out / "table_seeds.csv").read_text().count("\n") == 1 + 4
    again = subprocess.run([*words, "--executor", "slurm", "--no-submit", "--devices", "cuda:0"], capture_output=True, text=True, timeout=120, check=True, env=environment())
    assert "not submitted" in again.stdout and "#SBATCH --gres=gpu:1" in (out / "ablate.sbatch").read_text()


def test_ray_runs_the_same_cells(grid: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray")
    seen = []
    result = fovea.ablate(grid, tmp_path / "out", executor="ray", on_progress=lambda done, total, running: seen.append((done, total)))
    assert seen[-1] == (2, 2)
    assert {row["name"] for row in result.rows} == {"conv", "text"}


def test_a_cell_is_trained_by_one_process_at_a_time(grid: Path, tmp_path: Path) -> None:
    import fcntl

    out = tmp_path / "out"
    cells = _C.freeze_ablation(_C.AblateConfig(grid=str(grid), out=str(out)))["cells"]
    with open(Path(cells[0]["folder"]) / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        result = _C.run_ablation(_C.AblateConfig(grid=str(grid), out=str(out)), [sys.executable, "-m", "fovea"])
    assert (result["num_complete"], result["num_failed"], result["num_busy"]) == (1, 0, 1)
