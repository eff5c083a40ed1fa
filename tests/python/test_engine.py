"""Pages that are decoded together: submitted, stepped, cancelled; and documents whose pages go together."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import fovea
from fovea import _C

TEXTS = ["The quick brown fox jumps over the lazy dog.", "Pack my box with five dozen liquor jugs, please; it is late and the road is long.", "Sphinx of black quartz, judge my vow."]


@pytest.fixture(scope="module")
def reader(shipped: Path) -> Any:
    return _C.Reader.load(str(shipped))


def picture(text: str, side: int) -> Any:
    return _C.image_from_array(np.array(fovea.render(text, width_px=side, height_px=side, font_size_px=14).pixels))


@pytest.fixture(scope="module")
def tokens(reader: Any) -> list[Any]:
    return [reader.encode_views(_C.make_views(picture(text, side), str(side))) for text, side in zip(TEXTS, (256, 384, 256), strict=True)]


def test_pages_of_different_layouts_are_read_as_alone(reader: Any, tokens: list[Any]) -> None:
    alone = [reader.decode([t])[0] for t in tokens]
    together = reader.decode(tokens)
    assert [r.text for r in together] == [r.text for r in alone]
    assert len({t.num_decoder_positions for t in tokens}) == 2
    for reading in alone:
        assert len(reading.ids) == len(reading.probabilities) == len(reading.entropies) > 3
        assert all(h >= 0 for h in reading.entropies) and max(reading.entropies) > 0
        sure = [h for p, h in zip(reading.probabilities, reading.entropies, strict=True) if p > 0.999]
        assert sure and max(sure) < 0.05
        assert (reading.loop_period, reading.loop_begin, reading.loop_repeats) == (0, 0, 0)


def test_pages_are_submitted_stepped_and_cancelled(reader: Any, tokens: list[Any]) -> None:
    expected = [reader.decode([t])[0].text for t in tokens]
    found: dict[int, str] = {}
    grown: list[str] = []
    assert reader.idle()
    first = reader.submit(tokens[0], on_done=lambda r: found.update({0: r.text}), on_text=grown.append)
    assert not reader.idle() and reader.occupancy()["waiting"] == 1
    written = reader.step()
    second = reader.submit(tokens[1], on_done=lambda r: found.update({1: r.text}), max_new_tokens=4)
    third = reader.submit(tokens[2], on_done=lambda r: found.update({2: r.text}))
    assert len({first, second, third}) == 3
    assert reader.cancel(third) and not reader.cancel(third)
    while not reader.idle():
        written += reader.step()
    assert set(found) == {0, 1} and found[0] == expected[0] and expected[1].startswith(found[1]) and 0 < len(found[1]) < len(expected[1])
    assert written > 10 and all(expected[0].startswith(g.rstrip("\ufffd")) for g in grown)
    reader.step()
    assert reader.occupancy()["running"] == 0 and reader.occupancy()["blocks_free"] == reader.occupancy()["blocks_total"]


def test_what_a_callback_raises_comes_out_of_step(reader: Any, tokens: list[Any]) -> None:
    def fail(_: Any) -> None:
        raise KeyError("mine")

    done: list[str] = []
    reader.submit(tokens[0], on_done=fail, max_new_tokens=2)
    reader.submit(tokens[2], on_done=lambda r: done.append(r.text), max_new_tokens=2)
    with pytest.raises(KeyError, match="mine"):
        while not reader.idle():
            reader.step()
    while not reader.idle():
        reader.step()
    assert len(done) == 1


def test_an_engine_has_limits(shipped: Path, tokens: list[Any]) -> None:
    reader = _C.Reader.load(str(shipped))
    reader.set_engine(max_batch=2, cache_positions=64)
    with pytest.raises(fovea.ConfigError, match="can never fit a cache of 64 positions"):
        reader.submit(tokens[1], max_new_tokens=60)
    with pytest.raises(fovea.ConfigError, match="max_batch"):
        reader.set_engine(max_batch=0)
    reader.submit(tokens[0], max_new_tokens=2)
    with pytest.raises(fovea.ConfigError, match="while pages are being decoded"):
        reader.set_engine(max_batch=3)


def test_pictures_are_read_together(reader: Any) -> None:
    config = _C.ReadConfig(mode="256")
    pictures = [picture(text, 256) for text in TEXTS]
    seen: list[int] = []
    answers = _C.read_pages(reader, [*pictures, _C.image_from_array(np.zeros((2, 20000), np.uint8))], config, lambda i, _: seen.append(i))
    assert sorted(seen) == [0, 1, 2, 3]
    for answer, one in zip(answers, pictures, strict=False):
        text, facts = _C.read_page(reader, one, config)
        assert answer[0] == text and answer[1]["num_generated_tokens"] == facts["num_generated_tokens"]
    assert isinstance(answers[3], (str, tuple))
    automatic = _C.read_pages(reader, pictures[:2], _C.ReadConfig(mode="auto"))
    for answer, one in zip(automatic, pictures[:2], strict=True):
        text, facts = _C.read_page(reader, one, _C.ReadConfig(mode="auto"))
        assert answer[0] == text and len(answer[1]["attempts"]) == len(facts["attempts"])
