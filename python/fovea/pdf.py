"""Pages of PDF files as pictures, through PDFium (package pypdfium2)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from fovea import _C

DEFAULT_DPI = 144  # what the published PDF script uses (zoom 2)


def parse_pages(spec: str, num_pages: int | None = None) -> list[int]:
    """"1-5,9,12-" as page numbers from 1, in the order given, each once; "" means all.

    num_pages  of the document; without it only the form is checked. Pages beyond it are left out, an error if none is left.
    """
    out: dict[int, None] = {}
    for part in spec.split(",") if spec.strip() else ["1-"]:
        first, dash, last = (p.strip() for p in part.partition("-"))
        if not first.isdecimal() or (last and not last.isdecimal()) or int(first) < 1 or (last and int(last) < int(first)):
            raise _C.ConfigError(f"[read] pages must be like 1-5,9,12-, got '{spec}'")
        if num_pages is not None:
            end = min(num_pages, int(last) if last else num_pages if dash else int(first))
            out.update(dict.fromkeys(range(int(first), end + 1)))
    if num_pages is not None and not out:
        raise _C.IoError(f"[read] no page of '{spec}' is in a document of {num_pages} pages")
    return list(out)


def _pdfium() -> Any:
    try:
        import pypdfium2
    except ImportError:
        raise _C.UnsupportedError("[read] reading PDF needs the package pypdfium2: pip install pypdfium2") from None
    return pypdfium2


class PdfFile:
    """An open PDF. Errors: IoError naming the file, when it is damaged or encrypted."""

    def __init__(self, path: str | os.PathLike[str], password: str | None = None) -> None:
        pdfium = _pdfium()
        self.path = os.fspath(path)
        if not os.path.isfile(self.path):
            raise _C.IoError(f"[read] cannot read {self.path}: no such file")
        try:
            self._document = pdfium.PdfDocument(self.path, password=password)
            self.num_pages = len(self._document)
        except pdfium.PdfiumError as error:
            text = str(error)
            if "assword" in text:
                raise _C.IoError(f"[read] {self.path} is encrypted" + ("; name its password" if password is None else " and the password is wrong")) from None
            if "ecurity" in text:
                raise _C.IoError(f"[read] {self.path} is encrypted in a way that PDFium does not know") from None
            raise _C.IoError(f"[read] {self.path} is not a PDF that PDFium can open ({text})") from None
        if self.num_pages == 0:
            raise _C.IoError(f"[read] {self.path} has no pages")

    def picture(self, page: int, dpi: float = DEFAULT_DPI, max_pixels: int = 178956970) -> _C.Image:
        """Page `page` (from 1) as RGB on white. Errors: IoError where the page is damaged or larger than max_pixels at this resolution."""
        pdfium = _pdfium()
        try:
            one = self._document[page - 1]
            width, height = one.get_size()
            num = max(1, round(width * dpi / 72)) * max(1, round(height * dpi / 72))
            if num > max_pixels:
                fits = dpi * (max_pixels / num) ** 0.5
                raise _C.IoError(f"[read] {self.path}, page {page}: {num} pixels at {dpi:g} dpi are more than the limit of {max_pixels}; take at most {int(fits)} dpi")
            bitmap = one.render(scale=dpi / 72, rev_byteorder=True, prefer_bgrx=False, fill_color=(255, 255, 255, 255))
            array = bitmap.to_numpy()
            if array.ndim == 3 and array.shape[2] == 4:
                array = array[:, :, :3]
            if array.ndim == 3 and array.shape[2] == 1:
                array = array[:, :, 0]
            image = _C.image_from_array(array)
            bitmap.close()
            one.close()
            return image
        except pdfium.PdfiumError as error:
            raise _C.IoError(f"[read] {self.path}, page {page}: {error}") from None

    def pictures(self, pages: str = "", dpi: float = DEFAULT_DPI, max_pixels: int = 178956970) -> Iterator[tuple[int, _C.Image]]:
        """(number, picture) of the pages that the spec names."""
        for page in parse_pages(pages, self.num_pages):
            yield page, self.picture(page, dpi, max_pixels)

    def close(self) -> None:
        self._document.close()

    def __enter__(self) -> PdfFile:
        return self

    def __exit__(self, *error: Any) -> None:
        self.close()
