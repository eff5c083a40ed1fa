"""Charts as SVG text whose colours come from the page's style sheet, so that they follow light and dark."""

from __future__ import annotations

import dataclasses
import html
import math
from collections.abc import Callable
from typing import Any

WIDTH, HEIGHT = 460, 330
LEFT, RIGHT, TOP, BOTTOM = 54, 12, 14, 44
MARKS = ["circle", "square", "triangle", "diamond", "down", "cross"]


@dataclasses.dataclass
class Line:
    """Points (x, y, low, high); low and high may be None. style: s0 to s7, or paper0, paper1."""

    label: str
    style: str
    mark: str
    points: list[tuple[float, float, float | None, float | None]]
    dotted: bool = False
    band: bool = False   # low to high as a filled band, and no marks


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _mark(kind: str, x: float, y: float, style: str, title: str) -> str:
    r = 4.0
    shapes = {
        "square": f'<rect x="{_n(x - r)}" y="{_n(y - r)}" width="8" height="8"',
        "triangle": f'<path d="M{_n(x)} {_n(y - 5)}L{_n(x + 5)} {_n(y + 4)}H{_n(x - 5)}Z"',
        "down": f'<path d="M{_n(x)} {_n(y + 5)}L{_n(x + 5)} {_n(y - 4)}H{_n(x - 5)}Z"',
        "diamond": f'<path d="M{_n(x)} {_n(y - 5.5)}L{_n(x + 5.5)} {_n(y)}L{_n(x)} {_n(y + 5.5)}L{_n(x - 5.5)} {_n(y)}Z"',
        "cross": f'<path d="M{_n(x - 4)} {_n(y - 4)}L{_n(x + 4)} {_n(y + 4)}M{_n(x - 4)} {_n(y + 4)}L{_n(x + 4)} {_n(y - 4)}" stroke-width="2"',
    }
    body = shapes.get(kind, f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(r)}"')
    return f'{body} class="mark {style}"><title>{html.escape(title)}</title></{body[1:].split()[0]}>'


def legend_mark(line: Line) -> str:
    dash = ' stroke-dasharray="2 3"' if line.dotted else ""
    return (
        f'<svg class="key" viewBox="0 0 34 14" aria-hidden="true"><line x1="1" y1="7" x2="33" y2="7" class="line {line.style}"{dash}/>'
        + ("" if line.band else _mark(line.mark, 17, 7, line.style, line.label))
        + "</svg>"
    )


def nice_steps(low: float, high: float, count: int = 5) -> list[float]:
    """Round numbers between low and high, about `count` of them."""
    if high <= low:
        high = low + 1
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 2.5, 5, 10) if power * m >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round((first + i) * step, 12) for i in range(math.floor(high / step + 1e-9) - first + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    for marks in ((1, 1.5, 2, 3, 5, 7), (1, 1.5, 2, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [m * 10.0**p for p in range(-3, 6) for m in marks if low <= m * 10.0**p <= high]
        if len(ticks) >= 3:
            return ticks
    return nice_steps(low, high, 4)


def chart(
    lines: list[Line], name: str, x_label: str, y_label: str, y_text: Callable[[float], str], y_range: tuple[float, float] | None = None,
    log_x: bool = True,
) -> str:
    """A figure with its legend. Points tell their values when pointed at; the tables beside it hold the same numbers."""
    points = [p for line in lines for p in line.points]
    if not points:
        return '<p class="none">No page to draw.</p>'
    xs = [p[0] for p in points]
    x_low, x_high = (min(xs) * 0.93, max(xs) * 1.07) if log_x else (min(xs), max(xs))
    if x_high <= x_low:
        x_low, x_high = x_low * 0.5, x_high * 2
    ys = [v for p in points for v in p[1:] if v is not None]
    y_low, y_high = y_range or (min(ys), max(ys))
    if y_high - y_low < 1e-9:
        y_high = y_low + 1e-3
    scale_x: Callable[[float], float] = math.log if log_x else float  # type: ignore[assignment]
    across = (WIDTH - LEFT - RIGHT) / (scale_x(x_high) - scale_x(x_low))

    def px(x: float) -> float:
        return LEFT + (scale_x(x) - scale_x(x_low)) * across

    def py(y: float) -> float:
        return TOP + (y_high - min(max(y, y_low), y_high)) / (y_high - y_low) * (HEIGHT - TOP - BOTTOM)

    out = [f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{html.escape(name)}">']
    for y in nice_steps(y_low, y_high):
        out.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_n(py(y))}" y2="{_n(py(y))}"/>')
        out.append(f'<text class="tick" x="{LEFT - 6}" y="{_n(py(y) + 4)}" text-anchor="end">{html.escape(y_text(y))}</text>')
    ticks = log_ticks(x_low, x_high) if log_x else nice_steps(x_low, x_high)
    last = -1e9
    for x in ticks:
        out.append(f'<line class="grid" x1="{_n(px(x))}" x2="{_n(px(x))}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        if px(x) - last >= 30:
            out.append(f'<text class="tick" x="{_n(px(x))}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{x:g}</text>')
            last = px(x)
    out.append(f'<text class="axis" x="{_n((LEFT + WIDTH - RIGHT) / 2)}" y="{HEIGHT - 8}" text-anchor="middle">{html.escape(x_label)}</text>')
    out.append(f'<text class="axis" transform="translate(13 {_n((TOP + HEIGHT - BOTTOM) / 2)}) rotate(-90)" text-anchor="middle">{html.escape(y_label)}</text>')
    for line in lines:
        shown = sorted(line.points)
        if line.band:
            edge = [(p[0], p[3]) for p in shown if p[3] is not None] + [(p[0], p[2]) for p in reversed(shown) if p[2] is not None]
            out.append(f'<polygon class="band {line.style}" points="{" ".join(f"{_n(px(x))},{_n(py(y or 0.0))}" for x, y in edge)}"/>')
        dash = ' stroke-dasharray="2 4"' if line.dotted else ""
        path = " ".join(f"{_n(px(p[0]))},{_n(py(p[1]))}" for p in shown)
        if len(shown) > 1 and line.mark != "only":
            out.append(f'<polyline class="line {line.style}" points="{path}"{dash}/>')
        if line.band:
            continue
        for x, y, low, high in shown:
            if low is not None and high is not None:
                out.append(f'<path class="bar {line.style}" d="M{_n(px(x))} {_n(py(low))}V{_n(py(high))}M{_n(px(x) - 3)} {_n(py(low))}h6M{_n(px(x) - 3)} {_n(py(high))}h6"/>')
            interval = f" ({y_text(low)} to {y_text(high)})" if low is not None and high is not None else ""
            out.append(_mark(line.mark, px(x), py(y), line.style, f"{line.label}: {x:.2f}x, {y_text(y)}{interval}"))
    out.append("</svg>")
    keys = "".join(f"<li>{legend_mark(line)}<span>{html.escape(line.label)}</span></li>" for line in lines)
    return f'<figure>{"".join(out)}<figcaption><ul class="legend">{keys}</ul></figcaption></figure>'


def heat_map(wrong: Any, shown: Any, name: str) -> str:
    """Errors a character on a grid over the page; the darkest cell is the worst. Cells that hold no character are hollow."""
    size, cell = len(shown), 30
    rates = [[wrong[r][c] / shown[r][c] if shown[r][c] else None for c in range(size)] for r in range(size)]
    worst = max((v for row in rates for v in row if v is not None), default=0.0)
    out = [f'<svg class="heat" viewBox="0 0 {size * cell + 2} {size * cell + 2}" role="img" aria-label="{html.escape(name)}">']
    for r in range(size):
        for c in range(size):
            rate = rates[r][c]
            place = f'x="{c * cell + 2}" y="{r * cell + 2}" width="{cell - 2}" height="{cell - 2}" rx="2"'
            if rate is None:
                out.append(f'<rect {place} class="hollow"><title>no character</title></rect>')
                continue
            title = f"row {r + 1}, column {c + 1}: {wrong[r][c]} of {shown[r][c]} characters wrong ({100 * rate:.2f} %)"
            out.append(f'<rect {place} class="warm" fill-opacity="{0.04 + 0.96 * (rate / worst if worst else 0):.3f}"><title>{title}</title></rect>')
    out.append("</svg>")
    scale = f'<span class="ramp" aria-hidden="true"></span> 0 to {100 * worst:.2f} % of the characters in a cell' if worst else "no character was misread"
    return f'<figure class="narrow">{"".join(out)}<figcaption>{scale}</figcaption></figure>'
