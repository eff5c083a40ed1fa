"""Styles, batches, streams for DataLoader, degradations, maps and the verbs `render` and `map` from Python."""

from __future__ import annotations

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import environment
from torch.utils.data import DataLoader

import fovea

TEXT = "The suburb of Saffron Park lay on the sunset side of London, as red and ragged as a cloud of sunset. "
TEXTS = [f"{i} {TEXT * (1 + i % 3)}" for i in range(23)]
SMALL = {"width_px": 200, "height_px": 160, "font_size_px": 11}
Cli = Callable[..., subprocess.CompletedProcess[str]]


# ---- styles and pages


def test_styles_by_name_file_and_object(tmp_path: Path) -> None:
    assert {"plain", "dense", "glyph", "bad-autoencoding", "pixel-strip"} <= set(fovea.style_names())
    assert "Follows Glyph" in fovea.style_text("glyph")
    (tmp_path / "s.toml").write_text('font = "DejaVu Serif"\nfont_size_px = 15\n[degrade]\nnoise = 4\n')
    sheet = fovea.load_style(str(tmp_path / "s.toml"))
    assert sheet.font == "DejaVu Serif" and sheet.degrade.noise == 4 and sheet.fit.size == "given"
    page = fovea.render(TEXT, sheet, side_px=200)
    assert np.array_equal(np.asarray(page), np.asarray(fovea.render(TEXT, tmp_path / "s.toml", width_px=200, height_px=200)))
    assert not np.array_equal(np.asarray(page), np.asarray(fovea.render(TEXT, tmp_path / "s.toml", side_px=200, degrade={"noise": 0})))
    assert fovea.render(TEXT * 9, "dense").report.font_size_px > 12  # fitted
    with pytest.raises(fovea.ConfigError, match="did you mean 'glyph'"):
        fovea.render(TEXT, "gliph")
    with pytest.raises(fovea.ConfigError, match=r"degrade\.nois"):
        fovea.render(TEXT, "plain", degrade={"nois": 1})


def test_pages_cover_the_text() -> None:
    text = TEXT * 40
    pages = fovea.render_pages(text, "plain", **SMALL)
    assert len(pages) > 5 and "".join(page.text for page in pages) == text
    assert [page.page_index for page in pages] == list(range(len(pages)))
    assert [page.byte_begin for page in pages] == list(np.cumsum([0] + [len(page.text) for page in pages])[:-1])
    assert len(fovea.render_pages(text, "plain", max_pages=2, **SMALL)) == 2


def test_spans_and_channels() -> None:
    page = fovea.render(fovea.styled("Read the ", ("réd", {"color": "#cc0000", "bold": True}), " word."), font_size_px=20, side_px=320)
    assert page.text == "Read the réd word." and page.pixels.shape == (320, 320, 3)
    red = page.chars[[page.text[i] in "é" for i in range(len(page.text))]][0]
    patch = page.pixels[red["y0_px"] : red["y1_px"], red["x0_px"] : red["x1_px"]]
    assert (patch[..., 0].astype(int) - patch[..., 1]).max() > 100
    with pytest.raises(fovea.ConfigError, match="no 'colour'"):
        fovea.styled(("a", {"colour": "#fff"}))
    page = fovea.render_channels(["red text", "green text", "blue text"], font_size_px=20, side_px=160)
    assert page.pixels.shape == (160, 160, 3) and set(page.chars["channel"]) == {0, 1, 2}
    for channel in range(3):
        boxes = page.chars[page.chars["channel"] == channel]
        ink = np.zeros((160, 160), bool)
        for box in boxes:
            ink[box["y0_px"] : box["y1_px"], box["x0_px"] : box["x1_px"]] = True
        assert (page.pixels[..., channel][~ink] == 255).all() and (page.pixels[..., channel][ink] < 128).any()


def test_maps_are_arrays_without_copies() -> None:
    page = fovea.render(TEXT, font_size_px=14, side_px=320)
    chars = page.chars
    assert len(chars) == len(TEXT) and chars["byte_offset"].tolist() == list(range(len(TEXT)))
    assert np.array_equal(page.boxes, np.stack([chars[n] for n in ("x0_px", "y0_px", "x1_px", "y1_px")], 1))
    chars["x0_px"][0] = 123
    assert page.boxes[0, 0] == 123, "a copy"
    assert page.line_table["byte_end"][-1] == len(TEXT) or page.line_table["byte_end"][-1] == len(TEXT.rstrip())
    assert len(page.graphemes) == len(TEXT) and not page.line_table["vertical"].any()
    assert len(fovea.render("", font_size_px=9, side_px=64).chars) == 0


# ---- batches


def test_a_batch_is_its_pages() -> None:
    out = fovea.render_batch(TEXTS, None, num_threads=3, **SMALL)
    assert out.shape == (len(TEXTS), 160, 200) and out.dtype == np.uint8
    for text, pixels in zip(TEXTS, out, strict=True):
        assert np.array_equal(pixels, np.asarray(fovea.render(text, **SMALL)))
    tensor = torch.full((len(TEXTS), 160, 200), 7, dtype=torch.uint8)
    same, pages = fovea.render_batch(TEXTS, SMALL, tensor, 1, maps=True)
    assert same is tensor and np.array_equal(tensor.numpy(), out)
    assert all(text.startswith(page.text) and page.text for text, page in zip(TEXTS, pages, strict=True))
    assert len(pages[0].chars) == len(pages[0].text) and pages[0].pixels.size == 0


def test_batches_with_degradations_do_not_depend_on_threads_or_cutting() -> None:
    style = {**SMALL, "degrade": {"noise": 6, "skew_degrees": 2, "vary": 0.5, "jpeg_quality": 60}}
    whole = fovea.render_batch(TEXTS, style, num_threads=4)
    parts = [fovea.render_batch(TEXTS[:10], style, num_threads=1), fovea.render_batch(TEXTS[10:], style, num_threads=2, first_index=10)]
    assert np.array_equal(whole, np.concatenate(parts))


def test_batches_check_their_target() -> None:
    with pytest.raises(fovea.ShapeError, match="one place a text"):
        fovea.render_batch(TEXTS, SMALL, np.empty((2, 160, 200), np.uint8))
    with pytest.raises(fovea.ShapeError, match="300 x 160"):
        fovea.render_batch(TEXTS[:1], SMALL, np.empty((1, 160, 300), np.uint8))
    with pytest.raises(fovea.ShapeError, match="uint8"):
        fovea.render_batch(TEXTS[:1], SMALL, np.empty((1, 160, 200), np.float32))
    with pytest.raises(fovea.ShapeError, match="contiguous"):
        fovea.render_batch(TEXTS[:1], SMALL, np.empty((1, 160, 400), np.uint8)[:, :, ::2])
    with pytest.raises(TypeError, match="list"):
        fovea.render_batch(TEXTS[:1], SMALL, [])
    with pytest.raises(fovea.ConfigError, match="crop"):
        fovea.render_batch(TEXTS, SMALL, crop="height")
    with pytest.raises(fovea.RenderError, match=r"page \d+: .*do not fit"):
        fovea.render_batch([TEXT * 99] * 3, SMALL, overflow="fail")


def test_a_batch_runs_without_the_gil() -> None:
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    fovea.render_batch([TEXT * 20] * 300, side_px=640, font_size_px=10, num_threads=1, degrade={"gaussian_blur_px": 1})
    end = time.monotonic()
    done.set()
    thread.join()
    assert sum(start < t < end for t in ticks) >= 3 + (end - start) / 0.2


# ---- workers


def expected_pages(style: dict[str, object]) -> np.ndarray:
    return fovea.render_batch(TEXTS, style)


@pytest.mark.parametrize(("workers", "method"), [(0, None), (2, "fork"), (2, "spawn")])
def test_stream_for_data_loader(workers: int, method: str | None) -> None:
    style = {**SMALL, "degrade": {"noise": 5, "vary": 1}}
    stream = fovea.PageStream(TEXTS, style)
    assert pickle.loads(pickle.dumps(stream)).shape == stream.shape
    loader = DataLoader(stream, batch_size=4, num_workers=workers, multiprocessing_context=method)
    seen = {}
    for batch in loader:
        assert batch["pixels"].dtype == torch.uint8 and batch["pixels"].shape[1:] == (160, 200)
        for pixels, index, text in zip(batch["pixels"], batch["index"], batch["text"], strict=True):
            assert text == TEXTS[index]
            seen[int(index)] = pixels.numpy()
    assert sorted(seen) == list(range(len(TEXTS)))
    assert all(np.array_equal(seen[i], pixels) for i, pixels in enumerate(expected_pages(style)))


def child(queue: multiprocessing.SimpleQueue) -> None:  # type: ignore[type-arg]
    signal.alarm(60)  # a child that waits for a lock dies
    queue.put(int(fovea.render_batch(TEXTS, SMALL, num_threads=2).sum()))


def test_forking_while_other_threads_draw() -> None:
    """No lock of the renderer may be held in a child: forks wait for the calls that run, and children draw at once."""
    expected = int(fovea.render_batch(TEXTS, SMALL).sum())
    stop = threading.Event()

    def draw(n: int) -> None:
        k = 0
        while not stop.is_set():  # new words, sizes and fonts: locks are taken all the time
            k += 1
            fovea.render(f"{TEXT} {n} {k} ñ中α", font=["DejaVu Sans", "Noto Serif"][k % 2], font_size_px=8 + k % 40, side_px=200)

    threads = [threading.Thread(target=draw, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    try:
        context = multiprocessing.get_context("fork")
        for _ in range(12):
            queue = context.SimpleQueue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            process.join(90)
            assert process.exitcode == 0, "a child hangs or died"
            assert queue.get() == expected
    finally:
        stop.set()
        for thread in threads:
            thread.join()


# ---- degradations


def test_degrade_moves_the_map() -> None:
    page = fovea.render(TEXT, font_size_px=14, side_px=320)
    before = page.boxes.copy()
    worse, report = fovea.degrade(page, skew_degrees=6, noise=4, seed=3, report=True)
    assert report.steps == ["skew_degrees=6", "noise=4"] and report.num_chars_cut == 0
    assert np.array_equal(page.boxes, before), "the page itself was changed"
    matrix = report.degraded_from_page
    inked = before[:, 2] > before[:, 0]
    centre = np.stack([(before[:, 0] + before[:, 2]) / 2, (before[:, 1] + before[:, 3]) / 2, np.ones(len(before))])[:, inked]
    moved = matrix @ centre
    moved = moved[:2] / moved[2]
    after = worse.boxes[inked]
    assert np.abs((after[:, 0] + after[:, 2]) / 2 - moved[0]).max() < 2 and np.abs((after[:, 1] + after[:, 3]) / 2 - moved[1]).max() < 2
    again = fovea.degrade(page, {"skew_degrees": 6, "noise": 4}, seed=3)
    assert np.array_equal(np.asarray(again), np.asarray(worse))
    assert not np.array_equal(np.asarray(fovea.degrade(page, noise=4, index=1)), np.asarray(fovea.degrade(page, noise=4, index=2)))
    picture = fovea.degrade(np.full((40, 60, 3), 255, np.uint8), jpeg_quality=5, occlusion=0.1)
    assert picture.pixels.shape == (40, 60, 3)
    with pytest.raises(fovea.ConfigError, match="jpeg_quality must be at most 100"):
        fovea.degrade(page, jpeg_quality=300)


# ---- maps


def test_map_page() -> None:
    page = fovea.render(TEXT * 12, side_px=640, font_size_px=13)
    grid_map = fovea.map_page(page, "small", text_tokens=True)
    assert grid_map.grid.num_tokens == 100 and grid_map.ink_density.shape == (10, 10) and grid_map.valid.all()
    tokens = fovea.deepseek_tokenizer().count_tokens(page.text)
    assert grid_map.num_text_tokens == tokens and grid_map.text_tokens.sum() == pytest.approx(tokens)
    assert len(grid_map.chars) == len(page.chars)
    token = grid_map.grid.token_at(100, 70)
    assert token == 11 and grid_map.grid.position_of(token) == 12
    for i in grid_map.chars_of_token(token):
        x0, _, x1, y1 = grid_map.grid.token_rect(token)
        box = page.chars[i]
        assert box["x0_px"] < x1 and (box["x1_px"] > x0 or box["x0_px"] == box["x1_px"]) and box["y0_px"] < y1
    assert grid_map.to_dict()["num_glyphs_cut_by_token"] == grid_map.num_glyphs_cut_by_token > 0
    assert fovea.draw_map(page, grid_map).pixels.shape[2] == 3
    assert fovea.draw_map(page, grid_map, "load", scale=2).pixels.shape == (1280, 1280, 3)
    tiled = fovea.map_page(fovea.render(TEXT, width_px=900, height_px=1400, font_size_px=20), "gundam")
    assert [m.grid.name for m in tiled] == ["tiles", "view"] and tiled[1].grid.token_begin == tiled[0].grid.num_tokens
    with pytest.raises(fovea.ConfigError, match="mode must be one of"):
        fovea.map_page(page, "smal")
    with pytest.raises(IndexError):
        grid_map.chars_of_token(100)


def test_map_files_read_back(tmp_path: Path) -> None:
    page = fovea.render(TEXT, font_size_px=14, side_px=320)
    fovea.write_page(page, str(tmp_path / "p"))
    back = fovea.read_map(str(tmp_path / "p.map.json"))
    assert back.text == page.text and np.array_equal(back.boxes, page.boxes) and np.array_equal(np.asarray(back), np.asarray(page))
    saved = json.loads((tmp_path / "p.map.json").read_text())
    assert saved["schema"] == "fovea.page_map" and saved["schema_version"] == 1 and len(saved["chars"]["x0_px"]) == len(TEXT)


def test_pdf_and_svg(tmp_path: Path) -> None:
    page = fovea.render(TEXT, font_size_px=14, side_px=320, keep_draw_list=True)
    fovea.save_pdf(page, tmp_path / "p.pdf")
    assert (tmp_path / "p.pdf").read_bytes().startswith(b"%PDF")
    assert "<svg" in page.to_svg()
    with pytest.raises(fovea.ConfigError):
        fovea.save_pdf(fovea.render(TEXT, font_size_px=14, side_px=320), tmp_path / "q.pdf")
    assert not (tmp_path / "q.pdf").exists()


# ---- verbs


def test_render_and_map_verbs(tmp_path: Path, prose: Path, cli: Cli) -> None:
    out = tmp_path / "out"
    run = cli("render", prose, "--style", "plain", "--set", "font_size_px=12", "--max-pages", 2, "--map", "--out", out)
    assert run.returncode == 0, run.stderr
    assert "2 pages" in run.stdout and "bytes did not fit" in run.stderr
    maps = sorted(out.glob("*.map.json"))
    assert len(maps) == 2
    run = cli("map", *maps, "--mode", "small")
    assert run.returncode == 0, run.stderr
    assert "100 vision tokens" in run.stdout and "ratio" in run.stdout
    numbers = json.loads((out / (maps[0].name.replace(".map.json", ".small.json"))).read_text())
    assert numbers["num_vision_tokens"] == 100 and numbers["num_text_tokens"] > 100
    assert (out / maps[0].name.replace(".map.json", ".small.png")).exists()


def test_sweep_resumes(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "t.txt").write_text(TEXT * 3)
    args = ["render", tmp_path / "t.txt", "--sweep", "font=DejaVu Sans,DejaVu Serif", "size_px=9:11:1", "--contact-sheet", "--out", tmp_path / "out", "--set", "side=1"]
    run = cli(*args)
    assert run.returncode == 2 and "'side' is no field" in run.stderr and not (tmp_path / "out").exists()
    run = cli(*args[:-1], "width_px=240", "height_px=200")
    assert run.returncode == 0, run.stderr
    assert "6 pages" in run.stdout and (tmp_path / "out/contact-sheet.png").exists()
    again = cli(*args[:-1], "width_px=240", "height_px=200")
    assert "6 of 6 cells were there already" in again.stdout
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["status"] == "complete" and len(manifest["cells"]) == 6 and manifest["versions"]["freetype"]


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["none.txt"], ["none.txt"]),
        (["t.txt", "--style", "gliph"], ["gliph", "glyph"]),
        (["t.txt", "--sweep", "font_size_px=9:1:1"], ["never arrive"]),
        (["t.txt", "--sweep", "fnt=a"], ["fnt", "font"]),
        (["t.txt", "--set", "font=DejaVu Sanz"], ["DejaVu Sanz", "DejaVu Sans"]),
        (["t.txt", "--set", "margin_left_px=-3"], ["margin_left_px"]),
        (["t.txt", "--set", "width_px=0"], ["width_px"]),
        (["t.txt", "--out", "/proc/nobody"], ["/proc/nobody"]),
        (["latin1.txt"], ["latin1.txt", "not UTF-8", "position 3"]),
        ([], ["text"]),
    ],
)
def test_bad_input_is_one_line(args: list[str], words: list[str], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_text(TEXT)
    (tmp_path / "latin1.txt").write_bytes(b"caf\xe9")
    before = sorted(os.listdir(tmp_path))
    run = subprocess.run([sys.executable, "-m", "fovea", "render", *args], capture_output=True, text=True, cwd=tmp_path, env=environment(), timeout=120)
    assert run.returncode == 2, run.stderr
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and all(word in lines[0] for word in words), run.stderr
    assert sorted(os.listdir(tmp_path)) == before
