"""Figures of the results that ship: what is drawn is what the rows say."""

from __future__ import annotations

from typing import Any

import pytest

from fovea import result_figures
from fovea.ablations import load_table


def cell(name: str, group: str, form: str, bits: float, distance: float, **more: Any) -> dict[str, Any]:
    return {
        "name": name, "group": group, "token_form": form, "token_bits_per_char": bits, "char_edit_distance": distance, "char_edit_distance_low": distance - 0.01,
        "char_edit_distance_high": distance + 0.01, "text_kind": "shuffled-words", "ratio_asked": 10, "ratio_measured": 10, "undertrained": 0, "seed": 1, **more,
    }  # fmt: skip


def test_points_of_a_width_stand_on_the_line_of_their_form() -> None:
    rows = [cell("512", "width", "keep", 190, 0.01), cell("64", "width", "keep", 24, 0.02), cell("64", "width", "int4", 7, 0.05), cell("512 one bit", "one bit in training", "binary", 12, 0.03),
            cell("64", "width", "keep", 12, 0.4, ratio_asked=20)]
    figure = result_figures.distance_against_bits(rows)
    assert [axes.get_title() for axes in figure.axes] == ["10x", "20x"]
    lines = {bars.get_label(): bars.lines[0].get_xydata().tolist() for bars in figure.axes[0].containers}
    assert lines == {"as the model keeps them": [[24, 0.02], [190, 0.01]], "int4, not trained for it": [[7, 0.05]], "one bit in training": [[12, 0.03]]}
    assert [text.get_text() for text in figure.axes[0].texts] == ["64", "512", "64", "512"]


def test_bars_are_means_over_seeds() -> None:
    rows = [cell("whole", "", "keep", 1, 0.1), cell("whole", "", "keep", 1, 0.3, seed=2), cell("no probes", "", "keep", 1, 0.6), cell("whole", "", "keep", 1, 0.9, ratio_asked=20)]
    axes = result_figures.kinds_beside_each_other(rows, 10).axes[0]
    assert [bar.get_width() for bar in axes.patches] == [pytest.approx(0.2), 0.6]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["whole", "no probes"]


def test_names_of_digits_stay_names(tmp_path: Any) -> None:
    (tmp_path / "table.csv").write_text("name,group,seed,char_edit_distance\n512,width,1,0.5\n", encoding="utf-8")
    assert load_table(tmp_path / "table.csv") == [{"name": "512", "group": "width", "seed": 1, "char_edit_distance": 0.5}]


def test_lost_lines_stand_beside_what_is_more_than_the_patches() -> None:
    rows = [{"model": model, "font": "A", "pitch_px": pitch, "num_lines": 40, "lines_lost": lost} for model, pitch, lost in (("tiny", 12, 0), ("tiny", 20, 0), ("wide", 12, 10), ("wide", 20, 0))]
    figure = result_figures.lines_lost(rows)
    assert [axes.get_title() for axes in figure.axes] == ["tiny", "wide"]
    more, points = figure.axes[1].lines[:2]
    assert more.get_xydata().tolist() == [[12, 0.25], [16, 0], [20, 0]]
    assert points.get_xydata().tolist() == [[12, 0.25], [20, 0]]
