"""CDM: what is coloured, what is seen of it, and the scores of formulas whose difference is known."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy
import pytest

import fovea
from fovea import cdm
from fovea.cli import main

needs_tex = pytest.mark.skipif(bool(cdm.missing_tools()), reason="needs pdflatex and pdftoppm")


def test_tokens_are_what_a_reader_sees() -> None:
    assert cdm.coloured(r"$$ \frac{a_1}{\sqrt{b}} \leq \left( x' \right. $$").tokens == ["frac", "a", "1", "sqrt", "b", "leq", "(", "x", "prime"]
    assert cdm.coloured(r"\[ \mathrm{d}x \tag{3} \quad \begin{array}{cc} 1 & 2 \\[2pt] 3 & 4 \end{array} \]").tokens == ["d", "x", "1", "2", "3", "4"]
    assert cdm.coloured(r"\operatorname* {m a x} \dfrac12 \le 3").tokens == ["max", "frac", "1", "2", "leq", "3"]
    assert cdm.coloured("").tokens == []
    assert cdm.coloured("\\frac{a").tokens[:2] == ["frac", "a"]  # cut off in the middle


def test_matching_without_tex() -> None:
    row = numpy.array([[10.0 * i, 0, 10.0 * i + 8, 10] for i in range(6)])
    setting = cdm.Setting(list("abcdef"), row, 60, 10)
    assert cdm.match(setting, setting) == {"recall": 1.0, "precision": 1.0, "f1": 1.0}
    assert cdm.match(setting, cdm.Setting(list("abcdef"), row + 40, 100, 50))["f1"] == 1.0  # moved as a whole
    assert cdm.match(setting, cdm.Setting(list("abXdef"), row, 60, 10))["f1"] == pytest.approx(10 / 12)
    assert cdm.match(setting, cdm.Setting(list("abc"), row[:3], 30, 10))["f1"] == pytest.approx(6 / 9)
    assert cdm.match(setting, cdm.Setting([], row[:0]))["f1"] == 0.0
    far = row.copy()
    far[5] += 500  # a token that stands elsewhere is not matched
    assert cdm.match(setting, cdm.Setting(list("abcdef"), far, 600, 510))["f1"] == pytest.approx(10 / 12)


@needs_tex
def test_scores_of_formulas() -> None:
    done: list[tuple[int, int]] = []
    pairs = [(r"\[ a^{2}+b^{2}=c^{2} \]", "$$a^2 + b^2 = c^2$$"), ("x+y", "x-y"), ("x", r"\undefinedcommand{"), ("x", "")]
    values = cdm.scores(pairs, progress=lambda i, n: done.append((i, n)))
    assert values[0] == 1.0 and values[1] == pytest.approx(0.667, abs=1e-3) and values[3] == 0.0 and 0 <= values[2] < 1
    assert done[-1][0] == done[-1][1]


def _demo(folder: Path) -> list[str]:
    page = {
        "layout_dets": [
            {"category_type": "text_block", "order": 1, "anno_id": 1, "text": "Some words of a page."},
            {"category_type": "equation_isolated", "order": 2, "anno_id": 2, "latex": "$$ x+y=1 $$", "attribute": {"formula_type": "print"}},
            {"category_type": "table", "order": 3, "anno_id": 3, "html": "<table><tr><td>a</td></tr></table>"},
        ],
        "page_info": {"image_path": "a.jpg", "page_attribute": {"language": "english"}},
        "extra": {"relation": []},
    }
    (folder / "truth.json").write_text(json.dumps([page]))
    (folder / "read").mkdir()
    (folder / "read" / "a.md").write_text("Some words of a page.\n\n$$ x-y=1 $$\n\n<table><tr><td>a</td></tr></table>\n")
    return ["score", "omnidocbench", "--ground-truth", str(folder / "truth.json"), "--predictions", str(folder / "read")]


@needs_tex
@pytest.mark.parametrize("version", ["1.5", "1.6"])
def test_overall_score(tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "metrics.json"
    assert main([*_demo(tmp_path), "--version", version, "--cdm", "--out", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["display_formula"]["page"]["CDM"]["ALL"] == pytest.approx(0.8)
    assert result["display_formula"]["group"]["CDM"]["formula_type: print"] == pytest.approx(0.8)
    assert result["overall"]["overall"] == pytest.approx((100 + 80 + 100) / 3)
    assert "matches" not in result and "overall" in capsys.readouterr().out


def test_missing_tools_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(fovea.ConfigError, match=r"pdflatex.*apt-get install texlive"):
        cdm.require_tools()
    assert main([*_demo(tmp_path), "--cdm"]) == 2
    assert "apt-get install" in capsys.readouterr().err


def test_quirks_are_switches(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = _demo(tmp_path)
    (page,) = json.loads((tmp_path / "truth.json").read_text())
    page["layout_dets"] = page["layout_dets"][:1]
    (tmp_path / "truth.json").write_text(json.dumps([page]))
    (tmp_path / "read" / "a.md").write_text("Some words of a page.\n\nAnd some that nobody wrote.\n")
    from fovea import metrics

    def text(*quirks: str) -> float:
        return metrics.score_omnidocbench(command[3], command[5], quirks=list(quirks))["text_block"]["all"]["Edit_dist"]["ALL_page_avg"]

    assert text("official") == 0.0
    assert text("none") > 0.4 and text("none") == text("latex_tables_score_nothing")
    assert text("extra_text_costs_nothing") == 0.0
    assert main([*command, "--quirks", "extra_text_cost_nothing"]) == 2
    assert "did you mean 'extra_text_costs_nothing'" in capsys.readouterr().err
    assert main([*command, "--quirks", "missing_text_counts_twice_where_no_prediction_is_left"]) == 2
    assert "not of version 1.5" in capsys.readouterr().err
