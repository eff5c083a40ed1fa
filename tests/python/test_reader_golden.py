"""Ten small pages and what the reader that ships reads on them: equal bits on one machine at one number of threads, equal text everywhere.

The pages are kept as pictures, so that no font of the machine matters. After the reader changed on purpose: FOVEA_WRITE_READINGS=1 pytest this file.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
import torch

from fovea import _C

PAGES = Path(__file__).resolve().parents[1] / "data/reader_tiny_pages"


@pytest.fixture(scope="module")
def pictures() -> list[_C.Image]:
    return [_C.read_image(str(path)) for path in sorted(PAGES.glob("*.png"))]


def readings(shipped: Path, pictures: list, threads: int) -> list:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        reader = _C.Reader.load(str(shipped))
        out = []
        for picture in pictures:
            tokens = reader.encode([picture])[0]
            out.append((tokens.tensor.clone(), reader.decode([tokens], max_new_tokens=600)[0]))
        return out
    finally:
        torch.set_num_threads(before)


def test_ten_pages(shipped: Path, pictures: list) -> None:
    assert len(pictures) == 10
    first, again = readings(shipped, pictures, 1), readings(shipped, pictures[:4], 1)
    for (tokens_a, a), (tokens_b, b) in zip(first, again, strict=False):  # the second time only some
        assert torch.equal(tokens_a, tokens_b)
        assert a.ids == b.ids and a.probabilities == b.probabilities
    texts = [reading.text for _, reading in first]
    kept = PAGES / "readings.json"
    if os.environ.get("FOVEA_WRITE_READINGS"):
        kept.write_text(json.dumps(texts, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    assert texts == json.loads(kept.read_text(encoding="utf-8"))
    assert [reading.text for _, reading in readings(shipped, pictures[4:7], 2)] == texts[4:7]
