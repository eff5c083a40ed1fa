"""What readers write for a figure: charts as HTML tables, molecules as SMILES, plane geometry as a dictionary. Nothing is evaluated."""

from __future__ import annotations

import ast
import html
import math
import re
from dataclasses import dataclass, field
from typing import Any

from fovea.html_tables import Table, find_tables

_POINT = r"\(?\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*,\s*([-+]?[\d.]+(?:[eE][-+]?\d+)?)\s*\)?"
_MAX_CHARACTERS = 1_000_000


@dataclass
class FigureOutput:
    """kind: chart (tables), smiles (text, valid), geometry (geometry) or text."""

    kind: str
    text: str
    tables: list[Table] = field(default_factory=list)
    smiles_valid: bool | None = None  # None: not checked
    geometry: Geometry | None = None
    problems: list[str] = field(default_factory=list)

    def html(self) -> str:
        """The figure as HTML: its tables, its drawing, or its text, escaped."""
        if self.kind == "chart":
            return "\n".join(table.html() for table in self.tables)
        if self.geometry is not None:
            return self.geometry.svg()
        return f"<pre>{html.escape(self.text)}</pre>"


@dataclass
class Geometry:
    """Lines (dashed where the reader wrote --), named points and circles, y upwards."""

    lines: list[tuple[tuple[float, float], tuple[float, float], bool]] = field(default_factory=list)
    points: list[tuple[str, tuple[float, float]]] = field(default_factory=list)
    circles: list[tuple[tuple[float, float], float]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def svg(self, side_px: int = 480) -> str:
        """The drawing as SVG text."""
        xs = [x for a, b, _ in self.lines for x in (a[0], b[0])] + [p[0] for _, p in self.points] + [c[0] + s * r for c, r in self.circles for s in (-1, 1)]
        ys = [y for a, b, _ in self.lines for y in (a[1], b[1])] + [p[1] for _, p in self.points] + [c[1] + s * r for c, r in self.circles for s in (-1, 1)]
        if not xs:
            return f'<svg xmlns="http://www.w3.org/2000/svg" width="{side_px}" height="{side_px}"/>'
        span = max(max(xs) - min(xs), max(ys) - min(ys)) or 1.0
        scale = side_px * 0.8 / span
        left, top = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2

        def at(p: tuple[float, float]) -> tuple[str, str]:
            return f"{side_px / 2 + (p[0] - left) * scale:.2f}", f"{side_px / 2 - (p[1] - top) * scale:.2f}"

        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{side_px}" height="{side_px}" viewBox="0 0 {side_px} {side_px}">',
               f'<rect width="{side_px}" height="{side_px}" fill="white"/>']
        for a, b, dashed in self.lines:
            (x1, y1), (x2, y2) = at(a), at(b)
            style = ' stroke-dasharray="6 5"' if dashed else ""
            out.append(f'<line x1="{x1}" y1="{y1}" x2="{x2}" y2="{y2}" stroke="black" stroke-width="1.5"{style}/>')
        for centre, radius in self.circles:
            x, y = at(centre)
            out.append(f'<circle cx="{x}" cy="{y}" r="{radius * scale:.2f}" fill="none" stroke="black" stroke-width="1.5"/>')
        for name, p in self.points:
            x, y = at(p)
            out.append(f'<circle cx="{x}" cy="{y}" r="3"/><text x="{float(x) + 6:.2f}" y="{float(y) - 6:.2f}" font-family="sans-serif" font-size="15">{html.escape(name)}</text>')
        return "\n".join([*out, "</svg>"])

    def picture(self, side_px: int = 480) -> Any:
        """The drawing as a Pillow picture."""
        from PIL import Image, ImageDraw

        picture = Image.new("RGB", (side_px, side_px), "white")
        draw = ImageDraw.Draw(picture)
        number = r'"([-\d.]+)"'
        for line in self.svg(side_px).splitlines():
            if m := re.match(rf"<line x1={number} y1={number} x2={number} y2={number}", line):
                (x1, y1, x2, y2), dashed = (float(v) for v in m.groups()), "dasharray" in line
                length = math.hypot(x2 - x1, y2 - y1)
                steps = max(1, int(length / 11)) if dashed else 1
                for i in range(steps):
                    a, b = i / steps, (i + (6 / 11 if dashed else 1)) / steps
                    draw.line([(x1 + (x2 - x1) * a, y1 + (y2 - y1) * a), (x1 + (x2 - x1) * b, y1 + (y2 - y1) * b)], fill="black", width=2)
            elif m := re.match(rf"<circle cx={number} cy={number} r={number} fill=\"none\"", line):
                x, y, r = (float(v) for v in m.groups())
                draw.ellipse([x - r, y - r, x + r, y + r], outline="black", width=2)
            elif m := re.match(rf"<circle cx={number} cy={number} r=\"3\"/><text[^>]*>(.*)</text>", line):
                x, y = float(m.group(1)), float(m.group(2))
                draw.ellipse([x - 3, y - 3, x + 3, y + 3], fill="black")
                draw.text((x + 6, y - 20), html.unescape(m.group(3)), fill="black")
        return picture


def _point(text: Any) -> tuple[float, float] | None:
    if isinstance(text, (tuple, list)) and len(text) == 2 and all(isinstance(v, (int, float)) for v in text):
        x, y = float(text[0]), float(text[1])
    elif match := re.fullmatch(r"\s*" + _POINT + r"\s*", str(text)):
        try:
            x, y = float(match.group(1)), float(match.group(2))
        except ValueError:
            return None
    else:
        return None
    return (x, y) if math.isfinite(x) and math.isfinite(y) and max(abs(x), abs(y)) < 1e9 else None


def parse_geometry(text: str) -> Geometry | None:
    """A dictionary with Line (line: "(x, y) -- (x, y)", line_type: "--" or "-", line_endpoint: "A: (x, y)") and Circle (circle_center, radius), or None."""
    begin, end = text.find("{"), text.rfind("}")
    if begin < 0 or end < begin or end - begin > _MAX_CHARACTERS or "ine" not in text[begin:end]:
        return None
    try:
        found = ast.literal_eval(text[begin : end + 1])  # literals only
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
    if not isinstance(found, dict) or not {"Line", "Circle"} & found.keys():
        return None
    out = Geometry()
    part = found.get("Line")
    line = part if isinstance(part, dict) else {}

    def listed(value: Any) -> list[Any]:
        return list(value) if isinstance(value, (list, tuple)) else [] if value is None else [value]

    types = listed(line.get("line_type"))
    for i, text_of_line in enumerate(listed(line.get("line"))):
        ends = [_point(p) for p in re.split(r"\s--?\s", str(text_of_line))]
        if len(ends) != 2 or None in ends:
            out.problems.append(f"line {i + 1} must be like (x, y) -- (x, y), got '{str(text_of_line)[:60]}'")
            continue
        out.lines.append((ends[0], ends[1], i < len(types) and str(types[i]).strip() == "--"))  # type: ignore[arg-type]
    for i, endpoint in enumerate(listed(line.get("line_endpoint"))):
        name, colon, place = str(endpoint).partition(":")
        point = _point(place)
        if not colon or point is None:
            out.problems.append(f"end point {i + 1} must be like A: (x, y), got '{str(endpoint)[:60]}'")
        else:
            out.points.append((name.strip(), point))
    circle = found.get("Circle") if isinstance(found.get("Circle"), dict) else {}
    centres, radii = listed(circle.get("circle_center")), listed(circle.get("radius"))  # type: ignore[union-attr]
    for i in range(max(len(centres), len(radii))):
        place = str(centres[i]).partition(":")[2] or centres[i] if i < len(centres) else ""
        centre = _point(place)
        try:
            radius = float(radii[i])
        except (IndexError, TypeError, ValueError):
            radius = math.nan
        if centre is None or not 0 < radius < 1e9:
            out.problems.append(f"circle {i + 1} must have a centre (x, y) and a radius")
        else:
            out.circles.append((centre, radius))
    return out if out.lines or out.points or out.circles else None


def smiles_of(text: str) -> str:
    """The SMILES of an output: what stands between <smiles> and </smiles>, or a single word that can be one; else ""."""
    if match := re.search(r"<smiles>(.*?)(?:</smiles>|$)", text, re.DOTALL | re.IGNORECASE):
        return match.group(1).strip()
    word = text.strip()
    atoms = re.findall(r"Cl|Br|[BCNOPSFI]|[bcnops](?![a-z]*[d-mq-z])", word)
    if re.fullmatch(r"[A-Za-z0-9@+\-\[\]()=#$%/\\.:*~]{2,2000}", word) and len(atoms) >= 0.4 * len(word) and not re.fullmatch(r"[A-Z]?[a-z]+\.?", word):
        return word
    return ""


def check_smiles(smiles: str) -> tuple[bool | None, str]:
    """(valid, why not). None where RDKit is not installed: nothing is claimed then."""
    try:
        from rdkit import Chem, RDLogger
    except ImportError:
        return None, "not checked: RDKit is not installed (pip install rdkit)"
    RDLogger.DisableLog("rdApp.*")
    molecule = Chem.MolFromSmiles(smiles)
    return (True, "") if molecule is not None else (False, "RDKit cannot parse it")


def interpret_figure(text: str) -> FigureOutput:
    """The output of the prompt `figure`, told apart by what it holds."""
    tables = find_tables(text)
    if tables:
        return FigureOutput("chart", text, tables=tables, problems=[p for table in tables for p in table.problems])
    if (geometry := parse_geometry(text)) is not None:
        return FigureOutput("geometry", text, geometry=geometry, problems=geometry.problems)
    if smiles := smiles_of(text):
        valid, why = check_smiles(smiles)
        return FigureOutput("smiles", smiles, smiles_valid=valid, problems=[f"SMILES {why}"] if why else [])
    return FigureOutput("text", text)
