from __future__ import annotations

import numpy as np
import pytest

import fovea

TEXT = "The suburb of Saffron Park lay on the sunset side of London, as red and ragged as a cloud of sunset."


def test_pixels_are_a_view() -> None:
    page = fovea.render(TEXT, size_px=16, side_px=320)
    view = np.asarray(page)
    assert view.shape == (320, 320) and view.dtype == np.uint8
    assert np.shares_memory(view, page.pixels)
    view[0, 0] = 7
    assert page.pixels[0, 0] == 7
    copied = np.array(page, copy=True)
    assert not np.shares_memory(copied, view)
    assert np.asarray(page, dtype=np.float32).dtype == np.float32


def test_a_view_outlives_its_page() -> None:
    views = [fovea.render(TEXT, size_px=16, side_px=320).pixels for _ in range(20)]
    expected = fovea.render(TEXT, size_px=16, side_px=320).pixels
    assert all(np.array_equal(view, expected) for view in views)


def test_boxes_hold_the_ink() -> None:
    page = fovea.render(TEXT, size_px=16, side_px=320)
    assert page.boxes.shape == (len(TEXT), 4) and page.cells.shape == (len(TEXT), 2)
    ink = np.zeros_like(page.pixels, dtype=bool)
    for x0, y0, x1, y1 in page.boxes:
        ink[y0:y1, x0:x1] = True
    assert (page.pixels[~ink] == 255).all() and (page.pixels < 128).any()
    assert page.char_lines[-1] == len(page.lines) - 1
    assert [TEXT.encode()[o] for o in page.byte_offsets[:3]] == list(b"The")


def test_png_and_mark() -> None:
    page = fovea.render(TEXT, size_px=16, side_px=320)
    assert page._repr_png_().startswith(b"\x89PNG")
    marked = page.mark([0, 1, 2]).pixels
    assert marked.shape == (320, 320, 3) and (marked[..., 0] != marked[..., 1]).any()


def test_without_a_size_the_text_fills_the_page() -> None:
    page = fovea.render(TEXT, side_px=320)
    assert page.text == TEXT and page.report.num_bytes_left_out == 0
    assert page.report.font_size_px == 16  # a 20th of the width
    with pytest.raises(fovea.RenderError, match="does not fit"):
        fovea.render(TEXT * 1000, side_px=64)


def test_styles_refuse_what_they_do_not_know() -> None:
    with pytest.raises(fovea.ConfigError, match="did you mean 'font_size_px'"):
        fovea.Style(font_size=3)
    with pytest.raises(fovea.ConfigError, match="hinting must be one of none, light, full"):
        fovea.render(TEXT, size_px=9, hinting="heavy")
    with pytest.raises(ValueError, match="DejaVu Sans"):
        fovea.render(TEXT, size_px=9, font="DejaVu Sanz")
    style = fovea.Style(width_px=200)
    with pytest.raises(fovea.ConfigError, match="width_px"):
        style.width_px = -1
    with pytest.raises(AttributeError):
        style.widht_px = 3
    assert style.width_px == 200 and style.to_dict()["width_px"] == 200 and "width_px=200" in repr(style)
    assert fovea.Style(**style.to_dict()) == style
