from __future__ import annotations

import json
from pathlib import Path

import pytest

import fovea
from fovea import metrics
from fovea.cli import main


def test_functions() -> None:
    assert metrics.edit_distance("kitten", "sitting") == 3
    assert metrics.edit_distance("one two", "one too two", unit="words") == 1
    assert metrics.edit_script("abc", "abd") == [("match", 0, 0, 2), ("substitute", 2, 2, 1)]
    assert metrics.set_overlap(["a", "b"], ["a"]) == (1.0, 0.5, pytest.approx(2 / 3))
    assert metrics.set_overlap(["a"], [])[0] is None
    assert metrics.character_error_rate("", "x") is None
    assert metrics.teds("<table><tr><td>a</td></tr></table>", "<table><tr><th>a</th></tr></table>") == (1.0, 1.0)
    with pytest.raises(fovea.ConfigError, match="characters, graphemes or words"):
        metrics.edit_distance("a", "b", unit="lines")


def test_edit_distance_equals_rapidfuzz() -> None:
    from rapidfuzz.distance import Levenshtein

    a, b = "The quick brown fox " * 40, "A quick brwn fox, " * 41
    assert metrics.edit_distance(a, b) == Levenshtein.distance(a, b)


def test_score_fox_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    results, out = tmp_path / "results.json", tmp_path / "metrics.json"
    results.write_text(json.dumps([{"image": "a.png", "question": "q", "label": "one two three four", "answer": "one two"}]))
    assert main(["score", "fox", str(results), "--out", str(out)]) == 0
    assert "natural" in capsys.readouterr().out
    written = json.loads(out.read_text())
    assert written["natural"]["precision"] == 1.0 and written["as_called"]["precision"] == 0.5
    assert written == metrics.score_fox(str(results), out=str(out))


def test_score_text_command_names_the_nearest_metric(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.txt").write_text("x")
    assert main(["score", "text", "--reference", str(tmp_path / "a.txt"), "--hypothesis", str(tmp_path / "a.txt"), "--metrics", "rouge_k"]) == 2
    assert "did you mean 'rouge_l'" in capsys.readouterr().err


def test_lines_that_were_lost_are_told() -> None:
    words = "one two three four five six seven eight nine ten eleven twelve".split()
    page = fovea.Renderer().render(" ".join(words), fovea.Style(width_px=128, height_px=128, font="DejaVu Sans", font_size_px=16))
    begins = [sum(len(word) + 1 for word in words[:i]) for i in range(len(words))]
    lines = [[word for word, begin in zip(words, begins, strict=True) if page.char_lines[begin] == line] for line in range(len(page.lines))]
    assert len(lines) >= 3 and all(lines[:3])
    assert metrics.words_right_by_line(page, page.text).tolist() == [1] * len(lines)
    without = " ".join(word for line, own in enumerate(lines) for word in own if line != 1)
    assert metrics.words_right_by_line(page, without).tolist() == [float(line != 1) for line in range(len(lines))]
    half = metrics.words_right_by_line(page, " ".join(words[: len(lines[0])] + ["wrong"] + words[len(lines[0]) + 1 :]))
    assert half[0] == 1 and half[1] == pytest.approx(1 - 1 / len(lines[1]))
