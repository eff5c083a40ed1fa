from __future__ import annotations

import csv
import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import environment

import fovea
from fovea import figures

COLUMNS = (
    "budget ratio_asked ratio_measured ratio_decoder_positions num_pages num_text_tokens font font_size_px precision precision_low "
    "precision_high recall recall_low recall_high f1 f1_low f1_high char_edit_distance char_edit_distance_low char_edit_distance_high "
    "loop_rate text_kind token_form token_bits_per_char"
).split()
TIMES = {"seconds_encode", "seconds_decode"}
Cli = Callable[..., subprocess.CompletedProcess[str]]


def small(miniature: Path, prose: Path, out: Path, **more: object) -> dict[str, object]:
    options: dict[str, object] = {
        "text": [prose], "model": miniature, "out": out, "budget": [9, 16], "ratio": [2, 5], "pages": 2, "batch": 2, "generate": {"max_new_tokens": 40},
    }
    return {**options, **more}


def test_run_folder(miniature: Path, prose: Path, tmp_path: Path) -> None:
    seen: list[tuple[int, int, float, float]] = []
    result = fovea.curve(**small(miniature, prose, tmp_path / "run"), on_progress=lambda *p: seen.append(p))
    out = tmp_path / "run"
    assert {p.name for p in out.iterdir()} == {
        "config.json", "results.jsonl", "summary.csv", "manifest.json", "pages", "curve.svg", "curve.png", "curve.pdf"
    }
    with open(out / "summary.csv", newline="") as file:
        reader = csv.DictReader(file)
        assert reader.fieldnames == COLUMNS
        rows = list(reader)
    assert [(int(r["budget"]), float(r["ratio_asked"])) for r in rows] == [(9, 2), (9, 5), (16, 2), (16, 5)]
    lines = result.results
    assert len(lines) == 8 and sorted(line["page"] for line in lines) == [f"{i:03}" for i in range(8)]
    deepseek = fovea.deepseek_tokenizer()
    for line in lines:
        stem = out / "pages" / line["page"]
        reference = fovea.normalize_space(stem.with_suffix(".txt").read_text())
        hypothesis = (out / "pages" / f"{line['page']}.hyp.txt").read_text()
        assert line["num_text_tokens"] == deepseek.count_tokens(reference)
        assert line["ratio_measured"] == pytest.approx(line["num_text_tokens"] / line["budget"])
        assert line["ratio_asked"] * 0.5 < line["ratio_measured"] <= line["ratio_asked"] + 1e-9
        grid = round(line["budget"] ** 0.5)
        assert line["ratio_decoder_positions"] == pytest.approx(line["num_text_tokens"] / (grid * (grid + 1) + 1))
        score = fovea.score(reference, hypothesis)
        assert line["precision"] == score.precision and line["char_edit_distance"] == pytest.approx(score.char_edit_distance)
        assert stem.with_suffix(".png").read_bytes().startswith(b"\x89PNG")
        assert (out / "pages" / f"{line['page']}.errors.png").exists()
    by_index = {(line["budget"], line["ratio_asked"], line["passage"]): (out / "pages" / f"{line['page']}.txt").read_text() for line in lines}
    first = fovea.normalize_space(by_index[9, 2.0, 0])
    assert all(fovea.normalize_space(by_index[b, r, 0]).startswith(first) for b, r in ((9, 5.0), (16, 2.0), (16, 5.0)))
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["status"] == "complete" and manifest["seed"] == 0 and manifest["config"]["pages"] == 2
    assert set(manifest["sha256"]) >= {"text", "font", "tokenizer", "model"} and manifest["versions"]["libtorch"].startswith("2.")
    assert seen[0][:2] == (0, 8) and seen[-1][:2] == (8, 8) and seen[-1][2] == 1
    assert list(result.summary.columns) == COLUMNS


def test_fonts_have_a_median_row(miniature: Path, prose: Path, tmp_path: Path) -> None:
    fonts = ["DejaVu Sans Mono", "DejaVu Sans", "DejaVu Serif"]
    result = fovea.curve(**small(miniature, prose, tmp_path / "run", budget=9, ratio=3, pages=1, font=fonts, text_kind="shuffled-words"))
    rows = result.rows
    assert [row["font"] for row in rows] == [*fonts, "median"]
    sizes = sorted(row["font_size_px"] for row in rows[:3])
    assert rows[3]["font_size_px"] == sizes[1] and rows[3]["num_pages"] == 3 and rows[3]["text_kind"] == "shuffled-words"


@pytest.mark.parametrize("kind", ["prose", "shuffled-words", "random-words", "random-letters", "digits"])
def test_text_kinds(kind: str, miniature: Path, prose: Path, tmp_path: Path) -> None:
    result = fovea.curve(**small(miniature, prose, tmp_path / "run", budget=9, ratio=4, pages=1, text_kind=kind), figure=False)
    text = (tmp_path / "run/pages/000.txt").read_text()
    if kind == "digits":
        assert re.fullmatch(r"[0-9\s]+", text)
    if kind == "random-letters":
        assert re.fullmatch(r"[a-z\s]+", text)
    assert result.rows[0]["text_kind"] == kind


def test_stored_tokens_cost_bits(miniature: Path, prose: Path, tmp_path: Path) -> None:
    kept = fovea.curve(**small(miniature, prose, tmp_path / "keep", budget=9, ratio=4), figure=False).rows[0]
    binary = fovea.curve(**small(miniature, prose, tmp_path / "binary", budget=9, ratio=4, token_form="binary"), figure=False).rows[0]
    assert (kept["token_form"], binary["token_form"]) == ("keep", "binary")
    # float32 numbers against signs and one float16 a vector, of width 64; separators are not counted
    assert kept["token_bits_per_char"] / binary["token_bits_per_char"] == pytest.approx(64 * 32 / (64 + 16), rel=1e-4)
    chars = sum(json.loads(line)["num_chars"] for line in (tmp_path / "keep" / "results.jsonl").read_text().splitlines())
    assert kept["token_bits_per_char"] == pytest.approx(2 * 9 * 64 * 32 / chars, rel=1e-4)


def test_stopped_from_python(miniature: Path, prose: Path, tmp_path: Path) -> None:
    def boom(line: dict[str, object]) -> None:
        raise LookupError("enough")

    with pytest.raises(LookupError, match="enough"):
        fovea.curve(**small(miniature, prose, tmp_path / "run"), on_page=boom)
    lines = (tmp_path / "run/results.jsonl").read_text().splitlines()
    assert 1 <= len(lines) < 8
    assert json.loads((tmp_path / "run/manifest.json").read_text())["status"] == "stopped"
    result = fovea.curve(**small(miniature, prose, tmp_path / "run"), figure=False)
    assert len(result.results) == 8 and (tmp_path / "run/results.jsonl").read_text().splitlines()[: len(lines)] == lines


def results_of(folder: Path) -> dict[str, dict[str, object]]:
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert len({line["key"] for line in lines}) == len(lines), "a page was read twice"
    return {line["key"]: {k: v for k, v in line.items() if k not in TIMES} for line in lines}


@pytest.fixture(scope="module")
def long_run(miniature: Path, prose: Path) -> list[object]:
    args = ["curve", "--text", prose, "--model", miniature, "--budget", "16", "--ratio", "2,3,4,5", "--pages", "4", "--batch", "1"]
    return [*args, "--generate.max-new-tokens", "120", "--generate.loop-min-repeats", "0", "--no-figure", "--out"]


@pytest.fixture(scope="module")
def whole(long_run: list[object], tmp_path_factory: pytest.TempPathFactory, cli: Cli) -> Path:
    out = tmp_path_factory.mktemp("whole") / "run"
    run = cli(*long_run, out)
    assert run.returncode == 0, run.stderr
    return out


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_killed_and_started_again(how: signal.Signals, long_run: list[object], whole: Path, tmp_path: Path, cli: Cli) -> None:
    command = [sys.executable, "-m", "fovea", *map(str, long_run), str(tmp_path / "cut")]
    # A shell that runs the tests in the background has programs ignore SIGINT; this one shall hear it.
    process = subprocess.Popen(
        command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL)
    )
    results = tmp_path / "cut/results.jsonl"
    for _ in range(3000):
        if results.exists() and results.read_bytes().count(b"\n") >= 3:
            break
        assert process.poll() is None, process.stderr and process.stderr.read().decode()
        time.sleep(0.02)
    process.send_signal(how)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (-signal.SIGKILL if how == signal.SIGKILL else 130), stderr
    assert b"Traceback" not in stderr
    done = results.read_text().splitlines(keepends=True)
    assert 3 <= len(done) < 16, "finished before it could be killed"
    with open(results, "a") as file:
        file.write('{"key": "torn')
    again = cli(*long_run, tmp_path / "cut")
    assert again.returncode == 0, again.stderr
    assert results.read_text().startswith("".join(line for line in done if line.endswith("\n")))
    assert results_of(tmp_path / "cut") == results_of(whole)
    assert (tmp_path / "cut/summary.csv").read_bytes() == (whole / "summary.csv").read_bytes()


def test_a_finished_run_has_nothing_left_to_do(long_run: list[object], whole: Path, cli: Cli) -> None:
    before = (whole / "results.jsonl").read_bytes()
    assert cli(*long_run, whole).returncode == 0
    assert (whole / "results.jsonl").read_bytes() == before


def test_other_options_in_the_same_folder(miniature: Path, prose: Path, tmp_path: Path) -> None:
    fovea.curve(**small(miniature, prose, tmp_path / "run", budget=9, ratio=2, pages=1), figure=False)
    before = (tmp_path / "run/results.jsonl").read_bytes()
    with pytest.raises(fovea.ConfigError, match="other options: seed was 0, is 5"):
        fovea.curve(**small(miniature, prose, tmp_path / "run", budget=9, ratio=2, pages=1, seed=5), figure=False)
    assert (tmp_path / "run/results.jsonl").read_bytes() == before


def test_the_packaged_points_are_the_papers(root: Path) -> None:
    points = figures.paper_points()
    assert len(points) == 14 and {"vision_tokens": 100, "ratio": 9.7, "precision": 0.968} in points


def test_the_same_rows_give_the_same_figure(tmp_path: Path) -> None:
    row = dict.fromkeys(COLUMNS, 0.5) | {"budget": 100, "ratio_measured": 9.9, "font": "F", "text_kind": "prose"}
    rows = [row, {**row, "ratio_measured": 19.0}]
    one = [p.read_bytes() for p in figures.save(figures.curve_figure(rows), tmp_path / "a")]
    two = [p.read_bytes() for p in figures.save(figures.curve_figure(rows), tmp_path / "b")]
    assert one == two and b"DeepSeek-OCR on Fox" in one[0]
