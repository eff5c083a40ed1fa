"""What `--mode auto` costs and gives beside every fixed mode, on pages of known text."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from fovea import _C, api


def auto_table(text: str, sizes_px: Sequence[float] = (9, 12, 17, 26), *, modes: Sequence[str] = (), pages: int = 2, model: Any = None, side_px: int = 768,
               font: str = "DejaVu Sans", device: str = "cpu", on_page: Callable[[int, int], None] | None = None, **fields: Any) -> list[dict[str, Any]]:
    """A row a letter size and mode, `auto` last: means over the pages of vision tokens (of all attempts), precision and character edit distance.

    modes    fixed ones; empty: those that auto chooses from. fields: of ReadConfig (auto_mode, generate, prompt).
    side_px  of the pages as they are drawn, before a mode makes them smaller
    """
    from fovea.rendering import render_pages

    reader = api.reader(model, device)
    listed = list(modes) or _C.auto_modes(reader)
    rows: list[dict[str, Any]] = []
    done, total = 0, len(sizes_px) * (len(listed) + 1) * pages
    for size in sizes_px:
        drawn = render_pages(text, font=font, font_size_px=size, width_px=side_px, height_px=side_px, max_pages=pages)
        pictures = [_C.image_from_array(page.pixels) for page in drawn]
        for mode in [*listed, "auto"]:
            found = []
            for page, picture in zip(drawn, pictures, strict=True):
                read, facts = _C.read_page(reader, picture, _C.ReadConfig(mode=mode, **fields))
                score = _C.score_text(" ".join(page.text.split()), " ".join(read.split()))
                found.append((facts.get("num_vision_tokens_all_attempts", facts["num_vision_tokens"]), score.precision, score.char_edit_distance, facts))
                done += 1
                if on_page:
                    on_page(done, total)
            num = len(found)
            rows.append({
                "font_size_px": size, "mode": mode, "chosen": " ".join(sorted({f[3]["mode"] for f in found})) if mode == "auto" else mode,
                "num_attempts": sum(len(f[3].get("attempts", [0])) for f in found) / num, "vision_tokens": sum(f[0] for f in found) / num,
                "precision": sum(f[1] for f in found) / num, "char_edit_distance": sum(f[2] for f in found) / num,
                "stop_reasons": " ".join(sorted({f[3]["stop_reason"] for f in found})),
            })
    return rows
