"""The Chinese reader that ships, on a held-out text that no training text contains."""
from __future__ import annotations

from pathlib import Path

import pytest

import fovea

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "models" / "reader-zh"
FONT = "WenQuanYi Micro Hei"


@pytest.fixture(scope="module")
def reader() -> fovea.Reader:
    return fovea.reader(FOLDER)


def page_of(text: str, size_px: float) -> fovea.Page:
    return fovea.render(text, width_px=384, height_px=384, font=FONT, font_size_px=size_px)


def test_reads_a_page_of_chinese(reader: fovea.Reader) -> None:
    text = "".join((ROOT / "datasets/samples/zh_law_rights_of_the_elderly.txt").read_text(encoding="utf-8").split())
    page = page_of(text[:280], 18)  # 36 vision tokens
    score = fovea.score(page.text, fovea.decode(fovea.encode(page, reader), reader))
    assert score.char_edit_distance < 0.02 and score.precision > 0.97, score


def test_reads_characters_in_no_order(reader: fovea.Reader) -> None:
    text = "".join((ROOT / "datasets/samples/zh_xu_xiake_travels.txt").read_text(encoding="utf-8").split())[:9000]
    page = page_of(text[::41][:200], 20)
    score = fovea.score(page.text, fovea.decode(fovea.encode(page, reader), reader))
    assert score.char_edit_distance < 0.03, score
