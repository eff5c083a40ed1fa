"""Vision tokens as things in Python, and the memory that fades."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import fovea
from fovea.memory import memory_curve, turns_of


@pytest.fixture(scope="module")
def told(prose: Path) -> str:
    return prose.read_text(encoding="utf-8")[4000:40000]


def test_tokens_are_dropped_pruned_pooled_and_fed_back(miniature: Path) -> None:
    page = np.random.default_rng(1).integers(0, 255, (256, 256), np.uint8)
    tokens = fovea.encode(page, miniature)
    whole = fovea.decode(tokens, miniature, max_new_tokens=12)
    fewer = tokens.prune(10)
    assert len(fewer) == 10 and fewer.num_decoder_positions == 21 - 6 and len(fewer.removed) == 6
    assert set(np.argsort(tokens.norms)[:6]) == set(fewer.removed)
    assert isinstance(fovea.decode(fewer, miniature, max_new_tokens=12), str)
    assert len(tokens.pool(2)) == 4 and tokens.pool(2).num_decoder_positions == 7
    assert fovea.decode(fovea.average_tokens([tokens, tokens]), miniature, max_new_tokens=12) == whole
    small = tokens.quantize("int8")
    assert 0 < small.relative_error < 0.02 and small.num_bytes < small.num_bytes_original / 3
    assert fovea.decode(small.tokens, miniature, max_new_tokens=12)
    with pytest.raises(ValueError, match="keep must be"):
        tokens.prune(17)


def test_reading_survives_eight_bits_and_not_the_loss_of_half(shipped: Path, tmp_path: Path) -> None:
    text = "It was a bright cold day in April, and the clocks were striking. Nobody in the street looked up at them twice."
    tokens = fovea.encode(fovea.render(text, width_px=256, height_px=256, font_size_px=14), shipped)

    def error(kept: fovea.VisionTokens) -> float:
        return fovea.score(text, " ".join(fovea.decode(kept, shipped, max_new_tokens=100).split())).char_edit_distance

    tokens.save(str(tmp_path / "t"), "int8")
    stored = fovea.VisionTokens.load(str(tmp_path / "t"))
    assert error(stored) < 0.1 and (tmp_path / "t").stat().st_size < tokens.tensor.nbytes / 3
    assert error(tokens.prune(8)) > error(stored) + 0.2


def test_older_pages_get_smaller_and_stay_within_the_budget(miniature: Path, told: str) -> None:
    memory = fovea.Memory(budget=38, model=miniature, sides=(256, 192, 128), font_size_px=8)
    seen = []
    for role, text in turns_of(told, 60)[:25]:
        memory.add(role, text)
        sides = [page.side_px for page in memory.pages]
        assert sides == sorted(sides), "an older page is finer than a newer one"
        assert memory.num_vision_tokens <= 38 and memory.num_vision_tokens == sum(t.num_vision_tokens for t in memory.tokens())
        seen.append(sides)
    assert {256, 128, 0} <= set(seen[-1]) and seen[0] == [256]
    assert all(page.picture is None for page in memory.pages if page.side_px == 0)
    by_turn = {n for page in memory.pages for n in page.turns}
    assert by_turn == set(range(25))
    words = " ".join(f"{r}: {t}" for r, t in memory.turns).split()
    assert " ".join(page.text for page in memory.pages).split() == words, "a word was lost between pages"
    found = memory.recall(max_new_tokens=3)
    assert [f.stop_reason for f in found].count("forgotten") == seen[-1].count(0)
    for before, after in itertools.pairwise(seen):
        for old, new in zip(before[:-1], after, strict=False):  # the newest page of a step is still open
            assert new <= old, "a page got finer again"
    with pytest.raises(ValueError, match="budget must be at least"):
        fovea.Memory(budget=3, model=miniature, sides=(256, 128))
    with pytest.raises(ValueError, match="sides must fall"):
        fovea.Memory(budget=30, model=miniature, sides=(128, 256))


def test_the_shipped_reader_remembers_young_pages_better(shipped: Path, told: str, tmp_path: Path) -> None:
    rows = memory_curve(turns_of(told, 60)[:7], 29, tmp_path, sides=(256, 192, 128), font_size_px=9, generate={"max_new_tokens": 260})
    assert rows[0]["precision"] > 0.9 > 0.7 > rows[1]["precision"] > rows[-1]["precision"], rows
    assert rows[0]["age_pages"] == 0 and rows[-1]["side_px"] < rows[0]["side_px"]
    assert (tmp_path / "memory.csv").read_text(encoding="utf-8").count("\n") == len(rows) + 1
    assert (tmp_path / "memory.png").stat().st_size > 5000


def test_commands(miniature: Path, prose: Path, tmp_path: Path) -> None:
    from click.testing import CliRunner

    from fovea.cli import cli

    text = tmp_path / "text.txt"
    text.write_text(prose.read_text(encoding="utf-8")[4000:5200], encoding="utf-8")
    result = CliRunner().invoke(cli, ["memory", str(text), "--model", str(miniature), "--budget", "24", "--sides", "256,128", "--turn-words", "30", "--out", str(tmp_path / "m"), "--max-new-tokens", "8"])
    assert result.exit_code == 0, result.output
    assert (tmp_path / "m/memory.csv").exists() and "recall" in result.output
    table = ["auto-table", str(text), "--model", str(miniature), "--sizes", "14", "--modes", "128,256", "--pages", "1", "--side", "256", "--max-new-tokens", "8", "--out", str(tmp_path / "auto.csv")]
    result = CliRunner().invoke(cli, table)
    assert result.exit_code == 0, result.output
    assert len((tmp_path / "auto.csv").read_text(encoding="utf-8").splitlines()) == 4  # a head, two modes, auto
    assert "must be like 640,512" in str(CliRunner().invoke(cli, ["memory", str(text), "--sides", "a"]).exception)
