"""Where the reader looked: shapes, sums, and that the reader that ships looks at what it reads. The arithmetic has its twin in tests/model/looking_test.cpp."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fovea
from fovea import _C


def test_arrays_of_a_page(miniature: Path) -> None:
    page = fovea.render("Some words to look at.", side_px=192, font_size_px=20)
    look = fovea.look(page, str(miniature), max_new_tokens=20)
    layers, heads, tokens, vision = look.attention_all.shape
    assert vision == 9 and tokens == len(look.ids) and layers == len(look.layers)
    assert look.attention.shape == (len(look.text), 9)
    whole = look.attention_all.sum(-1) + look.separators + look.on_text
    assert np.allclose(whole, 1, atol=1e-5)
    assert look.token_of_char.min() >= 0 and look.token_of_char.max() < tokens and (np.diff(look.token_of_char) >= 0).all()
    assert len(look.hit_rates()) == layers * heads
    part = fovea.look(page, str(miniature), layers=[1], max_new_tokens=20)
    assert part.layers == [1] and np.allclose(part.attention_all[0], look.attention_all[1], atol=1e-6)
    with pytest.raises(_C.ConfigError, match="layers must lie in 0 to"):
        fovea.look(page, str(miniature), layers=[77], max_new_tokens=4)


def test_hits_are_counted_on_the_glyph_map() -> None:
    """A look made by hand: one head that looks at the right token, one at its neighbour, one evenly."""
    page = fovea.render("ab", side_px=128, font_size_px=20)
    a = np.zeros((1, 3, 2, 4), np.float32)
    a[0, 0, :, 0] = 0.8
    a[0, 1, :, 1] = 0.8
    a[0, 2] = 0.2
    from fovea.looking import Look, _cells, _token_of_char

    look = Look(page, "ab", [1, 2], (2, 2), 0, [0], a, np.zeros((1, 3, 2)), np.zeros((1, 3, 2)), _token_of_char("ab", [1, 2]), _cells(page, "ab", (2, 2)))
    assert look.truth_cell.tolist() == [0, 0]  # both stand in the first token
    rates = {row["head"]: row for row in look.hit_rates()}
    assert rates[0]["largest"] == 1 and rates[0]["mass"] == pytest.approx(1) and rates[0]["page"] == pytest.approx(0.8)
    assert rates[1]["largest"] == 0 and rates[1]["near"] == 1 and rates[1]["mass"] == 0
    assert rates[2]["mass"] == pytest.approx(0.25)
    look.head = (0, 1)
    picture = look.overlay(0).astype(int)
    assert picture[10, 100].tolist() != picture[100, 100].tolist() and picture[10, 100, 1] < 200  # the upper right token is tinted
    assert _token_of_char("aé€", [1, 3, 6]).tolist() == [0, 1, 2] and _token_of_char("aé€", [3, 6]).tolist() == [0, 0, 1]


def test_the_reader_that_ships_looks_at_what_it_reads(shipped: Path, prose: Path) -> None:
    text = fovea.normalize_space(prose.read_text(encoding="utf-8"))[3000:3500]
    page = fovea.render(text, side_px=320, font_size_px=11)
    look = fovea.look(page, str(shipped), max_new_tokens=400)
    best = look.hit_rates()[0]
    assert best["num_characters"] > 40 and best["largest"] > 0.8 and best["near"] > 0.95
    assert look.head == (best["layer"], best["head"])
    assert look.figure(4).axes[0].images
