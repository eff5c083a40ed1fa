"""The reader of 64x that ships, and the size of all that ship."""

from __future__ import annotations

from pathlib import Path

import pytest

import fovea

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "reader-64x"


@pytest.fixture(scope="module")
def reader() -> fovea.Reader:
    return fovea.reader(FOLDER)


def test_reads_a_page_at_ten_times(reader: fovea.Reader) -> None:
    text = " ".join((ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8").split())[2000:]
    page = fovea.render(text[:1150], width_px=640, height_px=640, font="DejaVu Serif", font_size_px=23)
    assert page.report.num_bytes_left_out == 0
    tokens = fovea.encode(page, reader)
    assert tokens.num_valid == 25
    score = fovea.score(page.text, fovea.decode(tokens, reader))
    assert score.char_edit_distance < 0.02 and score.precision > 0.96, score


def test_reads_a_page_at_twenty_times(reader: fovea.Reader) -> None:
    text = " ".join((ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8").split())[9000:]
    page = fovea.render(text[:2250], width_px=640, height_px=640, font="DejaVu Serif", font_size_px=16)
    assert page.report.num_bytes_left_out == 0
    tokens = fovea.encode(page, reader)
    score = fovea.score(page.text, fovea.decode(tokens, reader))
    assert tokens.num_valid == 25 and score.char_edit_distance < 0.05 and score.precision > 0.9, score


def test_weights_that_ship_stay_within_their_size() -> None:
    sizes = {folder.name: sum(file.stat().st_size for file in folder.glob("*.safetensors")) for folder in (ROOT / "models").iterdir() if folder.is_dir()}
    assert "reader-tiny" in sizes
    assert all(size <= 40 * 2**20 for size in sizes.values()) and sum(sizes.values()) <= 80 * 2**20, sizes
