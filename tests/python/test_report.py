"""fovea report: everything in one file, right numbers, and nothing lost silently."""

from __future__ import annotations

import html.parser
import json
import re
from pathlib import Path

import numpy as np
import pytest
from run_folders import make_run

import fovea
from fovea import _C
from fovea.report import write_report
from fovea.report.readings import Confusions, Places, marked, page_errors
from fovea.report.runs import load_run, load_runs, mean_interval, split_series


class Checker(html.parser.HTMLParser):
    """Tags that close what they open, and every address that the file asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.ids: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self.addresses += [v for k, v in found.items() if k in ("src", "href") and v]
        if found.get("id"):
            self.ids.add(str(found["id"]))
        if tag not in ("meta", "img", "br", "link", "input"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        pass

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("runs")
    return [make_run(folder / "prose", pictures=True), make_run(folder / "shuffled", kind="shuffled-words", seed=1, rates={5.0: 0.002, 10.0: 0.01, 15.0: 0.03, 20.0: 0.1})]


def test_report_is_whole_and_asks_nothing_of_the_network(runs: list[Path], tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []
    out = write_report(runs, tmp_path / "deep" / "report.html", worst=2, on_page=lambda *p: seen.append(p))
    text = out.read_text(encoding="utf-8")
    checker = Checker()
    checker.feed(text)
    assert not checker.open
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in checker.addresses)
    assert {a[1:] for a in checker.addresses if a.startswith("#")} <= checker.ids
    assert "http" not in re.sub(r"data:[^\"]*", "", text).replace("http-equiv", "")
    assert seen[-1] == (32, 32)
    assert text.count("<img") == 2 and text.count("holds no picture of this page") == 2  # two worst pages of each series
    for heading in ("Curves", "Prose beside its controls", "Where on the page", "Which glyphs", "Worst pages", "Tokens", "Comparison", "How it was made"):
        assert f"<h2>{heading}</h2>" in text
    assert "DeepSeek-OCR on Fox, 64 tokens (published)" in text and "prefers-color-scheme: dark" in text
    assert write_report(runs, tmp_path / "again.html", worst=2).read_bytes() == out.read_bytes()


def test_means_are_those_of_the_lines(runs: list[Path]) -> None:
    run = load_run(runs[0])
    at_20 = [line for line in run.lines if line["ratio_asked"] == 20]
    found = mean_interval(at_20, "precision")
    assert found is not None
    assert found["value"] == pytest.approx(np.mean([line["precision"] for line in at_20]))
    assert found["low"] <= found["value"] <= found["high"] and found["num_pages"] == 4
    series = split_series(load_runs([str(r) for r in runs]))
    assert [s.label for s in series] == ["prose", "shuffled-words"]


def test_confusions_count_what_was_misread() -> None:
    confusions = Confusions()
    confusions.add(page_errors("the cat sat on the mat", "tne cat sat n the mmat"))
    pairs = {(a, b): (pair.count, pair.alone) for (a, b), pair in confusions.pairs.items()}
    assert pairs == {("h", "n"): (1, 1), ("o", ""): (1, 1), ("", "m"): (1, 1)}
    assert "t<del>h</del><ins>n</ins>e cat" in confusions.pairs["h", "n"].example
    assert confusions.shown["t"] == 5
    text = marked(page_errors("a<b", "a&b"), "a<b")
    assert text == "a<del>&lt;</del><ins>&amp;</ins>b"


def test_places_are_exact_where_the_page_can_be_drawn_again(runs: list[Path]) -> None:
    run = load_run(runs[0])
    line = next(entry for entry in run.lines if entry["ratio_asked"] == 5)
    reference, _ = run.text(line)  # type: ignore[misc]
    words = " ".join(reference.split())
    broken = "#" + words[1:]  # the first character of the page
    places = Places()
    places.add(run, line, reference, page_errors(reference, broken))
    assert places.num_exact == 1 and places.num_estimated == 0
    assert places.wrong[0, 0] == 1 and places.wrong.sum() == 1
    assert places.shown.sum() == len(words)
    # without its picture the place is estimated, and the report says so
    estimated = Places()
    estimated.add(run, {**line, "page": "no-such-page"}, reference, page_errors(reference, broken))
    assert estimated.num_estimated == 1 and estimated.wrong[0, 0] == 1 and estimated.shown.sum() == len(words)


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", manifest={"status": "stopped"})
    lines = (run / "results.jsonl").read_text().splitlines()
    with open(run / "results.jsonl", "a") as file:
        file.write(json.dumps({"key": "x", "page": "x", "error": "no such image"}) + "\n" + lines[0] + "\n" + '{"key": "tor')
    (run / "pages" / "003.txt").unlink()
    text = write_report([run], tmp_path / "r.html").read_text()
    for said in ("the run is not finished", "1 samples ended in an error", "stands twice", "is torn", "1 of 16 pages have no texts", "Only running text was read"):
        assert said in text, said
    (run / "results.jsonl").write_text("nonsense\n" + lines[0] + "\n")
    with pytest.raises(_C.ConfigError, match="line 1 is no JSON"):
        write_report([run], tmp_path / "r.html")
    with pytest.raises(_C.ConfigError, match="no run folder"):
        load_run(tmp_path)
    (run / "results.jsonl").write_text(lines[0] + "\n")
    (run / "manifest.json").write_text(json.dumps({"format": 99}))
    with pytest.raises(_C.ConfigError, match="newer Fovea"):
        load_run(run)


def test_a_sweep_is_its_cells_and_a_prior_is_shown(tmp_path: Path) -> None:
    for cell in ("aa", "bb"):
        make_run(tmp_path / "sweep/cells" / cell / "run", pages=1, rates={5.0: 0.01})
    (tmp_path / "sweep/sweep.json").write_text(json.dumps({"cells": [{"hash": "aa", "label": "font A"}, {"hash": "bb", "label": "font B"}, {"hash": "cc", "label": "not run yet"}]}))
    (tmp_path / "sweep/cells/aa/run/prior.csv").write_text("kind,blank_page_bits_per_char\nprose,2.5\n")
    runs = load_runs([str(tmp_path / "sweep")])
    assert [run.name for run in runs] == ["font A", "font B"]
    text = write_report([tmp_path / "sweep"], tmp_path / "r.html").read_text()
    assert "What a reader without the page would get" in text and "blank page bits per char" in text and "font B" in text


def test_cells_of_other_ratios_are_points_of_one_curve(tmp_path: Path) -> None:
    cells = []
    for number, (font, ratio) in enumerate([("A", 5.0), ("A", 10.0), ("A", 15.0), ("B", 5.0)]):
        make_run(tmp_path / "sweep/cells" / f"c{number}" / "run", pages=2, rates={ratio: 0.01 * ratio})
        cells.append({"hash": f"c{number}", "label": f"font={font} ratio={ratio}", "values": {"font": [font], "ratio": [ratio], "budget": [64]}})
    (tmp_path / "sweep/sweep.json").write_text(json.dumps({"cells": cells}))
    runs = load_runs([str(tmp_path / "sweep")])
    assert [(run.name, len(run.lines)) for run in runs] == [("font=A", 6), ("font=B", 2)]
    for run in runs:  # pages of the same name are those of their own cells
        assert all(run.folder_of(line).is_dir() and run.text(line) for line in run.lines)
        assert len({run.folder_of(line) for line in run.lines}) == len(run.lines) // 2
    assert "font=B" in write_report([tmp_path / "sweep"], tmp_path / "r.html").read_text()


def test_versions_and_weights_that_do_not_compare_are_marked(tmp_path: Path) -> None:
    a = make_run(tmp_path / "a", manifest={"sha256": {"model": "1"}})
    b = make_run(tmp_path / "b", manifest={"sha256": {"model": "2"}})
    for folder, version in ((a, 1), (b, 2)):
        lines = [json.loads(line) | {"task": "curve", "task_version": version} for line in (folder / "results.jsonl").read_text().splitlines()]
        (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    text = write_report([a, b], tmp_path / "r.html").read_text()
    assert "versions 1, 2 of task curve" in text and "with different weights" in text
    with pytest.raises(_C.ConfigError, match="named twice"):
        write_report([a, a], tmp_path / "r.html")


def test_text_of_a_page_cannot_break_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", pages=1, rates={5.0: 0.01})
    (run / "pages" / "000.hyp.txt").write_text("</div><script>alert(1)</script> " * 30)
    assert "<script" not in write_report([run], tmp_path / "r.html").read_text()


def test_command_and_figures(runs: list[Path], tmp_path: Path, cli) -> None:  # type: ignore[no-untyped-def]
    done = cli("report", *runs, "--out", tmp_path / "r.html", "--worst", "0", "--figures", tmp_path / "figures")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "figures").iterdir()} == {"curve.svg", "curve.png", "curve.pdf", "curve.csv"}
    rows = (tmp_path / "figures/curve.csv").read_text().splitlines()
    assert len(rows) == 1 + 8 + 14  # two series of four ratios, and the paper's points
    wrong = cli("report", tmp_path / "nowhere")
    assert wrong.returncode == 2 and wrong.stderr.count("\n") == 1 and "there is no folder" in wrong.stderr


def test_paired_bootstrap_is_reachable() -> None:
    d = _C.paired_bootstrap([0.9, 0.8, 0.95, 0.7], [0.8, 0.75, 0.9, 0.6], [], 500)
    assert d["mean"] == pytest.approx(0.075) and d["low"] > 0 and d["num_pairs"] == 4
    assert fovea.normalize_space("  a \n b ") == "a b" and list(_C.normalized_to_source("  a \n b ")) == [2, 3, 6]
