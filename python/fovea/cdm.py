"""CDM, character detection matching: how alike two formulas look once they are set.

Both are set by TeX with a colour for each visible token, the boxes of the tokens are read from the picture, and tokens are matched by what they are,
where they stand and in which order they come; F1 = 2 matched / (tokens of both). Method: Wang and others 2024 (arXiv 2409.03643), with the numbers of
OmniDocBench 1.5 and 1.6. Tokens are taken apart and coloured by this module, not by KaTeX or the official tokeniser, so values are near the official
ones and not equal to them (see experiments/metrics/README.md).

Needs pdflatex, pdftoppm, and for Chinese xelatex with xeCJK: on Debian `apt-get install texlive-latex-extra texlive-xetex texlive-lang-chinese
texlive-science poppler-utils fonts-noto-cjk`.
"""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fovea import _C

PACKAGES = "texlive-latex-extra texlive-xetex texlive-lang-chinese texlive-science poppler-utils fonts-noto-cjk"

_GAP = 15  # between the levels of a colour; 18 levels a channel
_LEVELS = 255 // _GAP + 1
_MAX_TOKENS = _LEVELS**3 - 2

_FONTS = frozenset(
    "mathbf mathrm mathit mathsf mathtt mathnormal mathcal mathscr mathfrak mathbb boldsymbol bm mathop mathrel mathbin mathord mathopen mathclose mathpunct mathinner "
    "substack ensuremath smash".split()
)
_WORDS = frozenset("text textrm textbf textit textsf texttt textnormal mbox hbox operatorname".split())
_ACCENTS = frozenset(
    "hat bar vec dot ddot dddot tilde check breve acute grave widehat widetilde overline underline overbrace underbrace overrightarrow overleftarrow overleftrightarrow "
    "underrightarrow underleftarrow mathring boxed cancel not".split()
)
_TWO = {"frac": True, "dfrac": True, "tfrac": True, "cfrac": True, "binom": True, "dbinom": True, "tbinom": True, "underset": False, "overset": False, "stackrel": False}
_ARROWS = frozenset("xrightarrow xleftarrow xleftrightarrow xRightarrow xLeftarrow xlongequal".split())
_SIZES = frozenset("big Big bigg Bigg bigl Bigl biggl Biggl bigr Bigr biggr Biggr bigm Bigm biggm Biggm left right middle".split())
_SILENT = frozenset(
    "quad qquad enspace thinspace medspace thickspace negthinspace space nobreakspace displaystyle textstyle scriptstyle scriptscriptstyle limits nolimits bf rm it cal tt sf "
    "hfill centering nonumber notag hline allowbreak relax strut nobreak boldmath unboldmath".split()
)
_DROPPED = {"label": 1, "tag": 1, "hspace": 1, "vspace": 1, "color": 1, "phantom": 1, "hphantom": 1, "vphantom": 1, "cline": 1, "setlength": 2, "arraycolsep": 0, "mathchoice": 0}
_SAME = {
    "le": "leq", "ge": "geq", "ne": "neq", "to": "rightarrow", "gets": "leftarrow", "land": "wedge", "lor": "vee", "lnot": "neg", "lbrace": "{", "rbrace": "}", "lbrack": "[",
    "rbrack": "]", "vert": "|", "mid": "|", "lvert": "|", "rvert": "|", "Vert": "\\|", "lVert": "\\|", "rVert": "\\|", "ldots": "dots", "dotsc": "dots", "dotsb": "cdots",
    "iff": "Longleftrightarrow", "implies": "Longrightarrow", "colon": ":", "lparen": "(", "rparen": ")", "owns": "ni", "dfrac": "frac", "tfrac": "frac", "cfrac": "frac",
    "dbinom": "binom", "tbinom": "binom", "lt": "<", "gt": ">", "leqslant": "leq", "geqslant": "geq", "varnothing": "emptyset", "widehat": "hat", "widetilde": "tilde",
}  # fmt: skip
_SLANTED = {f"var{name}": name for name in "Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega".split()}  # alike for 1.6's tokeniser
_OPERATORS = frozenset("arccos arcsin arctan arg cos cosh cot coth csc deg det dim exp gcd hom inf ker lg lim liminf limsup ln log max min Pr sec sin sinh sup tan tanh".split())
_INNER = {"align": "aligned", "align*": "aligned", "gather": "gathered", "gather*": "gathered", "equation": "", "equation*": "", "split": "aligned", "eqnarray": "aligned",
          "eqnarray*": "aligned", "multline": "gathered", "multline*": "gathered", "flalign": "aligned", "flalign*": "aligned", "alignat": "alignedat", "alignat*": "alignedat",
          "displaymath": "", "math": ""}  # fmt: skip
_WITH_SPEC = frozenset(["array", "tabular", "alignedat"])
_CJK = re.compile(r"[\u2E80-\u9FFF\uF900-\uFAFF\uFF00-\uFFEF]")


def missing_tools(chinese: bool = False) -> list[str]:
    """Programs that are not there."""
    return [name for name in ["pdflatex", "pdftoppm", *(["xelatex"] if chinese else [])] if shutil.which(name) is None]


def require_tools() -> None:
    """Raises ConfigError naming what is missing and what installs it."""
    if missing := missing_tools():
        raise _C.ConfigError(f"[cdm] CDM sets formulas with TeX; not found: {', '.join(missing)}. On Debian: apt-get install {PACKAGES}")


@dataclass
class Coloured:
    """LaTeX with a colour before each visible token, and the tokens."""

    latex: str = ""
    tokens: list[str] = field(default_factory=list)


class _Tokens:
    """Walks a formula once. What it does not know it takes for a symbol."""

    def __init__(self, source: str) -> None:
        self.source, self.at, self.tokens = source, 0, []

    def run(self) -> Coloured:
        out = self.until(None)
        return Coloured(out, self.tokens)

    def colour(self, token: str) -> str:
        self.tokens.append(_SAME.get(token.lstrip("\\") if len(token) > 1 else token, token.lstrip("\\") if token[1:].isalpha() else token))
        number = min(len(self.tokens), _MAX_TOKENS)
        red, rest = divmod(number, _LEVELS * _LEVELS)
        green, blue = divmod(rest, _LEVELS)
        return f"\\color[RGB]{{{red * _GAP},{green * _GAP},{blue * _GAP}}}"

    def peek(self) -> str:
        return self.source[self.at] if self.at < len(self.source) else ""

    def skip_space(self) -> None:
        while self.peek().isspace():
            self.at += 1

    def command(self) -> str:
        """At a backslash: the command with it."""
        match = re.compile(r"\\([A-Za-z]+\*?|.|$)", re.DOTALL).match(self.source, self.at)
        self.at = match.end()
        return match.group()

    def raw_group(self, opening: str = "{", closing: str = "}") -> str:
        self.skip_space()
        if self.peek() != opening:
            return ""
        depth, begin = 0, self.at
        while self.at < len(self.source):
            c = self.source[self.at]
            self.at += 2 if c == "\\" else 1
            depth += (c == opening) - (c == closing)
            if depth == 0:
                return self.source[begin + 1 : self.at - 1]
        return self.source[begin + 1 :]

    def inside(self, text: str) -> str:
        inner = _Tokens(text)
        inner.tokens = self.tokens
        return inner.until(None)

    def argument(self) -> str:
        """The next group or token, coloured, in braces."""
        self.skip_space()
        if self.peek() == "{":
            return "{" + self.inside(self.raw_group()) + "}"
        if not self.peek():
            return "{}"
        return "{" + self.one() + "}"

    def until(self, closing: str | None) -> str:
        out = []
        while self.at < len(self.source):
            out.append(self.one())
        return " ".join(part for part in out if part)

    def words(self, text: str) -> str:
        out, at = [], 0
        while at < len(text):
            c = text[at]
            if c == "$":
                end = text.find("$", at + 1)
                end = len(text) if end < 0 else end
                out.append("$" + self.inside(text[at + 1 : end]) + "$")
                at = end + 1
            elif c == "\\":
                command = re.compile(r"\\([A-Za-z]+|.|$)", re.DOTALL).match(text, at)
                at = command.end()
                out.append((self.colour(command.group()) if command.group()[1:] in ("%", "#", "&", "_", "{", "}", "$") else "") + command.group() + " ")
            elif c in "{}" or c.isspace():
                out.append(c)
                at += 1
            elif c in "^_#%&~":
                out.append("~" if c == "~" else self.colour(c) + ("\\textasciicircum{}" if c == "^" else "\\" + c))
                at += 1
            else:
                out.append(self.colour(c) + ("{" + c + "}"))
                at += 1
        return "".join(out)

    def delimiter(self) -> str:
        self.skip_space()
        return self.command() if self.peek() == "\\" else self.take()

    def take(self) -> str:
        c = self.peek()
        self.at += 1
        return c

    def script(self, mark: str) -> str:
        return mark + self.argument()

    def primes(self) -> str:
        count = 0
        while self.peek() == "'":
            count, self.at = count + 1, self.at + 1
        inner = " ".join(self.colour("prime") + "\\prime" for _ in range(count))
        self.skip_space()
        if self.peek() == "^":
            self.at += 1
            inner += self.argument()
        return "^{" + inner + "}"

    def one(self) -> str:
        c = self.peek()
        if c.isspace() or c in "$\x00":
            self.at += 1
            return ""
        if c == "\\":
            return self.of_command(self.command())
        if c == "{":
            return "{" + self.inside(self.raw_group()) + "}"
        if c == "}":
            self.at += 1
            return ""
        if c in "^_":
            self.at += 1
            return self.script(c)
        if c == "'":
            return self.primes()
        self.at += 1
        if c in "&~":
            return c
        if c == "%":
            return self.colour("%") + "\\%"
        if c == "#":
            return self.colour("#") + "\\#"
        if _CJK.match(c):
            return "\\text{" + self.colour(c) + c + "}"
        return self.colour(c) + c

    def of_command(self, command: str) -> str:
        name = command[1:].rstrip("*")
        if name == "\\":
            self.skip_space()
            if self.peek() == "[":
                self.raw_group("[", "]")
            return "\\\\"
        if not name or name in " ,;:!>/\n":
            return command if name else ""
        if name in "%#&_{}$|":
            return self.colour(command) + command
        if name in "()[]":  # marks of formulas inside formulas
            return ""
        if name in _SILENT:
            return command + " "
        if name in _DROPPED:
            for _ in range(_DROPPED[name]):
                self.raw_group()
            return ""
        if name == "textcolor":
            self.raw_group()
            return self.argument()
        if name in ("begin", "end"):
            environment = self.raw_group().strip()
            inner = _INNER.get(environment, environment)
            if name == "begin":
                if environment in ("array", "tabular"):
                    self.raw_group("[", "]")
                spec = "{" + self.raw_group() + "}" if inner in _WITH_SPEC else ""
                brace = self.colour(inner) if (inner.endswith("matrix") and inner != "matrix") or inner == "cases" else ""
                return f"{brace}\\begin{{{inner}}}{spec}" if inner else ""
            return f"\\end{{{inner}}}" if inner else ""
        if name in _SIZES:
            delimiter = self.delimiter()
            colour = "" if delimiter in (".", "") else self.colour(delimiter)
            return f"{colour}\\{name} {delimiter or '.'} "
        if name in _WORDS:
            self.skip_space()
            text = self.raw_group() if self.peek() == "{" else self.take()
            if name == "operatorname":
                return command + "{" + self.inside(text) + "}"
            return command + "{" + self.words(text) + "}"
        if name in _FONTS:
            return command + self.argument()
        if name in _ACCENTS:
            return self.colour(name) + command + self.argument()
        if name in _TWO:
            colour = self.colour(name) if _TWO[name] else ""
            return colour + command + self.argument() + self.argument()
        if name == "sqrt" or name in _ARROWS:
            colour = self.colour(name)
            self.skip_space()
            option = "[{" + self.inside(self.raw_group("[", "]")) + "}]" if self.peek() == "[" else ""
            return colour + command + option + self.argument()
        return self.colour(command) + command + " "


def coloured(formula: str) -> Coloured:
    """A formula without its marks, a colour before each visible token."""
    text = re.sub(r"\\(tag\*?|label)\s*\{[^{}]*\}", "", formula).strip()
    for left, right in (("$$", "$$"), (r"\[", r"\]"), (r"\(", r"\)"), ("$", "$")) * 2:
        if text.startswith(left) and text.endswith(right) and len(text) >= len(left) + len(right):
            text = text[len(left) : len(text) - len(right)].strip()
    for name in sorted(_OPERATORS):  # letters set apart by a reader that is fond of blanks: \operatorname{l i m}
        text = re.sub(r"\\operatorname\*?\s*\{\s*" + r"\s*".join(name) + r"\s*\}", lambda _, n=name: f"\\{n} ", text)
    return _Tokens(text).run()


_PAGE = r"""\documentclass[12pt]{article}
\usepackage[a%dpaper,landscape,scale=0.98]{geometry}
\pagestyle{empty}
\usepackage{amsmath,amssymb,upgreek,booktabs,multirow,cancel}
\usepackage{xcolor}
%s\begin{document}
\begin{displaymath}
%s
\end{displaymath}
\end{document}
"""


@dataclass
class Setting:
    """What was seen of a formula: tokens that left ink, their boxes (x0, y0, x1, y1), size of the picture. Pixels at 200 dpi."""

    tokens: list[str]
    boxes: np.ndarray
    width: int = 1
    height: int = 1


def render(formula: str, timeout_s: float = 60) -> Setting:
    """Sets a formula. One that TeX cannot set has no tokens."""
    parsed = coloured(formula)
    nothing = Setting([], np.zeros((0, 4)))
    if not parsed.tokens:
        return nothing
    chinese = bool(_CJK.search(formula))
    if chinese and shutil.which("xelatex") is None:
        raise _C.ConfigError(f"[cdm] formulas with Chinese need xelatex. On Debian: apt-get install {PACKAGES}")
    extra = "\\usepackage{xeCJK}\n\\setCJKmainfont{Noto Sans CJK SC}\n" if chinese else ""
    with tempfile.TemporaryDirectory(prefix="fovea-cdm-") as folder:
        pdf = Path(folder) / "f.pdf"
        for paper in (5, 3, 1):
            (Path(folder) / "f.tex").write_text(_PAGE % (paper, extra, parsed.latex), encoding="utf-8")
            pdf.unlink(missing_ok=True)
            try:
                subprocess.run(
                    ["xelatex" if chinese else "pdflatex", "-interaction=nonstopmode", "-no-shell-escape", "f.tex"], cwd=folder, capture_output=True, timeout=timeout_s, check=False
                )
            except subprocess.TimeoutExpired:
                return nothing
            log = Path(folder) / "f.log"
            said = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
            pages = re.search(r"Output written on .*?\((\d+) page", said)
            if not pdf.exists():
                return nothing
            if not re.search(r"Overfull \\[hv]box", said) and (pages is None or pages.group(1) == "1"):
                break
        subprocess.run(["pdftoppm", "-r", "200", "-aa", "no", "-aaVector", "no", "-f", "1", "-l", "1", str(pdf), "f"], cwd=folder, capture_output=True, timeout=timeout_s, check=False)
        pictures = sorted(Path(folder).glob("f*.ppm"))
        if not pictures:
            return nothing
        from PIL import Image

        with Image.open(pictures[0]) as image:
            pixels = np.asarray(image.convert("RGB")).astype(np.int32)
    return _boxes(pixels, parsed.tokens)


def _boxes(pixels: np.ndarray, tokens: Sequence[str]) -> Setting:
    ink = (pixels != 255).any(axis=2)
    ys, xs = np.nonzero(ink)
    if len(ys) == 0:
        return Setting([], np.zeros((0, 4)))
    levels = (pixels[ys, xs] + _GAP // 2) // _GAP
    number = levels[:, 0] * _LEVELS * _LEVELS + levels[:, 1] * _LEVELS + levels[:, 2]
    kept_tokens, kept_boxes = [], []
    x0, y0 = xs.min() - 8, ys.min() - 8
    order = np.argsort(number, kind="stable")
    starts = np.searchsorted(number[order], np.arange(1, len(tokens) + 2))
    for i, token in enumerate(tokens):
        chosen = order[starts[i] : starts[i + 1]]
        if len(chosen) == 0:
            continue
        kept_tokens.append(token)
        kept_boxes.append([xs[chosen].min() - 1 - x0, ys[chosen].min() - 1 - y0, xs[chosen].max() + 1 - x0, ys[chosen].max() + 1 - y0])
    return Setting(kept_tokens, np.asarray(kept_boxes, dtype=float).reshape(-1, 4), int(xs.max() - x0 + 8), int(ys.max() - y0 + 8))


@dataclass(frozen=True)
class _Rules:
    rounds: int
    least: int
    residual_px: float
    trials: int
    seed: int


RULES = {"1.5": _Rules(3, 3, 25, 50, 42), "1.6": _Rules(5, 2, 30, 500, 2026)}


def _consistent(source: np.ndarray, target: np.ndarray, rules: _Rules, chance: random.Random) -> np.ndarray:
    """The pairs that one shift and scale explains within the residual, of the trial that explains most."""
    n = len(source)
    if n <= rules.least:
        return np.ones(n, dtype=bool)
    best = np.zeros(n, dtype=bool)
    for _ in range(rules.trials):
        chosen = chance.sample(range(n), rules.least)
        a, b = source[chosen], target[chosen]
        centre_a, centre_b = a.mean(axis=0), b.mean(axis=0)
        spread = ((a - centre_a) ** 2).sum()
        scale = float(((a - centre_a) * (b - centre_b)).sum() / spread) if spread > 0 else 1.0
        inside = np.hypot(*((source - centre_a) * scale + centre_b - target).T) < rules.residual_px
        if inside.sum() > best.sum():
            best = inside
            if best.all():
                break
    return best


def match(truth: Setting, read: Setting, version: str = "1.6") -> dict[str, float]:
    """Recall, precision and F1 of the tokens of two settings."""
    n, m = len(truth.tokens), len(read.tokens)
    if n == 0 or m == 0:
        return {"recall": 0.0, "precision": 0.0, "f1": 0.0}
    rules = RULES["1.6" if version == "1.6" else "1.5"]
    size = np.array([truth.width, truth.height] * 2, dtype=float)
    size_read = np.array([read.width, read.height] * 2, dtype=float)
    alike = _SLANTED if version == "1.6" else {}
    seen, meant = ([alike.get(token, token) for token in setting.tokens] for setting in (read, truth))
    unequal = np.array([[a != b for b in seen] for a in meant], dtype=float)
    place = np.abs((truth.boxes / size)[:, None] - (read.boxes / size_read)[None]).sum(axis=2) / 4
    order = np.abs(np.arange(n)[:, None] / n - np.arange(m)[None] / m)
    pairs = [(i, j) for i, j in _C.assign((unequal + 0.05 * place + 0.15 * order).tolist())]
    rows, columns = np.array([p[0] for p in pairs]), np.array([p[1] for p in pairs])
    centre = lambda boxes: (boxes[:, :2] + boxes[:, 2:]) / 2  # noqa: E731
    source, target = centre(truth.boxes)[rows], centre(read.boxes)[columns]
    accepted = np.zeros(len(pairs), dtype=bool)
    chance = random.Random(rules.seed)
    for number in range(rules.rounds):
        rest = np.nonzero(~accepted)[0]
        if len(rest) == 0:
            break
        found = _consistent(source[rest], target[rest], rules, chance)
        if not found.any() or (number > 0 and found.sum() <= rules.least):  # as few as that agree on any shift
            break
        accepted[rest[found]] = True
    right = int((accepted & (unequal[rows, columns] == 0)).sum())
    return {"recall": right / n, "precision": right / m, "f1": 2 * right / (n + m)}


def scores(pairs: Sequence[tuple[str, str]], version: str = "1.6", threads: int = 0, progress: Callable[[int, int], None] | None = None) -> list[float]:
    """CDM of (truth, reading) pairs, to three decimals. Equal formulas are set once."""
    require_tools()
    formulas = list(dict.fromkeys(text for pair in pairs for text in pair if text.strip()))
    settings: dict[str, Setting] = {}
    with ThreadPoolExecutor(max_workers=threads or os.cpu_count() or 1) as pool:
        for done, (formula, setting) in enumerate(zip(formulas, pool.map(render, formulas), strict=True), 1):
            settings[formula] = setting
            if progress:
                progress(done, len(formulas))
    nothing = Setting([], np.zeros((0, 4)))
    return [round(match(settings.get(truth, nothing), settings.get(read, nothing), version)["f1"], 3) for truth, read in pairs]


def _labels(attributes: dict[str, Any]) -> list[str]:
    out = ["ALL"]
    for name, value in attributes.items():
        out += [str(v) for v in value if "table" not in str(v)] if isinstance(value, list) else [f"{name}: {value}"]
    return out


def add_to_report(report: dict[str, Any], pages: dict[str, dict[str, Any]], formula_pages: Sequence[str], progress: Callable[[int, int], None] | None = None, threads: int = 0) -> None:
    """Puts CDM into a result of score_omnidocbench that holds its matches (save_matches), and the overall score of 1.5 and 1.6. pages: page_attribute of each image.
    formula_pages: those with a display formula; 1.6 counts them as 0 where none was paired."""
    version = report["version"]
    samples = report["matches"]["display_formula"]
    values = scores([(s["gt"], s["pred"]) for s in samples], version, threads, progress)
    by_page: dict[str, list[float]] = {}
    by_label: dict[str, list[float]] = {}
    for sample, value in zip(samples, values, strict=True):
        sample["metric"]["CDM"] = value
        by_page.setdefault(sample["img_id"], []).append(value)
        for label in sorted({f"{k}: {v}" for attribute in sample["gt_attribute"] for k, v in attribute.items()}):
            by_label.setdefault(label, []).append(value)
    if version == "1.6":
        for page in formula_pages:
            by_page.setdefault(page, [0.0])
    element = report["display_formula"]
    element["all"]["CDM"] = {"all": sum(values) / len(values) if values else "NaN"}
    means: dict[str, list[float]] = {}
    for page in sorted(by_page):
        for label in _labels(pages.get(page, {})):
            means.setdefault(label, []).append(sum(by_page[page]) / len(by_page[page]))
    if means:
        element["page"]["CDM"] = {label: sum(v) / len(v) for label, v in sorted(means.items())}
    if by_label:
        element["group"]["CDM"] = {label: sum(v) / len(v) for label, v in sorted(by_label.items())}
    report["cdm"] = {"tokeniser": "fovea", "formulas": len(values), "not_set": sum(v == 0 for v in values), "sha256": hashlib.sha256(Path(__file__).read_bytes()).hexdigest()}
    overall = report["overall"]
    cdm = element["page"].get("CDM", {}).get("ALL")
    if "overall" not in overall or "EN" in overall:
        return
    overall["display_formula_CDM"] = cdm
    text, teds = overall["text_block_Edit_dist"], overall["table_TEDS"]
    if None in (cdm, text, teds):
        overall["why_null"] = "one of the three elements does not occur"
        return
    if version == "1.5":  # the notebook rounds first
        text, cdm, teds = round(text, 3), round(cdm * 100, 3) / 100, round(teds * 100, 3) / 100
    overall["overall"] = ((1 - text) * 100 + cdm * 100 + teds * 100) / 3
    overall.pop("why_null", None)
