"""Pages the Pillow way, one core: the method of bad-autoencoding's renderer, timed beside fovea.render where that is importable.

That method, as it is described: DejaVu Sans, margins of 5 %, line height 1.2 times the size, lines filled word by word by measuring them,
and the largest size that fits found by trying sizes from above. Texts are those of render_pango_bench.cpp: 1,000 words of the English
samples a page, 1,000 distinct pages (a part of them is drawn: Pillow takes its time).

    python experiments/bench/render_pillow.py --pages 40

Timed, in processor time: `pillow_fit` finds the size of each page and draws it; `pillow_draw` draws at the size that was found before; `fovea_fit` and
`fovea_draw` do the same with this project's renderer (map included). Checked: every word is on the page, ink within 6 %.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

SAMPLES = Path(__file__).resolve().parents[2] / "datasets" / "samples"
SIDE_PX, NUM_PAGES, NUM_WORDS = 1024, 1000, 1000
MARGIN_PX = round(SIDE_PX * 0.05)
LINE_HEIGHT = 1.2
SIZES_PX = range(48, 5, -1)
INK_TOLERANCE = 0.06  # Pillow hints by its own defaults, we lightly


def english_pages(num: int) -> list[str]:
    names = ("en_the_man_who_was_thursday.txt", "en_state_of_the_union_1953.txt")
    words = "\n".join((SAMPLES / name).read_text(encoding="utf-8") for name in names).split(None)
    step = (len(words) - NUM_WORDS) // NUM_PAGES
    return [" ".join(words[i * step : i * step + NUM_WORDS]) for i in range(num)]


def wrapped(text: str, font: ImageFont.FreeTypeFont, width_px: int) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        longer = f"{line} {word}" if line else word
        if line and font.getlength(longer) > width_px:
            lines.append(line)
            line = word
        else:
            line = longer
    return [*lines, line]


class Pillow:
    def __init__(self, font_file: str) -> None:
        self.fonts = {size: ImageFont.truetype(font_file, size) for size in SIZES_PX}
        self.room_px = SIDE_PX - 2 * MARGIN_PX

    def fitted(self, text: str) -> tuple[int, list[str]]:
        for size in SIZES_PX:
            lines = wrapped(text, self.fonts[size], self.room_px)
            if len(lines) * size * LINE_HEIGHT <= self.room_px:
                return size, lines
        raise ValueError("a text fits at no size")

    def draw(self, lines: list[str], size: int) -> Image.Image:
        page = Image.new("L", (SIDE_PX, SIDE_PX), 255)
        pen = ImageDraw.Draw(page)
        for i, line in enumerate(lines):
            pen.text((MARGIN_PX, MARGIN_PX + i * size * LINE_HEIGHT), line, fill=0, font=self.fonts[size])
        return page


def pages_per_second(draw, items, seconds: float) -> float:
    num, start = 0, time.process_time()
    while (elapsed := time.process_time() - start) < seconds or num < len(items):
        draw(items[num % len(items)])
        num += 1
    return num / elapsed


def ink(pixels: bytes) -> int:
    return 255 * len(pixels) - sum(pixels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=40, help="distinct pages that are drawn, at most 1000")
    parser.add_argument("--seconds", type=float, default=3.0, help="least time a measurement takes")
    parser.add_argument("--font-file", default="/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf")
    args = parser.parse_args()

    texts = english_pages(min(args.pages, NUM_PAGES))
    pillow = Pillow(args.font_file)
    found = [pillow.fitted(text) for text in texts]
    for text, (_, lines) in zip(texts, found, strict=True):
        assert " ".join(lines) == text, "words are missing"
    result = {
        "pages": len(texts),
        "font_size_px": sorted({size for size, _ in found}),
        "pillow_fit_pages_per_second": pages_per_second(
            lambda text: pillow.draw(*reversed(pillow.fitted(text))), texts, args.seconds
        ),
        "pillow_draw_pages_per_second": pages_per_second(
            lambda item: pillow.draw(item[1], item[0]), found, args.seconds
        ),
    }
    try:
        import fovea
    except ImportError:
        fovea = None
    if fovea is not None:
        # fovea's line height counts in the font's ascent + descent, the method's in its size: 1.164 em for DejaVu Sans.
        look = {
            "width_px": SIDE_PX,
            "height_px": SIDE_PX,
            "margin_left_px": MARGIN_PX,
            "margin_top_px": MARGIN_PX,
            "margin_right_px": MARGIN_PX,
            "margin_bottom_px": MARGIN_PX,
            "font": "DejaVu Sans",
            "line_height": LINE_HEIGHT / 1.1640625,
            "overflow": "fail",
            "hinting": "full",  # as Pillow
        }
        renderer = fovea.Renderer()
        ratios = []
        for text, (size, lines) in zip(texts, found, strict=True):
            page = fovea.render(text, font_size_px=size, **look)
            assert page.text == text, "words are missing"
            ratios.append(ink(page.pixels.tobytes()) / ink(pillow.draw(lines, size).tobytes()))
        assert max(abs(r - 1) for r in ratios) < INK_TOLERANCE, f"the pages differ in ink: {min(ratios)} to {max(ratios)}"
        result["ink_ratio"] = [round(min(ratios), 4), round(max(ratios), 4)]
        items = [(text, size) for text, (size, _) in zip(texts, found, strict=True)]
        result["fovea_draw_pages_per_second"] = pages_per_second(
            lambda item: fovea.render(item[0], font_size_px=item[1], **look), items, args.seconds
        )

        def fit_and_draw(text: str):
            size = renderer.fit_font_size(text, fovea.Style(**look), SIZES_PX[-1], SIZES_PX[0], 1)
            return fovea.render(text, font_size_px=size, **look)

        result["fovea_fit_pages_per_second"] = pages_per_second(fit_and_draw, texts, args.seconds)
    print(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
