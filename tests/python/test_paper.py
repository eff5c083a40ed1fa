"""fovea paper: published numbers stand once, tables are made from them, and a person with the weights has one command."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path

import pytest
from run_folders import SAMPLE, make_run

import fovea
from fovea import _C, figures, paper
from fovea.paper import measured
from fovea.paper.items import STATUSES, published
from fovea.paper.tables import TABLES


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, paper.Result]]:
    out = tmp_path_factory.mktemp("paper")
    return out, {result.item.name: result for result in paper.build([], out)}


def test_every_item_is_whole(everything: tuple[Path, dict[str, paper.Result]]) -> None:
    out, results = everything
    assert set(results) == set(TABLES) == {item.name for item in paper.items()}
    for name, result in results.items():
        assert result.status in STATUSES, name
        assert {p.name for p in (out / name).iterdir()} == {"README.md", "table.csv", "figure.svg", "figure.png", "figure.pdf", "figure.csv"}
        assert result.item.command and result.item.hardware and result.item.time and result.item.gap_reason
        assert len({r.key for r in result.rows}) == len(result.rows), name
    assert {results[n].status for n in ("modes", "gundam")} == {"reproduced"}
    assert results["fox-curve"].status == results["omnidocbench"].status == "needs the released weights"
    assert results["throughput"].status == "needs larger hardware"


def test_checked_in_tables_are_those_that_are_made(everything: tuple[Path, dict[str, paper.Result]], root: Path) -> None:
    out, results = everything
    for name in results:
        for file in ("README.md", "table.csv"):
            assert (root / "paper-repro" / name / file).read_text() == (out / name / file).read_text(), f"{name}/{file}: run fovea paper --write-readme"
    for slip in paper.slips():
        assert f"- {slip}\n" in (root / "paper-repro/SLIPS.md").read_text()
    folders = {p.name for p in (root / "paper-repro").iterdir() if p.is_dir()}
    assert folders == set(results)


def test_published_tables_hold_what_the_paper_prints() -> None:
    assert sum(int(r["pages"]) for r in published("fox") if r["vision_tokens"] == "64") == 100
    weighted = [sum(int(r["pages"]) * float(r["precision_percent_table2"]) for r in published("fox") if r["vision_tokens"] == t) / 100 for t in ("64", "100")]
    assert weighted == [pytest.approx(85.7, abs=0.06), pytest.approx(95.5, abs=0.06)]
    assert len(figures.paper_points()) == 14
    modes = {r["mode"]: r for r in published("modes")}
    assert [modes[m]["max_vision_tokens"] for m in ("Tiny", "Small", "Base", "Large")] == ["64", "100", "256", "400"]
    deepseek = [r for r in published("omnidocbench") if r["group"] == "deepseek_ocr"]
    assert len(deepseek) == 6 and len(published("omnidocbench")) == 26


def test_slips_are_found_by_computing() -> None:
    text = "\n".join(paper.slips())
    for said in ("table 2 prints 85.9, figure 1a 85.8", "table 2 prints 76.4, figure 1a 76.3", "precision rises from 83.8 to 85.9", "table 2 has 83.8", "rests on 4 pages", "dots.ocr, English: overall 0.182", "Gundam, financial reports: 0.289", "MinerU2-pp: overall 71.51"):
        assert said in text, said


def test_counts_of_modes_equal_the_published_ones(everything: tuple[Path, dict[str, paper.Result]]) -> None:
    for name in ("modes", "gundam"):
        assert all(r.ours == r.published for r in everything[1][name].rows), name


def test_precision_is_the_set_of_words(everything: tuple[Path, dict[str, paper.Result]]) -> None:
    result = everything[1]["fox-metric"]
    outside = [r.key for r in result.rows if abs((r.ours or 0) - (r.published or 0)) > result.item.gap + 1e-9]
    assert outside == ["64:800-900"] and any("11 of 14 cells" in note for note in result.notes)


def fox_results(path: Path, num_tokens: list[int], rate: int) -> Path:
    """Records as Fox's scripts write them, labels of chosen lengths in DeepSeek's tokens, every rate-th word misread."""
    tokenizer = fovea.deepseek_tokenizer()
    words = SAMPLE.read_text(encoding="utf-8").split()
    records = []
    for i, want in enumerate(num_tokens):
        chosen = words[2000 * i : 2000 * i + want]
        while tokenizer.count_tokens(" ".join(chosen)) > want:
            chosen.pop()
        answer = [w if k % rate else "zzz" + w for k, w in enumerate(chosen)]
        records.append({"image": f"en_{i}.png", "question": "OCR this image: ", "label": " ".join(chosen), "answer": " ".join(answer)})
    path.write_text(json.dumps(records))
    return path


def test_a_results_file_of_fox_fills_the_table(tmp_path: Path, cli) -> None:  # type: ignore[no-untyped-def]
    file = fox_results(tmp_path / "results.json", [650, 660, 850, 1250, 1500], rate=20)
    done = cli("paper", "fox-curve", "--ours", f"fox-curve:64={file}", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    with open(tmp_path / "out/fox-curve/table.csv", newline="") as table:
        rows = {row["key"]: row for row in csv.DictReader(table)}
    assert {k for k, row in rows.items() if row["ours"]} == {"64:600-700", "64:800-900", "64:1200-1300"}
    own = fovea.metrics.score_fox(str(file))["pages"] if hasattr(fovea, "metrics") else __import__("fovea.metrics", fromlist=["x"]).score_fox(str(file))["pages"]
    assert float(rows["64:600-700"]["ours"]) == pytest.approx(50 * (own[0]["natural"]["precision"] + own[1]["natural"]["precision"]))
    assert float(rows["64:600-700"]["gap"]) == pytest.approx(float(rows["64:600-700"]["ours"]) - 96.5)
    assert rows["64:600-700"]["verdict"] in ("within", "outside") and rows["100:600-700"]["verdict"] == "not measured"
    assert "1 of 5 pages have fewer than 600" in (tmp_path / "out/fox-curve/README.md").read_text()


def test_a_run_folder_of_the_task_fills_the_table_and_another_reader_is_orientation(tmp_path: Path) -> None:
    run = make_run(tmp_path / "fox", rates={6.5: 0.01, 9.5: 0.02}, manifest={"model": "deepseek-ocr"})
    lines = [json.loads(line) | {"task": "fox"} for line in (run / "results.jsonl").read_text().splitlines()]
    (run / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    result = paper.build(["fox-curve"], tmp_path / "out", ours=[("fox-curve", str(run))])[0]
    assert {r.key for r in result.rows if r.ours is not None} == {"100:600-700", "100:900-1000"} and not result.orientation
    assert next(r.note for r in result.rows if r.key == "100:600-700") == "of 4 pages"
    other = make_run(tmp_path / "other")
    result = paper.build(["fox-curve"], tmp_path / "out", ours=[("fox-curve", str(other))])[0]
    assert all(r.ours is None for r in result.rows) and len(result.orientation) == 4
    assert "Orientation only" in (tmp_path / "out/fox-curve/README.md").read_text()


def test_throughput_projects(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    result = paper.build(["throughput"], tmp_path / "out", ours=[("throughput", str(run))])[0]
    rows = {r.key: r for r in result.rows}
    assert rows["projection"].ours == 160 * 200000 and rows["tokens_per_page"].ours == pytest.approx(1080)
    day = next(m for m in result.orientation if "pages a day" in m.key)
    assert day.value == pytest.approx(86400 * 16 / 12.5) and day.orientation


def test_bad_input_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(_C.ConfigError, match="did you mean 'fox-curve'"):
        paper.build(["fox_curve"], tmp_path)
    with pytest.raises(_C.ConfigError, match="there is no"):
        paper.build(["fox-curve"], tmp_path, ours=[("fox-curve", str(tmp_path / "nothing"))])
    (tmp_path / "x.json").write_text("{}")
    with pytest.raises(_C.ConfigError, match="name the vision tokens"):
        paper.build(["fox-curve"], tmp_path, ours=[("fox-curve", str(tmp_path / "x.json"))])
    with pytest.raises(_C.ConfigError, match="did you mean 'Small'"):
        paper.build(["omnidocbench"], tmp_path, ours=[("omnidocbench:Smal", str(tmp_path / "x.json"))])
    with pytest.raises(_C.ConfigError, match="no result of"):
        paper.build(["omnidocbench"], tmp_path, ours=[("omnidocbench:Small", str(tmp_path / "x.json"))])


def test_only_the_papers_own_model_counts_as_ours() -> None:
    assert measured.is_released("DeepSeek-OCR") and measured.is_released("deepseek_ocr-bf16") and not measured.is_released("reader-tiny")
    assert [measured.bin_of(n) for n in (599, 600, 699.9, 1299, 1300)] == [None, "600-700", "600-700", "1200-1300", None]


# ---- with the user's own copy of the benchmarks: FOVEA_BENCHMARKS names the folder that holds fox-demo/ and omnidocbench-demo/


def benchmark(name: str) -> Path:
    folder = Path(os.environ.get("FOVEA_BENCHMARKS", "")) / name
    if not os.environ.get("FOVEA_BENCHMARKS") or not folder.is_dir():
        pytest.skip(f"{name} is not in the folder that FOVEA_BENCHMARKS names")
    return folder


def test_rerun_values_are_those_of_the_published_outputs() -> None:
    numbers = json.loads((benchmark("fox-demo") / "reference/fox_en_deepseek_ocr_numbers.json").read_text())
    held: dict[str, list[float]] = {}
    for page in numbers["pages"]:
        if page["in_paper_subset"]:
            for mode, tokens in (("tiny_64", 64), ("small_100", 100)):
                held.setdefault(f"{tokens}:{measured.bin_of(page['deepseek_tokens'])}", []).append(100 * page["metrics"][mode]["precision"])
    for row in published("fox"):
        key = f"{row['vision_tokens']}:{row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}"
        assert len(held[key]) == int(row["pages"])
    for row in published("fox_independent_rerun"):
        key = f"{row['vision_tokens']}:{row['text_tokens_min_inclusive']}-{row['text_tokens_max_exclusive']}"
        if row["page_source"] == "scan" and key in held:
            assert sum(held[key]) / len(held[key]) == pytest.approx(float(row["word_set_precision_percent"]), abs=0.051)


def test_predictions_for_omnidocbench_run_end_to_end(tmp_path: Path, cli) -> None:  # type: ignore[no-untyped-def]
    demo = benchmark("omnidocbench-demo")
    truth = next((demo / "annotation").glob("*.json"))
    for version, target in (("1.0", "omnidocbench:Small"), ("1.5", "omnidocbench-v1.5:DeepSeek-OCR (9 crops)")):
        done = cli("score", "omnidocbench", "--ground-truth", truth, "--predictions", demo / "predictions/demo_end2end", "--version", version, "--out", tmp_path / "metrics.json")
        assert done.returncode == 0, done.stderr
        name = target.split(":")[0]
        done = cli("paper", name, "--ours", f"{target}={tmp_path / 'metrics.json'}", "--out", tmp_path / "out")
        assert done.returncode == 0, done.stderr
        with open(tmp_path / "out" / name / "table.csv", newline="") as table:
            rows = {row["key"]: row for row in csv.DictReader(table)}
        scores = json.loads((tmp_path / "metrics.json").read_text())
        if version == "1.0":
            assert float(rows["Small:en:overall"]["ours"]) == pytest.approx(scores["overall"]["EN"]["overall"])
            assert rows["Small:zh:formula"]["verdict"] == "not measured"  # the demo has none in Chinese
        else:
            assert float(rows["DeepSeek-OCR (9 crops):table_teds"]["ours"]) == pytest.approx(100 * scores["table"]["page"]["TEDS"]["ALL"])
        assert re.search(r"18 of 18 pages", (tmp_path / "out" / name / "README.md").read_text())
    done = cli("paper", "gundam", "--ours", f"gundam={demo / 'images'}", "--out", tmp_path / "out")
    assert done.returncode == 0 and "pictures in images" in (tmp_path / "out/gundam/README.md").read_text()
