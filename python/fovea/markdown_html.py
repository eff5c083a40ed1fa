"""A reader's Markdown as HTML that can hold nothing harmful: every text is escaped, tables are written anew, links lead to http, https or the picture itself."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

from fovea.html_tables import Table, find_tables

_KEPT = re.compile("\ue000(\\d+)\ue001")  # private use: stands for HTML that is done


class _Kept:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def keep(self, part: str) -> str:
        self.parts.append(part)
        return f"\ue000{len(self.parts) - 1}\ue001"

    def back(self, text: str) -> str:
        while _KEPT.search(text):
            text = _KEPT.sub(lambda m: self.parts[int(m.group(1))], text)
        return text


def _inline(text: str, kept: _Kept, image: Callable[[str], str]) -> str:
    text = re.sub(r"(`+)(.+?)\1", lambda m: kept.keep(f"<code>{html.escape(m.group(2).strip())}</code>"), text)
    text = re.sub(r"\\\((.+?)\\\)", lambda m: kept.keep(f'<span class="math">\\({html.escape(m.group(1))}\\)</span>'), text)
    text = re.sub(r"!\[([^\]]*)\]\(([^)\s]*)\)", lambda m: kept.keep(f'<img alt="{html.escape(m.group(1))}" src="{html.escape(image(m.group(2)))}">'), text)

    def link(m: re.Match[str]) -> str:
        if not re.match(r"https?://", m.group(2)):
            return m.group(1)
        return kept.keep(f'<a href="{html.escape(m.group(2))}" rel="noreferrer">{html.escape(m.group(1))}</a>')

    text = re.sub(r"\[([^\]]+)\]\(([^)\s]+)\)", link, text)
    text = re.sub(r"<center>(.*?)</center>", lambda m: kept.keep('<span class="center">') + m.group(1) + kept.keep("</span>"), text)
    text = re.sub(r"<(sup|sub|u|b|i)>(.*?)</\1>", lambda m: kept.keep(f"<{m.group(1)}>") + m.group(2) + kept.keep(f"</{m.group(1)}>"), text)
    text = html.escape(text, quote=False)
    text = re.sub(r"\*\*(?=\S)(.+?)(?<=\S)\*\*", r"<strong>\1</strong>", text)
    return re.sub(r"(?<![\w*])\*(?=\S)([^*]+?)(?<=\S)\*(?![\w*])", r"<em>\1</em>", text)


def _pipe_table(lines: list[str], kept: _Kept, image: Callable[[str], str]) -> str:
    def cells(line: str) -> list[str]:
        return [c.strip() for c in re.split(r"(?<!\\)\|", line.strip().strip("|"))]

    rows = ["".join(f"<th>{_inline(c, kept, image)}</th>" for c in cells(lines[0]))]
    rows += ["".join(f"<td>{_inline(c, kept, image)}</td>" for c in cells(line)) for line in lines[2:]]
    return "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"


def markdown_to_html(text: str, image: Callable[[str], str] = lambda name: name, tables: list[Table] | None = None) -> str:
    """Headings, paragraphs, lists, quotes, code, formulas (kept between \\( \\) and \\[ \\]), pipe and HTML tables, emphasis, pictures.

    image   (link) -> what the picture's src becomes
    tables  of find_tables, where the caller has them already
    """
    text = re.sub("[\ue000\ue001]", "\ufffd", text)
    kept = _Kept()
    at, parts = 0, []
    for table in find_tables(text) if tables is None else tables:
        parts += [text[at : table.begin], "\n\n", kept.keep(table.html()), "\n\n"]
        at = table.end
    text = "".join([*parts, text[at:]])
    text = re.sub(r"\\\[(.+?)\\\]", lambda m: "\n\n" + kept.keep(f'<div class="math">\\[{html.escape(m.group(1))}\\]</div>') + "\n\n", text, flags=re.DOTALL)
    out: list[str] = []
    lines, i = text.split("\n"), 0
    while i < len(lines):
        line = lines[i]
        if not line.strip():
            i += 1
        elif fence := re.match(r"\s*(```+|~~~+)", line):
            end = next((k for k in range(i + 1, len(lines)) if lines[k].strip().startswith(fence.group(1))), len(lines))
            out.append(f"<pre><code>{html.escape(chr(10).join(lines[i + 1 : end]))}</code></pre>")
            i = end + 1
        elif heading := re.match(r"(#{1,6})\s+(.*?)\s*#*\s*$", line):
            level = len(heading.group(1))
            out.append(f"<h{level}>{_inline(heading.group(2), kept, image)}</h{level}>")
            i += 1
        elif re.fullmatch(r"\s*(-{3,}|\*{3,}|_{3,})\s*", line):
            out.append("<hr>")
            i += 1
        elif _KEPT.fullmatch(line.strip()):
            out.append(line.strip())
            i += 1
        elif "|" in line and i + 1 < len(lines) and re.fullmatch(r"\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*", lines[i + 1]) and "-" in lines[i + 1]:
            end = i + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            out.append(_pipe_table(lines[i:end], kept, image))
            i = end
        elif item := re.match(r"\s*([-*+•]|\d{1,9}[.)])\s+", line):
            tag = "ol" if item.group(1)[0].isdigit() else "ul"
            items: list[str] = []
            while i < len(lines) and lines[i].strip():
                m = re.match(r"\s*([-*+•]|\d{1,9}[.)])\s+(.*)", lines[i])
                if m and (m.group(1)[0].isdigit()) == (tag == "ol"):
                    items.append(m.group(2))
                elif m:
                    break
                else:
                    items[-1] += "\n" + lines[i].strip()
                i += 1
            start = f' start="{int(item.group(1)[:-1])}"' if tag == "ol" and item.group(1)[:-1] != "1" else ""
            out.append(f"<{tag}{start}>" + "".join(f"<li>{_inline(t, kept, image)}</li>" for t in items) + f"</{tag}>")
        elif line.lstrip().startswith(">"):
            quoted: list[str] = []
            while i < len(lines) and lines[i].lstrip().startswith(">"):
                quoted.append(lines[i].lstrip()[1:].strip())
                i += 1
            out.append(f"<blockquote><p>{_inline(chr(10).join(quoted), kept, image)}</p></blockquote>")
        else:
            end = i + 1
            while end < len(lines) and lines[end].strip() and not re.match(r"#{1,6}\s|\s*(```|~~~)|\s*([-*+•]|\d{1,9}[.)])\s|\s*>", lines[end]):
                end += 1
            paragraph = _inline("\n".join(x.strip() for x in lines[i:end]), kept, image).replace("\n", "<br>\n")
            out.append(f"<p>{paragraph}</p>")
            i = end
    return kept.back("\n".join(out))
