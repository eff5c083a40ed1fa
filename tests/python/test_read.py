"""`fovea read`: image files in, their text out, with the reader that ships."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import fovea
from fovea.cli import cli

TEXT = "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs, please; it is late."


@pytest.fixture
def page(tmp_path: Path) -> Path:
    fovea.render(TEXT, width_px=256, height_px=256, font_size_px=14).save(str(tmp_path / "page.png"))
    return tmp_path / "page.png"


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_page_is_read_and_not_read_twice(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = fovea.read(page, mode="256", out=out)[0]
    assert fovea.score(words(TEXT), words((out / "page.md").read_text(encoding="utf-8"))).char_edit_distance < 0.05
    assert (first["num_vision_tokens"], first["num_decoder_positions"], first["stop_reason"]) == (16, 21, "end")
    stamp = (out / "page.md").stat().st_mtime_ns
    assert fovea.read(page, mode="256", out=out)[0] == first
    assert (out / "page.md").stat().st_mtime_ns == stamp
    assert fovea.read(page, mode="512", out=out)[0]["num_vision_tokens"] == 64  # another mode is another reading


def test_bad_pages_are_reported_and_the_others_read(page: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(page.read_bytes()[:200])
    out = tmp_path / "out"
    result = CliRunner().invoke(cli, ["read", str(tmp_path / "broken.png"), str(page), "--mode", "256", "--out", str(out)])
    assert result.exit_code == 1
    assert "damaged PNG" in result.output
    assert (out / "page.md").exists()
    assert not (out / "broken.md").exists()
    assert json.loads((out / "page.json").read_text(encoding="utf-8"))["mode"] == "256"


def test_what_the_model_cannot_do_is_said(page: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a prompt"):
        fovea.read(page, mode="256", prompt="markdown", out=tmp_path / "a")
    with pytest.raises(ValueError, match="multiple of 64"):
        fovea.read(page, mode="300", out=tmp_path / "b")
    with pytest.raises(OSError, match="nowhere"):
        fovea.read(tmp_path / "nowhere.png", out=tmp_path / "c")
