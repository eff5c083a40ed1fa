"""`fovea read`: images and PDFs in, Markdown, JSON and HTML out; with the reader that ships, with readers of our making, and through a published-form folder."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from published import write_published

import fovea
from fovea.cli import cli

TEXT = "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs, please; it is late."
GROUNDED = (
    "<|ref|>title<|/ref|><|det|>[[100, 50, 900, 120]]<|/det|>\n# A <title>\n\n<|ref|>image<|/ref|><|det|>[[0, 200, 499, 600]]<|/det|>\n"
    "<|ref|>table<|/ref|><|det|>[[500, 200, 999, 600]]<|/det|>\n<table><tr><td>a</td><td>1</td></tr><tr><td>b</td></tr></table>\n"
    "<|ref|>text<|/ref|><|det|>[[10, 700, 990"
)


@pytest.fixture
def page(tmp_path: Path) -> Path:
    fovea.render(TEXT, width_px=256, height_px=256, font_size_px=14).save(str(tmp_path / "page.png"))
    return tmp_path / "page.png"


@pytest.fixture(scope="session")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_published(tmp_path_factory.mktemp("published") / "model")


class Canned:
    """A reader that answers what it was given, and counts."""

    name = "canned"
    at_once = 2

    def __init__(self, *texts: str) -> None:
        self.texts, self.calls = texts, 0

    def __call__(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        out: list[dict[str, Any]] = []
        for request in requests:
            assert request["pages"][0].dtype == np.uint8
            text = self.texts[self.calls % len(self.texts)]
            self.calls += 1
            out.append({"error": "nobody home"} if text == "FAIL" else {"text": text, "num_tokens": 7, "stop_reason": "end"})
        return out


def make_pdf(path: Path, num_pages: int, size: tuple[int, int] = (300, 400)) -> Path:
    pages = [Image.fromarray(np.full((size[1], size[0], 3), 255 - i, np.uint8)) for i in range(num_pages)]
    pages[0].save(path, "PDF", save_all=True, append_images=pages[1:], resolution=72)
    return path


def words(text: str) -> str:
    return " ".join(text.split())


def test_a_page_is_read_and_not_read_twice(page: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = fovea.read(page, mode="256", out=out)[0]
    assert fovea.score(words(TEXT), words((out / "page.md").read_text(encoding="utf-8"))).char_edit_distance < 0.05
    facts = first.pages[0].facts
    assert (facts["num_vision_tokens"], facts["num_decoder_positions"], facts["stop_reason"]) == (16, 21, "end")
    stamp = (out / "page.md").stat().st_mtime_ns
    again = fovea.read(page, mode="256", out=out)[0]
    assert again.pages == first.pages and again.pages[0].facts["seconds"] == facts["seconds"]
    assert (out / "page.md").stat().st_mtime_ns == stamp
    assert fovea.read(page, mode="512", out=out)[0].pages[0].facts["num_vision_tokens"] == 64  # another mode is another reading
    assert [p.name for p in sorted(out.iterdir())] == ["page.json", "page.md"]


def test_nothing_is_written_unless_asked(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    pages = list(fovea.read_stream([page], mode="256"))
    assert "lazy dog" in pages[0].text and pages[0].page == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["page.png"]


def test_bad_pages_are_reported_and_the_others_read(page: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.png").write_bytes(page.read_bytes()[:200])
    (tmp_path / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 nothing")
    Image.fromarray(np.full((20000, 1), 255, np.uint8)).save(tmp_path / "thin.png")
    Image.fromarray(np.zeros((1, 1), np.uint8)).save(tmp_path / "dot.png")
    out = tmp_path / "out"
    names = ["broken.png", "broken.pdf", "broken.jpg", "nowhere.png", "thin.png", "dot.png", "page.png"]
    result = CliRunner().invoke(cli, ["read", *(str(tmp_path / n) for n in names), "--mode", "256", "--out", str(out), "--generate.max-new-tokens", "60"])
    assert result.exit_code == 1
    for text in ("damaged PNG", "not a PDF that PDFium can open", "nowhere.png", "broken.jpg"):
        assert text in result.output
    assert (out / "page.md").exists() and (out / "dot.md").exists() and (out / "thin.md").exists()  # 256 px fills the square, however thin
    assert not list(out.glob("broken*")) and not list(out.glob("*.tmp"))
    assert json.loads((out / "page.json").read_text(encoding="utf-8"))["pages"][0]["mode"] == "256"
    thin = fovea.read(tmp_path / "thin.png", mode="1024")[0]
    assert "no pixel left" in thin.pages[0].error


def test_limits_hold_before_pixels_are_made(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.new("1", (30000, 30000)).save(data, "PNG")
    (tmp_path / "huge.png").write_bytes(data.getvalue())
    found = fovea.read(tmp_path / "huge.png", mode="256")[0]
    assert "more than the limit" in found.pages[0].error
    make_pdf(tmp_path / "a.pdf", 1, (600, 800))
    found = fovea.read(tmp_path / "a.pdf", mode="256", dpi=2400, max_pixels=10**6)[0]
    assert "take at most" in found.pages[0].error


def test_what_the_model_cannot_do_is_said(page: Path, published: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="without a prompt"):
        fovea.read(page, mode="256", prompt="markdown")
    with pytest.raises(ValueError, match="multiple of 64"):
        fovea.read(page, mode="300")
    with pytest.raises(ValueError, match="exactly one <image>"):
        fovea.read(page, published, prompt="no picture")
    with pytest.raises(ValueError, match="exactly one <image>"):
        fovea.read(page, published, prompt="<image><image>")
    with pytest.raises(ValueError, match="formats"):
        fovea.read(page, formats="docx")
    with pytest.raises(ValueError, match="pages must be like"):
        fovea.read(page, pages="3-1")
    with pytest.raises(ValueError, match="has no PNG"):
        (tmp_path / "empty").mkdir()
        fovea.read(tmp_path / "empty")
    long = fovea.read(page, published, prompt="<image>" + "words and more words " * 8000, mode="tiny")[0]
    assert "positions" in long.pages[0].error  # more tokens than the context: this page's error


def test_grounded_output_becomes_markdown_boxes_and_figures(tmp_path: Path) -> None:
    make_pdf(tmp_path / "scan.pdf", 3)
    out = tmp_path / "out"
    reader = Canned(GROUNDED, "FAIL", "plain\n\n\n\nwords")
    found = fovea.read(tmp_path / "scan.pdf", reader=reader, out=out, formats="md,json,html", dpi=72)[0]
    assert [p.error is None for p in found.pages] == [True, False, True]
    assert "nobody home" in found.errors[0]
    one = found.pages[0]
    assert [i["label"] for i in one.items] == ["title", "image", "table", "text"]
    assert tuple(one.items[0]["boxes_px"][0]) == (30, 20, 270, 48)
    assert "![](scan_images/1_0.png)" in one.text and "<|ref|>" not in one.text
    assert one.tables[0]["num_rows"] == 2 and one.tables[0]["rows"][1] == ["b", None]
    assert any("rows of different length" in p for p in one.problems) and any("cut off after" in p for p in one.problems)
    with Image.open(out / "scan_images/1_0.png") as figure:
        assert figure.size == (149, 160)
    with Image.open(out / "scan_boxes/1.png") as boxes:
        assert boxes.size == (300, 400) and len(np.unique(np.array(boxes).reshape(-1, 3), axis=0)) > 3
    markdown = (out / "scan.md").read_text(encoding="utf-8")
    assert markdown.count("<--- Page Split --->") == 1 and "plain\n\nwords" in markdown
    page = (out / "scan.html").read_text(encoding="utf-8")
    assert "# A <title>" not in page and "<h1>A &lt;title&gt;</h1>" in page and "nobody home" in page and 'src="data:image/png;base64,' in page
    record = json.loads((out / "scan.json").read_text(encoding="utf-8"))
    assert record["num_failed"] == 1 and record["pages"][0]["output"] == GROUNDED
    # Started again: what was read is not read again, what failed is.
    reader.calls, reader.texts = 0, ("now it works",)
    again = fovea.read(tmp_path / "scan.pdf", reader=reader, out=out, formats="md,json,html", dpi=72)[0]
    assert reader.calls == 1 and [p.text for p in again.pages][1] == "now it works"
    assert again.pages[0] == one or again.pages[0].to_dict() == json.loads(json.dumps(one.to_dict()))


def test_a_stopped_document_goes_on(tmp_path: Path) -> None:
    make_pdf(tmp_path / "long.pdf", 7)
    out = tmp_path / "out"
    reader = Canned("a", "b", "c")

    def stop(done: int, _total: int, _page: Any) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fovea.read(tmp_path / "long.pdf", reader=reader, out=out, on_page=stop)
    assert not (out / "long.json").exists() and not (out / "long.md").exists()
    before = reader.calls
    found = fovea.read(tmp_path / "long.pdf", reader=reader, out=out)[0]
    assert before + reader.calls - before == 7 and len(found.pages) == 7
    assert not (out / "long.pages").exists()


def test_pages_of_pdfs(tmp_path: Path) -> None:
    assert fovea.pdf.parse_pages("1-3,9,2,12-", 13) == [1, 2, 3, 9, 12, 13]
    make_pdf(tmp_path / "a.pdf", 5)
    seen: list[Any] = []

    def reader(requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        seen.extend(r["pages"][0][0, 0].tolist() for r in requests)
        return [{"text": r["sample"]} for r in requests]

    found = fovea.read(tmp_path / "a.pdf", reader=reader, pages="4-,2", dpi=144)[0]
    assert [p.page for p in found.pages] == [4, 5, 2]
    assert abs(seen[0][0] - 252) <= 1 and found.pages[0].facts["width_px"] == 600
    assert "no page of" in fovea.read(tmp_path / "a.pdf", reader=reader, pages="9")[0].error


ENCRYPTED = """%PDF-1.4
1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj
2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj
3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 100 100]>>endobj
4 0 obj<</Filter/Standard/V 1/R 2/O<28bf4e5e4e758a4164004e56fffa01082e2e00b6d0683e802f0ca9fe6453697a>/U<0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef>/P -4>>endobj
trailer<</Root 1 0 R/Encrypt 4 0 R/ID[<00><00>]/Size 5>>
%%EOF
"""


def test_encrypted_pdf_is_named(tmp_path: Path) -> None:
    (tmp_path / "secret.pdf").write_text(ENCRYPTED, encoding="latin-1")
    make_pdf(tmp_path / "open.pdf", 1)
    found = fovea.read([tmp_path / "secret.pdf", tmp_path / "open.pdf"], reader=Canned("x"))
    assert "is encrypted" in found[0].error
    assert found[1].text == "x"


def test_a_full_disk_is_one_error_and_leaves_no_halves(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith("page.md"):
            raise OSError(28, "No space left on device")
        real(source, target)

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match=r"cannot write .*page.md: No space left"):
        fovea.read(page, reader=Canned("x"), out=out)
    assert not (out / "page.md").exists() and not (out / "page.json").exists() and not list(out.glob("*.tmp"))


def test_figures_become_html_drawings_and_checked_molecules(tmp_path: Path) -> None:
    geometry = "{'Line': {'line': ['(0, 0) -- (4, 0)', '(0, 0) -- (0, 3)', 'x'], 'line_type': ['-', '--'], 'line_endpoint': ['A: (0, 0)']}, 'Circle': {'circle_center': ['(1, 1)'], 'radius': [2]}}"
    make_pdf(tmp_path / "f.pdf", 4)
    reader = Canned("<table><tr><th>y</th></tr><tr><td>2 & 3</td></tr></table>", geometry, "CC(=O)Oc1ccccc1C(=O)O", "__import__('os').system('true') {'Line': 1} line_type")
    reader.at_once = 4
    pages = fovea.read(tmp_path / "f.pdf", reader=reader, prompt="figure", out=tmp_path / "out", formats="html")[0].pages
    assert [p.figure["kind"] for p in pages] == ["chart", "geometry", "smiles", "text"]
    assert "<td>2 &amp; 3</td>" in (tmp_path / "out/f_figures/1.html").read_text(encoding="utf-8")
    svg = (tmp_path / "out/f_figures/2.svg").read_text(encoding="utf-8")
    assert svg.count("<line") == 2 and svg.count("stroke-dasharray") == 1 and ">A</text>" in svg
    assert any("line 3 must be like" in p for p in pages[1].problems)
    try:
        import rdkit  # noqa: F401

        assert pages[2].figure["valid"] is True
    except ImportError:
        assert pages[2].figure["valid"] is None and "RDKit is not installed" in pages[2].problems[0]


@pytest.mark.parametrize("prompt", ["free-ocr", "markdown", "ocr", "figure", "describe", "locate:Hello"])
def test_published_folder_is_read_with_every_published_prompt(published: Path, tmp_path: Path, prompt: str) -> None:
    fovea.render("Hello page. " * 60, width_px=900, height_px=700, font_size_px=14).save(str(tmp_path / "page.png"))
    out = tmp_path / "out"
    args = ["read", str(tmp_path / "page.png"), "--model", str(published), "--mode", "small", "--prompt", prompt, "--out", str(out), "--format", "md,json,html"]
    result = CliRunner().invoke(cli, [*args, "--generate.max-new-tokens", "6", "--generate.ngram-size", "20"])
    assert result.exit_code == 0, result.output
    record = json.loads((out / "page.json").read_text(encoding="utf-8"))["pages"][0]
    assert (record["num_vision_tokens"], record["num_decoder_positions"], record["num_generated_tokens"]) == (100, 111, 6)
    assert record["prompt"] == prompt and (out / "page.html").stat().st_size > 500


def test_published_folder_in_gundam(published: Path, tmp_path: Path) -> None:
    picture = fovea.render("Hello page. " * 60, width_px=900, height_px=700, font_size_px=14)
    picture.save(str(tmp_path / "page.png"))
    found = fovea.read(tmp_path / "page.png", published, mode="gundam", prompt="markdown", generate={"max_new_tokens": 4})[0].pages[0]
    grid = fovea.make_views(fovea.read_image(str(tmp_path / "page.png")), "gundam").tile_grid
    assert (found.facts["tile_columns"], found.facts["tile_rows"]) == grid and grid[0] * grid[1] > 1
    assert found.facts["num_vision_tokens"] == 256 + 100 * grid[0] * grid[1]


def test_auto_takes_few_tokens_for_large_letters_and_more_for_small_ones(tmp_path: Path, prose: Path) -> None:
    text = prose.read_text(encoding="utf-8")[3000:]
    used = {}
    for size in (8, 13, 28):
        page = fovea.render_pages(text, font="DejaVu Sans Mono", font_size_px=size, width_px=640, height_px=640, max_pages=1)[0]
        page.save(str(tmp_path / f"{size}.png"))
        estimate = fovea.estimate_ink(fovea.read_image(str(tmp_path / f"{size}.png")))
        tokens = fovea.deepseek_tokenizer().count_tokens(page.text)
        assert estimate.num_text_tokens == pytest.approx(tokens, rel=0.25), size
        assert estimate.x_height_px == pytest.approx(0.547 * size, abs=1), size  # DejaVu's x is 0.547 em high
    for size in (13, 28):
        found = fovea.read(tmp_path / f"{size}.png", mode="auto", out=tmp_path / "out")[0].pages[0]
        used[size] = found.facts["num_vision_tokens"]
        assert found.facts["attempts"][-1]["stop_reason"] == "end" and found.facts["auto"]["modes"]
        assert found.facts["num_vision_tokens_all_attempts"] == sum(a["num_vision_tokens"] for a in found.facts["attempts"])
    assert used[28] < used[13]


def test_auto_goes_up_when_the_reader_is_unsure(page: Path) -> None:
    found = fovea.read(page, mode="auto", auto_mode={"modes": ["128", "256"], "min_x_height_px": 0, "min_mean_probability": 1.0, "max_tokens_per_vision_token": 1000})[0].pages[0]
    assert [a["mode"] for a in found.facts["attempts"]] == ["128", "256"]
    assert found.facts["mode"] in ("128", "256") and found.facts["num_vision_tokens_all_attempts"] == 4 + 16
