"""Tables that a reader wrote as HTML: parsed, checked, and written again as HTML that holds nothing but the table."""

from __future__ import annotations

import html
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

_TABLE = re.compile(r"<table\b[^>]*>", re.IGNORECASE)
_LOOSE = re.compile(r"<t[rdh]\b[^>]*>", re.IGNORECASE)
_MAX_SPAN = 1000  # what browsers allow for columns; readers that loop write larger ones
_MAX_CELLS = 1_000_000


@dataclass
class Cell:
    text: str
    header: bool = False
    rowspan: int = 1
    colspan: int = 1


@dataclass
class Table:
    """rows holds the cells as written; grid what stands at each place once spans are laid out (None: nothing)."""

    rows: list[list[Cell]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    begin: int = 0  # characters of the text
    end: int = 0

    @property
    def grid(self) -> list[list[str | None]]:
        return self._lay_out()[0]

    def _lay_out(self) -> tuple[list[list[str | None]], list[str]]:
        taken: dict[tuple[int, int], str] = {}
        problems: list[str] = []
        for y, row in enumerate(self.rows):
            x = 0
            for cell in row:
                while (y, x) in taken:
                    x += 1
                if len(taken) + cell.rowspan * cell.colspan > _MAX_CELLS:
                    return [], [*problems, f"more than {_MAX_CELLS} cells"]
                for dy in range(min(cell.rowspan, len(self.rows) - y)):
                    for dx in range(cell.colspan):
                        if (y + dy, x + dx) in taken:
                            problems.append(f"two cells at row {y + dy + 1}, column {x + dx + 1}")
                        taken[y + dy, x + dx] = cell.text
                if y + cell.rowspan > len(self.rows):
                    problems.append(f"a cell of row {y + 1} reaches beyond the last row")
                x += cell.colspan
        height, width = len(self.rows), max((x for _, x in taken), default=-1) + 1
        grid = [[taken.get((y, x)) for x in range(width)] for y in range(height)]
        short = [y + 1 for y, row in enumerate(grid) if None in row]
        if short:
            problems.append(f"rows of different length: row {', '.join(map(str, short[:5]))}{' and more' if len(short) > 5 else ''} of {height} with less than {width} columns")
        return grid, problems

    @property
    def num_rows(self) -> int:
        return len(self.rows)

    @property
    def num_columns(self) -> int:
        return max((len(row) for row in self.grid), default=0)

    def html(self) -> str:
        """The table alone: every text escaped, no attribute but spans."""
        out = ["<table>"]
        for row in self.rows:
            out.append("<tr>")
            for cell in row:
                tag = "th" if cell.header else "td"
                spans = "".join(f' {name}="{n}"' for name, n in (("rowspan", cell.rowspan), ("colspan", cell.colspan)) if n > 1)
                out.append(f"<{tag}{spans}>{html.escape(cell.text)}</{tag}>")
            out.append("</tr>")
        return "".join([*out, "</table>"])


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.table = Table()
        self.row: list[Cell] | None = None
        self.cell: Cell | None = None
        self.depth = 0
        self.done = False

    def problem(self, what: str) -> None:
        if len(self.table.problems) < 100:
            self.table.problems.append(f"line {self.getpos()[0]}: {what}")

    def _span(self, attributes: list[tuple[str, str | None]], name: str) -> int:
        for key, value in attributes:
            if key == name:
                if value and value.strip().isdecimal() and 1 <= int(value) <= _MAX_SPAN:
                    return int(value)
                self.problem(f"{name} must be 1 to {_MAX_SPAN}, got '{value}'")
        return 1

    def close_cell(self) -> None:
        if self.cell is not None:
            self.cell.text = " ".join(self.cell.text.split())
            self.cell = None

    def close_row(self) -> None:
        self.close_cell()
        self.row = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "table":
            self.depth += 1
            if self.depth > 1:
                self.problem("a table inside a table: its cells are taken as the outer one's")
        elif tag == "tr":
            if self.row is not None and self.cell is not None:
                self.problem("a row begins inside a cell")
            self.close_row()
            self.row = []
            self.table.rows.append(self.row)
        elif tag in ("td", "th"):
            if self.cell is not None:
                self.problem("a cell begins inside a cell")
            self.close_cell()
            if self.row is None:
                self.problem("a cell outside a row")
                self.row = []
                self.table.rows.append(self.row)
            self.cell = Cell("", tag == "th", self._span(attrs, "rowspan"), self._span(attrs, "colspan"))
            self.row.append(self.cell)
        elif tag == "br" and self.cell is not None:
            self.cell.text += " "
        elif tag in ("script", "style", "iframe", "object"):
            self.problem(f"<{tag}> in a table is left out")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table":
            self.depth -= 1
            if self.depth <= 0:
                self.done = True
        elif tag == "tr":
            if self.row is None:
                self.problem("a row ends that did not begin")
            self.close_row()
        elif tag in ("td", "th"):
            if self.cell is None:
                self.problem("a cell ends that did not begin")
            self.close_cell()

    def handle_data(self, data: str) -> None:
        if self.cell is not None:
            self.cell.text += data
        elif data.strip() and self.depth > 0:
            self.problem(f"text outside the cells: '{data.strip()[:40]}'")


def parse_table(text: str) -> Table:
    """One table; whatever is wrong with it is in `problems`."""
    reader = _Reader()
    reader.feed(text)
    reader.close()
    reader.close_row()
    table = reader.table
    if not reader.done and _TABLE.search(text):
        table.problems.append("the table is not closed")
    if not table.rows:
        table.problems.append("a table without rows")
    table.problems += table._lay_out()[1]
    return table


def find_tables(text: str) -> list[Table]:
    """Every <table> of a text with its place; rows and cells outside a table are a table of their own, named as a problem."""
    out: list[Table] = []
    at = 0
    while match := _TABLE.search(text, at):
        depth, end = 1, len(text)
        for tag in re.finditer(r"<(/?)table\b[^>]*>", text[match.end() :], re.IGNORECASE):
            depth += -1 if tag.group(1) else 1
            if depth == 0:
                end = match.end() + tag.end()
                break
        out += _loose_tables(text, at, match.start())
        table = parse_table(text[match.start() : end])
        table.begin, table.end = match.start(), end
        out.append(table)
        at = end
    return out + _loose_tables(text, at, len(text))


def _loose_tables(text: str, begin: int, end: int) -> list[Table]:
    match = _LOOSE.search(text, begin, end)
    if not match:
        return []
    last = max((m.end() for m in re.finditer(r"</t[rdh]>", text[match.start() : end], re.IGNORECASE)), default=None)
    stop = match.start() + last if last is not None else end
    table = parse_table(text[match.start() : stop])
    table.problems.insert(0, "cells without a table around them")
    table.begin, table.end = match.start(), stop
    return [table]
