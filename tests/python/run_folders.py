"""Run folders made without a model: pages of the sample text, read by an oracle that errs at chosen rates."""

from __future__ import annotations

import json
import random
import string
from pathlib import Path
from typing import Any

import fovea

SAMPLE = Path(__file__).resolve().parents[2] / "datasets/samples/en_the_man_who_was_thursday.txt"


def misread(text: str, rate: float, rng: random.Random) -> str:
    out = []
    for c in text:
        if c != " " and rng.random() < rate:
            out.append(rng.choice(["", "e", c + "i"]))
        else:
            out.append(c)
    return "".join(out)


def make_run(
    folder: Path, *, kind: str = "prose", rates: dict[float, float] | None = None, pages: int = 4, budget: int = 100, seed: int = 0, pictures: bool = False,
    manifest: dict[str, Any] | None = None,
) -> Path:
    """rates: ratio -> share of characters misread. With pictures the pages are drawn, so that places are exact."""
    rates = rates or {5.0: 0.001, 10.0: 0.004, 15.0: 0.02, 20.0: 0.08}
    (folder / "pages").mkdir(parents=True)
    words = SAMPLE.read_text(encoding="utf-8").split()
    rng = random.Random(seed)
    lines = []
    number = 0
    for ratio, rate in rates.items():
        for passage in range(pages):
            count = int(ratio * budget * 0.75)
            chosen = words[passage * 3000 : passage * 3000 + count]
            if kind == "shuffled-words":
                random.Random(passage).shuffle(chosen)
            if kind == "random-letters":
                own = random.Random(passage * 100 + int(ratio))
                chosen = ["".join(own.choice(string.ascii_lowercase) for _ in range(own.randint(2, 10))) for _ in range(count // 2)]
            text = " ".join(chosen)
            name = f"{number:03}"
            visual = "\n".join(text[i : i + 90] for i in range(0, len(text), 90))
            size_px = 8.0
            if pictures:
                page = fovea.render(text, width_px=640, height_px=640, font="DejaVu Sans Mono", font_size_px=size_px, margin_left_px=4, margin_top_px=4)
                page.save(str(folder / "pages" / f"{name}.png"))
                visual = page.visual_text
            reading = misread(" ".join(visual.split()), rate, rng)
            (folder / "pages" / f"{name}.txt").write_text(visual + "\n", encoding="utf-8")
            (folder / "pages" / f"{name}.hyp.txt").write_text(reading + "\n", encoding="utf-8")
            score = fovea.score(visual, reading)
            tokens = int(ratio * budget)
            lines.append(
                {"key": f"{kind}{number}", "page": name, "budget": budget, "ratio_asked": ratio, "ratio_measured": tokens / budget, "ratio_decoder_positions": tokens / (budget + 11),
                 "font": "DejaVu Sans Mono", "font_size_px": size_px, "text_kind": kind, "text": "sample.txt", "passage": passage, "num_text_tokens": tokens,
                 "num_chars": score.num_ref_chars, "precision": score.precision, "recall": score.recall, "f1": score.f1, "char_edit_distance": score.char_edit_distance,
                 "num_edits": score.num_edits, "stop_reason": "end", "num_generated_tokens": 300, "seconds_encode": 0.1, "seconds_decode": 1.0}
            )
            number += 1
    (folder / "results.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    style = {"margin_left_px": 4, "margin_top_px": 4}
    (folder / "config.json").write_text(json.dumps({"config": {"style": style}}))
    (folder / "manifest.json").write_text(json.dumps({"verb": "curve", "status": "complete", "model": "oracle", "seed": seed, "seconds": 12.5, "config": {"text_kind": kind, "style": style}} | (manifest or {})))
    return folder
