"""Documents in, Markdown, JSON and HTML out: images, folders of them and PDF, page by page, through our reader or any other.

    for page in fovea.read_stream("scan.pdf", mode="gundam", prompt="markdown"): print(page.text)
    fovea.read("scan.pdf", prompt="markdown", out="out", formats="md,json,html")
"""

from __future__ import annotations

import base64
import html
import io
import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fovea import _C, api
from fovea.boxes import draw_boxes
from fovea.figure_outputs import interpret_figure
from fovea.html_tables import find_tables
from fovea.markdown_html import markdown_to_html
from fovea.pdf import DEFAULT_DPI, PdfFile, parse_pages

PAGE_SPLIT = "\n<--- Page Split --->\n"  # as the published PDF script joins pages
FORMATS = ("md", "json", "html")
_PICTURES = {".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"}
PageReader = Callable[[list[dict[str, Any]]], list[dict[str, Any]]]


@dataclass
class PageReading:
    """One page that was read, or why it could not be."""

    file: str
    page: int  # from 1
    text: str = ""  # Markdown
    output: str = ""  # as the reader wrote it
    facts: dict[str, Any] = field(default_factory=dict)  # mode, counts, stop_reason, mean_probability, seconds, attempts
    items: list[dict[str, Any]] = field(default_factory=list)  # label, boxes_px, text
    tables: list[dict[str, Any]] = field(default_factory=list)  # rows, columns, problems
    figure: dict[str, Any] | None = None  # of the prompt `figure`: kind and what it holds
    files: list[str] = field(default_factory=list)  # written beside, within the output folder
    problems: list[str] = field(default_factory=list)  # what was malformed in the output, and where
    error: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """As the JSON has it."""
        if self.error is not None:
            return {"page": self.page, "error": self.error}
        out: dict[str, Any] = {"page": self.page, "text": self.text, **self.facts, "items": self.items, "tables": self.tables}
        if self.figure is not None:
            out["figure"] = self.figure
        return {**out, "files": self.files, "problems": self.problems, "output": self.output}

    @staticmethod
    def from_dict(file: str, record: dict[str, Any]) -> PageReading:
        known = {"page", "text", "items", "tables", "figure", "files", "problems", "output", "error"}
        facts = {k: v for k, v in record.items() if k not in known}
        return PageReading(file=file, facts=facts, **{k: v for k, v in record.items() if k in known})


@dataclass
class Document:
    """All pages of one file that were asked for."""

    file: str
    pages: list[PageReading] = field(default_factory=list)
    error: str | None = None  # the file could not be opened at all
    written: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Markdown of the pages that were read."""
        return PAGE_SPLIT.join(page.text for page in self.pages if page.error is None)

    @property
    def errors(self) -> list[str]:
        return ([self.error] if self.error else []) + [page.error for page in self.pages if page.error]

    def html(self, folder: Path | None = None) -> str:
        """One file of HTML; pictures that were written into `folder` are held in it."""

        def embedded(name: str) -> str:
            path = folder / name if folder is not None else None
            if path is None or not path.is_file() or folder.resolve() not in path.resolve().parents:
                return ""
            return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()

        title = html.escape(Path(self.file).name)
        parts = [_HTML_HEAD.replace("TITLE", title)]
        for page in self.pages:
            parts.append(f'<section><p class="page">{title}, page {page.page}</p>')
            if page.error is not None:
                parts.append(f'<p class="error">{html.escape(page.error)}</p></section>')
                continue
            if page.figure is not None and page.figure.get("html"):
                parts.append(page.figure["html"])
            else:
                parts.append(markdown_to_html(page.text, embedded))
            if boxes := [name for name in page.files if "_boxes/" in name]:
                parts.append(f'<details><summary>Boxes</summary><img alt="page with boxes" src="{embedded(boxes[0])}"></details>')
            f = page.facts
            counts = [f"{f['num_vision_tokens']} vision tokens" if f.get("num_vision_tokens") else "", f"mode {f['mode']}" if f.get("mode") else "",
                      f"stopped: {f['stop_reason']}" if f.get("stop_reason") else ""]
            parts.append(f'<p class="facts">{html.escape(", ".join(c for c in counts if c))}</p>')
            if page.problems:
                parts.append('<ul class="problems">' + "".join(f"<li>{html.escape(p)}</li>" for p in page.problems) + "</ul>")
            parts.append("</section>")
        return "\n".join([*parts, "</main></body></html>\n"])


_HTML_HEAD = """<!DOCTYPE html>
<html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>TITLE</title><style>
:root { color-scheme: light dark; }
body { font: 16px/1.55 serif; margin: 0; } main { max-width: 46rem; margin: auto; padding: 1rem; }
section { border-bottom: 1px solid #8886; padding-bottom: 1rem; overflow-x: auto; }
img { max-width: 100%; height: auto; } table { border-collapse: collapse; font-size: .9em; margin: 1em 0; }
td, th { border: 1px solid #8888; padding: .25em .5em; text-align: left; vertical-align: top; }
pre { overflow-x: auto; background: #8881; padding: .6em; } .center { display: block; text-align: center; }
.page, .facts { font: 13px sans-serif; opacity: .7; } .problems, .error { font: 13px sans-serif; color: #c2410c; }
</style></head><body><main>"""


def _write(path: Path, data: str | bytes) -> None:
    """Under its final name only when whole. Errors: OSError naming the file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with open(temporary, "wb") as file:
            file.write(data.encode() if isinstance(data, str) else data)
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise _C.IoError(f"[read] cannot write {path}: {error.strerror or error}") from None


def _sha256(path: str) -> str:
    import hashlib

    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise _C.IoError(f"[read] cannot read {path}: {error.strerror or error}") from None


def all_files(files: Any) -> list[str]:
    """Folders stand for the pictures and PDFs in them, by name. Errors: ConfigError where there is nothing."""
    names = [files] if isinstance(files, (str, os.PathLike)) else list(files)
    out: list[str] = []
    for name in map(os.fspath, names):
        if not os.path.isdir(name):
            out.append(name)
            continue
        inside = sorted(os.path.join(name, e) for e in os.listdir(name) if Path(e).suffix.lower() in _PICTURES | {".pdf"})
        if not inside:
            raise _C.ConfigError(f"[read] folder {name} has no PNG, JPEG, WebP, TIFF or PDF")
        out += inside
    if not out:
        raise _C.ConfigError("[read] files must name at least one image, PDF or folder")
    return out


def is_pdf(file: str) -> bool:
    """By its first bytes, or by its name where it cannot be opened."""
    try:
        with open(file, "rb") as f:
            return b"%PDF-" in f.read(1024)
    except OSError:
        return Path(file).suffix.lower() == ".pdf"


class _Pictures:
    """The pages of one file as pictures."""

    def __init__(self, file: str, pages: str, dpi: float, max_pixels: int, password: str | None) -> None:
        self.file, self.dpi, self.max_pixels = file, dpi, max_pixels
        self.pdf = PdfFile(file, password) if is_pdf(file) else None
        self.numbers = parse_pages(pages, self.pdf.num_pages) if self.pdf else [1]

    def picture(self, page: int) -> _C.Image:
        return self.pdf.picture(page, self.dpi, self.max_pixels) if self.pdf else _C.read_image(self.file, self.max_pixels)

    def close(self) -> None:
        if self.pdf:
            self.pdf.close()


_Answer = tuple[str, dict[str, Any]] | str


class _Local:
    """Our reader: pictures whose texts are decoded together."""

    def __init__(self, model: Any, config: _C.ReadConfig) -> None:
        self.reader = api.reader(model, config.device, config.dtype)
        self.config = config
        self.at_once = 32 if config.device.startswith("cuda") else 4
        _C.check_read(self.reader, config)
        self.grounded = self.reader.config.sequence == "begin-vision-prompt"
        folder = None if isinstance(model, _C.Reader) else os.fspath(model or api.default_model())
        self.name = _C.hash_of_model(folder, self.reader.config.tokenizer) if folder else f"reader {id(self.reader)}"

    def __call__(self, pictures: list[_C.Image], _numbers: list[str], on_answer: Callable[[int, _Answer], None]) -> None:
        _C.read_pages(self.reader, pictures, self.config, on_answer)


class _Other:
    """Any other reader, as a callable from requests to answers."""

    def __init__(self, reader: PageReader, config: _C.ReadConfig) -> None:
        self.reader, self.config, self.grounded = reader, config, True
        self.at_once = int(getattr(reader, "at_once", 4))
        self.name = str(getattr(reader, "name", repr(reader)))

    def __call__(self, pictures: list[_C.Image], samples: list[str], on_answer: Callable[[int, _Answer], None]) -> None:
        requests = [
            {"sample": sample, "pages": [np.asarray(picture)], "text": None, "prompt": self.config.prompt, "max_tokens": self.config.generate.max_new_tokens,
             "mode": self.config.mode, "budget": 0}
            for sample, picture in zip(samples, pictures, strict=True)
        ]
        answers = self.reader(requests)
        if len(answers) != len(requests):
            raise _C.ConfigError(f"[read] the reader must answer {len(requests)} requests, got {len(answers)} answers")
        stopped: BaseException | None = None
        for i, (picture, answer) in enumerate(zip(pictures, answers, strict=True)):
            try:
                on_answer(i, str(answer["error"]) if "error" in answer else (str(answer["text"]), self.facts(picture, answer)))
            except BaseException as error:  # who wants to stop does so after the answers that are there are kept
                stopped = stopped or error
        if stopped is not None:
            raise stopped

    def facts(self, picture: _C.Image, answer: Any) -> dict[str, Any]:
        facts = {"mode": self.config.mode, "prompt": self.config.prompt, "width_px": np.asarray(picture).shape[1], "height_px": np.asarray(picture).shape[0]}
        names = {"vision_tokens": "num_vision_tokens", "positions": "num_decoder_positions", "num_tokens": "num_generated_tokens"}
        return facts | {names.get(k, k): v for k, v in answer.items() if k != "text" and v is not None}


def interpret(page: PageReading, picture: _C.Image, grounded: bool, prompt: str, out: Path | None, name: str, boxes: bool = True) -> None:
    """Fills text, items, tables, figure and problems of a page from its output; with a folder, writes figures and the page with boxes."""
    array = np.asarray(picture)
    height, width = array.shape[:2]
    page.text = page.output
    parsed = _C.parse_grounded(page.output) if grounded else None
    if parsed is not None:
        page.text = parsed.markdown(f"{name}_images/{page.page}_{{}}.png").strip()
        page.problems += [f"byte {at}: {what}" for at, what in parsed.problems]
        number = 0
        for item in parsed.items:
            corners = [box.to_pixels(width, height) for box in item.boxes]
            page.items.append({"label": item.label, "boxes_px": corners, "text": item.content.strip()})
            for x0, y0, x1, y1 in corners if item.label == "image" else []:
                if x1 > x0 and y1 > y0:
                    if out is not None:
                        file = f"{name}_images/{page.page}_{number}.png"
                        (out / f"{name}_images").mkdir(parents=True, exist_ok=True)
                        _C.crop(picture, x0, y0, x1, y1).save(str(out / file))
                        page.files.append(file)
                else:
                    page.problems.append(f"picture {number} has no pixels")
                number += 1
        if out is not None and boxes and any(item["boxes_px"] for item in page.items):
            data = io.BytesIO()
            draw_boxes(picture, parsed).save(data, "PNG")
            page.files.append(f"{name}_boxes/{page.page}.png")
            _write(out / page.files[-1], data.getvalue())
    if "<t" in page.text:
        for number, table in enumerate(find_tables(page.text)):
            page.tables.append({"rows": table.grid, "num_rows": table.num_rows, "num_columns": table.num_columns, "problems": table.problems})
            page.problems += [f"table {number}: {problem}" for problem in table.problems]
    if grounded and (prompt == "figure" or "line_type" in page.output):
        figure = interpret_figure(page.text)
        page.figure = {"kind": figure.kind, "html": figure.html() if figure.kind in ("chart", "geometry") else ""}
        if figure.kind == "smiles":
            page.figure |= {"smiles": figure.text, "valid": figure.smiles_valid}
        if figure.kind != "chart":
            page.problems += figure.problems
        if out is not None and page.figure["html"]:
            ending = "svg" if figure.geometry is not None else "html"
            page.files.append(f"{name}_figures/{page.page}.{ending}")
            _write(out / page.files[-1], page.figure["html"] + "\n")
            if figure.geometry is not None:
                data = io.BytesIO()
                figure.geometry.picture().save(data, "PNG")
                page.files.append(f"{name}_figures/{page.page}.png")
                _write(out / page.files[-1], data.getvalue())


class _Store:
    """What was read of one document before, and what is written of it."""

    def __init__(self, out: Path | None, name: str, made_from: dict[str, Any]) -> None:
        self.out, self.name, self.made_from = out, name, made_from
        self.before: dict[int, dict[str, Any]] = {}
        if out is None:
            return
        self.parts = out / f"{name}.pages"
        found = [out / f"{name}.json", *sorted(self.parts.glob("*.json"))]
        for path in found:
            try:
                record = json.loads(path.read_text(encoding="utf-8"))
            except (OSError, ValueError):
                continue
            if isinstance(record, dict) and record.get("made_from") == made_from:
                pages = record.get("pages") if isinstance(record.get("pages"), list) else [record.get("one")]
                self.before |= {p["page"]: p for p in pages if isinstance(p, dict) and isinstance(p.get("page"), int) and "error" not in p}
        self.before = {n: p for n, p in self.before.items() if all((out / file).is_file() for file in p.get("files", []))}

    def keep(self, page: PageReading) -> None:
        if self.out is not None and page.error is None:
            _write(self.parts / f"{page.page:05}.json", json.dumps({"made_from": self.made_from, "one": page.to_dict()}, ensure_ascii=False))

    def finish(self, document: Document, formats: Sequence[str]) -> None:
        if self.out is None or all(p.error is not None for p in document.pages):  # nothing was read: nothing is written
            return
        record = {"file": document.file, "num_pages": len(document.pages), "num_failed": sum(p.error is not None for p in document.pages),
                  "pages": [p.to_dict() for p in document.pages], "made_from": self.made_from}
        wanted = {"md": lambda: document.text + "\n", "html": lambda: document.html(self.out)}
        names = []
        for ending, make in wanted.items():
            if ending in formats:
                path = self.out / f"{self.name}.{ending}"
                text = make()
                if not path.is_file() or path.read_text(encoding="utf-8") != text:
                    _write(path, text)
                names.append(str(path))
        path = self.out / f"{self.name}.json"  # last: it says that the others are whole
        text = json.dumps(record, ensure_ascii=False, indent=1) + "\n"
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            _write(path, text)
        document.written = [*names, str(path)]
        shutil.rmtree(self.parts, ignore_errors=True)


def _keeper(images: dict[int, _C.Image], found: dict[int, PageReading], file: str, store: _Store, grounded: bool, prompt: str, folder: Path | None, name: str,
            boxes: bool, tell: Callable[[PageReading], None]) -> Callable[[int, _Answer], None]:
    """What takes each answer as it comes: its page into `found`, told, and on the disk, so that a run that is cut short has it."""
    numbered = list(images.items())
    begin = time.monotonic()

    def keep(index: int, answer: _Answer) -> None:
        number, image = numbered[index]
        page = found[number] = PageReading(file, number)
        if isinstance(answer, str):
            page.error = f"{file}, page {number}: {answer}"
        else:
            page.output, page.facts = answer
            page.facts.setdefault("seconds", (time.monotonic() - begin) / len(numbered))
            interpret(page, image, grounded, prompt, folder, name, boxes)
            store.keep(page)
        tell(page)

    return keep


def read_documents(
    files: Any,
    model: Any = None,
    *,
    reader: PageReader | None = None,
    out: str | os.PathLike[str] | None = None,
    formats: str | Sequence[str] = ("md", "json"),
    pages: str = "",
    dpi: float = DEFAULT_DPI,
    password: str | None = None,
    boxes: bool = True,
    on_page: Callable[[int, int, PageReading], None] | None = None,
    on_start: Callable[[int], None] | None = None,
    config: _C.ReadConfig | None = None,
    **fields: Any,
) -> Iterator[Document | PageReading]:
    """Every page as soon as it is read, and after its last page the Document. See `read` for the parameters."""
    config = _C.ReadConfig(**(config.to_dict() if config is not None else {}))
    config.update(fields)
    wanted = [f.strip() for f in formats.split(",")] if isinstance(formats, str) else list(formats)
    if bad := [f for f in wanted if f not in FORMATS]:
        raise _C.ConfigError(f"[read] formats must be of {', '.join(FORMATS)}, got '{bad[0]}'")
    if not 10 <= dpi <= 2400:
        raise _C.ConfigError(f"[read] dpi must be 10 to 2400, got {dpi:g}")
    parse_pages(pages)
    names = all_files(files)
    folder = Path(out) if out is not None else None
    if folder is not None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _C.IoError(f"[read] cannot make the folder {folder}: {error.strerror}") from None
    engine: _Local | _Other = _Other(reader, config) if reader is not None else _Local(model, config)
    identity = {k: v for k, v in config.to_dict().items() if k not in ("files", "out", "device", "model")}
    identity |= {"reader": engine.name, "dpi": dpi, "boxes": boxes}

    opened: list[_Pictures | str] = []
    for file in names:  # all at once: the number of pages is known before the first is read
        try:
            opened.append(_Pictures(file, pages, dpi, config.max_pixels, password))
        except _C.IoError as error:
            opened.append(str(error))
    total = sum(len(o.numbers) if isinstance(o, _Pictures) else 1 for o in opened)
    done = 0

    def tell(page: PageReading) -> None:
        nonlocal done
        done += 1
        if on_page:
            on_page(done, total, page)

    if on_start:
        on_start(total)
    for file, name, pictures in zip(names, unique_names(names), opened, strict=True):
        document = Document(file)
        if isinstance(pictures, str):
            document.error = pictures
            tell(PageReading(file, 0, error=pictures))
            yield document
            continue
        try:
            store = _Store(folder, name, {**identity, "sha256": _sha256(file)})
        except _C.IoError as error:
            document.error = str(error)
            done += len(pictures.numbers)
            if on_page:
                on_page(done, total, PageReading(file, 0, error=str(error)))
            yield document
            continue
        for first in range(0, len(pictures.numbers), engine.at_once):
            some = pictures.numbers[first : first + engine.at_once]
            found: dict[int, PageReading] = {n: PageReading.from_dict(file, store.before[n]) for n in some if n in store.before}
            images: dict[int, _C.Image] = {}
            for number in some:
                try:
                    if number not in found:
                        images[number] = pictures.picture(number)
                except _C.IoError as error:
                    found[number] = PageReading(file, number, error=str(error))
                if number in found:
                    tell(found[number])
            if images:
                keep = _keeper(images, found, file, store, engine.grounded, config.prompt, folder, name, boxes, tell)
                engine(list(images.values()), [f"{name}/{n}" for n in images], keep)
            for number in some:
                document.pages.append(found[number])
                yield found[number]
        pictures.close()
        store.finish(document, wanted)
        yield document


def unique_names(files: Iterable[str]) -> list[str]:
    """A name for what is written of each file: its own, with a number where two files bear the same."""
    out: dict[str, None] = {}
    for file in files:
        stem = name = Path(file).stem
        number = 1
        while name in out:
            number += 1
            name = f"{stem}-{number}"
        out[name] = None
    return list(out)


def read_stream(files: Any, model: Any = None, **options: Any) -> Iterator[PageReading]:
    """Pages one by one, as soon as each is read; options as of `read`. A file that cannot be opened is one page with an error."""
    for found in read_documents(files, model, **options):
        if isinstance(found, PageReading):
            yield found
        elif found.error is not None:
            yield PageReading(found.file, 0, error=found.error)


def read(files: Any, model: Any = None, **options: Any) -> list[Document]:
    """Images, PDFs and folders of them in, a Document a file out.

    model    a model folder, a Reader, or none: the reader that ships
    reader   instead of a model: a callable from requests to answers (fovea.endpoints.OpenAIReader, say)
    out      a folder: NAME.md, NAME.html, NAME.json, figures and pages with boxes beside; without it nothing is written. Pages that are there, made
             the same way from the same file, are not read again, so that a stopped run goes on.
    formats  of md, json, html; the JSON is always written
    pages    of PDFs: "1-5,9,12-"; dpi: their resolution; password: of encrypted ones
    boxes    write each page with its boxes drawn on it
    on_page  called with (pages done, pages in all, PageReading)
    Other keywords are fields of ReadConfig: mode, prompt, device, dtype, generate, auto_mode, max_pixels.
    What cannot be read is in Document.error or PageReading.error; the rest is read. Errors: ConfigError, WeightsError, IoError (cannot write).
    """
    return [found for found in read_documents(files, model, **options) if isinstance(found, Document)]
