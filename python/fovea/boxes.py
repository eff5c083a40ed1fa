"""A page with the boxes of its grounded output drawn on it."""

from __future__ import annotations

from typing import Any

import numpy as np

from fovea import _C

_COLOURS = {"title": "#D55E00", "text": "#0072B2", "image": "#009E73", "table": "#CC79A7", "equation": "#E69F00"}  # Okabe and Ito, as in figures.py
_OTHER = ["#56B4E9", "#000000", "#B8A800"]


def draw_boxes(picture: Any, grounded: _C.GroundedText | str) -> Any:
    """A Pillow picture of the page with an outline, a light fill and the label at every box. picture: Image, Page or uint8 array."""
    from PIL import Image, ImageDraw, ImageFont

    if isinstance(grounded, str):
        grounded = _C.parse_grounded(grounded)
    array = np.asarray(picture)
    page = Image.fromarray(array).convert("RGB")
    side = max(page.size)
    font = ImageFont.load_default(size=max(11, side // 90))
    line = max(2, side // 500)
    fills = Image.new("RGBA", page.size, (0, 0, 0, 0))
    fill, outlines = ImageDraw.Draw(fills), []
    others: dict[str, str] = {}
    for item in grounded.items:
        label = item.label.strip()
        colour = _COLOURS.get(label) or _COLOURS.get(label.split("_")[0]) or others.setdefault(label, _OTHER[len(others) % len(_OTHER)])
        rgb = tuple(int(colour[i : i + 2], 16) for i in (1, 3, 5))
        for box in item.boxes:
            x0, y0, x1, y1 = box.to_pixels(*page.size)
            if x1 <= x0 or y1 <= y0:
                continue
            fill.rectangle([x0, y0, x1 - 1, y1 - 1], fill=(*rgb, 28))
            outlines.append((x0, y0, x1 - 1, y1 - 1, colour, label))
    page = Image.alpha_composite(page.convert("RGBA"), fills).convert("RGB")
    draw = ImageDraw.Draw(page)
    for x0, y0, x1, y1, colour, label in outlines:
        draw.rectangle([x0, y0, x1, y1], outline=colour, width=line * (2 if label == "title" else 1))
        shown = label if len(label) <= 40 else label[:39] + "…"
        left, top, right, bottom = draw.textbbox((0, 0), shown, font=font)
        width, height = right - left, bottom - top
        x, y = max(0, min(x0, page.width - width - 6)), y0 - height - 6 if y0 >= height + 6 else y0
        draw.rectangle([x, y, x + width + 5, y + height + 5], fill=colour)
        draw.text((x + 3 - left, y + 2 - top), shown, fill="white", font=font)
    return page
