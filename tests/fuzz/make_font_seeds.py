"""Small fonts of every kind as seeds of the font fuzzer: python tests/fuzz/make_font_seeds.py FOLDER (needs fonttools)."""

from __future__ import annotations

import gzip
import subprocess
import sys
from pathlib import Path

from fontTools import subset
from fontTools.ttLib import TTFont

TEXT = "Ag 1fié\u0416\u0633\u0644\u0627\u0645\u0915\u094d\u0937\u0e01\u0e34\u6c49\u263a\U0001f600\U0001f30d"
FAMILIES = ("DejaVu Sans", "Liberation Serif", "Noto Sans Devanagari", "Noto Sans Thai", "Noto Naskh Arabic", "Noto Color Emoji", "Inter")
X11 = Path("/usr/share/fonts/X11/misc")


def file_of(family: str) -> Path | None:
    out = subprocess.run(["fc-match", "-f", "%{family}\n%{file}", family], capture_output=True, text=True, check=True).stdout
    name, path = out.split("\n")
    return Path(path) if family in name.split(",") else None


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for family in FAMILIES:
        path = file_of(family)
        if path is None or path.suffix == ".ttc":
            continue
        options = subset.Options(notdef_outline=True, hinting=True, layout_features=["*"], glyph_names=False)
        font = TTFont(path)
        subsetter = subset.Subsetter(options)
        subsetter.populate(text=TEXT)
        subsetter.subset(font)
        stem = family.replace(" ", "_")
        font.save(folder / f"{stem}{path.suffix}")
        if family in ("DejaVu Sans", "Noto Sans Thai"):
            font.flavor = "woff"
            font.save(folder / f"{stem}.woff")
    for name in ("5x8-ISO8859-1", "4x6-ISO8859-1", "clR6x8"):
        packed = X11 / f"{name}.pcf.gz"
        if packed.exists():
            (folder / f"{name}.pcf.gz").write_bytes(packed.read_bytes())
            (folder / f"{name}.pcf").write_bytes(gzip.decompress(packed.read_bytes()))
    rows = "40\nA0\nE0\nA0\nA0\n00\n"
    glyphs = "".join(
        f"STARTCHAR c{c}\nENCODING {c}\nSWIDTH 666 0\nDWIDTH 4 0\nBBX 4 6 0 -1\nBITMAP\n{rows}ENDCHAR\n" for c in (0, 32, 65, 103)
    )
    (folder / "tiny.bdf").write_text(
        "STARTFONT 2.1\nFONT -seed-tiny-medium-r-normal--6-60-72-72-c-40-iso10646-1\nSIZE 6 72 72\nFONTBOUNDINGBOX 4 6 0 -1\n"
        "STARTPROPERTIES 5\nPIXEL_SIZE 6\nFONT_ASCENT 5\nFONT_DESCENT 1\nCHARSET_REGISTRY \"ISO10646\"\nCHARSET_ENCODING \"1\"\n"
        f"ENDPROPERTIES\nCHARS 4\n{glyphs}ENDFONT\n"
    )


if __name__ == "__main__":
    main()
