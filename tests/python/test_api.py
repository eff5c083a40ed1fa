from __future__ import annotations

import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import environment

import fovea


def test_errors_have_their_python_bases() -> None:
    for name, base in {
        "ConfigError": ValueError, "ShapeError": ValueError, "WeightsError": RuntimeError, "RenderError": RuntimeError, "IoError": OSError,
        "UnsupportedError": NotImplementedError, "InternalError": RuntimeError,
    }.items():
        kind = getattr(fovea, name)
        assert issubclass(kind, fovea.Error) and issubclass(kind, base)
    with pytest.raises(OSError, match="no-such-folder"):
        fovea.Reader.load("no-such-folder")


def test_score() -> None:
    score = fovea.score("the quick brown fox", "the quick  brwn fox\n")
    assert score.precision == 0.75 and score.recall == 0.75 and score.f1 == 0.75
    assert score.num_edits == 1 and score.char_edit_distance == pytest.approx(1 / 19)
    assert [run[0] for run in score.script] == ["match", "delete", "match"]
    assert score.script[1] == ("delete", 12, 12, 1)
    assert fovea.score("a", "a").char_edit_distance == 0


def test_tokenizer() -> None:
    tokenizer = fovea.deepseek_tokenizer()
    text = "Saffron Park – naïve 12345"
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text and tokenizer.count_tokens(text) == len(ids) and len(tokenizer) > 128000
    _, ends = tokenizer.encode_with_offsets(text)
    assert ends[-1] == len(text.encode())


def test_config_structs() -> None:
    config = fovea.CurveConfig(budget=100, ratio=[5, 10], style={"line_height": 1.2}, generate=fovea.GenerateConfig(max_new_tokens=9))
    assert config.budget == [100] and config.ratio == [5.0, 10.0] and config.generate.max_new_tokens == 9
    config.generate.max_new_tokens = 11
    assert config.to_dict()["generate"]["max_new_tokens"] == 11
    config.override(["budget=64,100", "generate.temperature=0.5", "text_kind=digits"])
    assert config.budget == [64, 100] and config.generate.temperature == 0.5 and config.text_kind == "digits"
    with pytest.raises(fovea.ConfigError, match=r"unknown option 'buget', did you mean 'budget'\?"):
        fovea.CurveConfig(buget=3)
    with pytest.raises(fovea.ConfigError, match=r"pages must be at least 1.*ratio must be a number|ratio must be a number.*pages must be at least 1"):
        fovea.CurveConfig(pages=0, ratio="ten")
    with pytest.raises(fovea.ConfigError, match="width_px"):
        fovea.CurveConfig(style={"width_px": 3})


def test_tokens_are_all_the_decoder_sees(miniature: Path, tmp_path: Path) -> None:
    model = fovea.reader(miniature)
    pages = [fovea.render(word * 30, side_px=192) for word in ("alpha ", "omega ")]
    tokens = fovea.encode(pages, miniature)
    assert tokens[0].num_vision_tokens == 9 and tokens[0].num_decoder_positions == 13 and tokens[0].tensor.shape == (13, 64)
    texts = fovea.decode(tokens, miniature, max_new_tokens=24)
    tokens[0].save(str(tmp_path / "a.safetensors"))
    tokens[1].save(str(tmp_path / "b.safetensors"))
    code = (
        "import sys, fovea\n"
        "for name in sys.argv[2:]:\n"
        "    print(repr(fovea.decode(fovea.VisionTokens.load(name), sys.argv[1], max_new_tokens=24)))\n"
    )
    names = [str(tmp_path / "b.safetensors"), str(tmp_path / "a.safetensors")]
    run = subprocess.run([sys.executable, "-c", code, str(miniature), *names], capture_output=True, text=True, env=environment(), check=True)
    assert run.stdout.splitlines() == [repr(texts[1]), repr(texts[0])]
    assert texts[0] != texts[1], "random weights, yet different pages must give different texts"
    gray = np.array(pages[0])
    assert fovea.decode(fovea.encode(gray, miniature), miniature, max_new_tokens=24) == texts[0]
    rebuilt = fovea.VisionTokens(tokens[0].tensor.clone(), 3, 3, "miniature")
    assert model.decode([rebuilt], max_new_tokens=24)[0].text == texts[0]


def test_shapes_are_checked(miniature: Path) -> None:
    with pytest.raises(fovea.ShapeError, match="multiple of 64 px"):
        fovea.encode(np.full((100, 100), 255, np.uint8), miniature)
    with pytest.raises(fovea.ShapeError, match="uint8"):
        fovea.encode(np.zeros((64, 64), np.float32), miniature)
    with pytest.raises(TypeError, match="a page must be"):
        fovea.encode("text", miniature)
    with pytest.raises(fovea.ConfigError, match="did you mean 'max_new_tokens'"):
        fovea.decode(fovea.encode(np.full((64, 64), 255, np.uint8), miniature), miniature, max_new_token=3)


def test_broken_weights_are_told(miniature: Path, tmp_path: Path) -> None:
    shutil.copytree(miniature, tmp_path / "m")
    weights = next((tmp_path / "m").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(fovea.WeightsError, match=weights.name):
        fovea.Reader.load(str(tmp_path / "m"))
    weights.unlink()
    with pytest.raises(fovea.Error):
        fovea.Reader.load(str(tmp_path / "m"))


def test_long_calls_release_the_gil(miniature: Path) -> None:
    model = fovea.reader(miniature)
    tokens = model.encode([fovea.render("gil " * 40, side_px=256)])
    ticks, done = [], threading.Event()

    def tick() -> None:
        while not done.is_set():
            ticks.append(time.monotonic())
            time.sleep(0.002)

    thread = threading.Thread(target=tick)
    thread.start()
    start = time.monotonic()
    model.decode(tokens * 4, max_new_tokens=400, loop_min_repeats=0)
    end = time.monotonic()
    done.set()
    thread.join()
    inside = [t for t in ticks if start < t < end]
    assert len(inside) >= 3 + (end - start) / 0.2, f"{len(inside)} ticks of another thread in {end - start:.2f} s"


def test_stubs_are_those_of_the_extension(root: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", "import sys; sys.path.insert(0, sys.argv[1]); import stubs; print(stubs.make(), end='')", str(root / "python")],
        capture_output=True, text=True, env=environment(), check=True,
    )
    assert run.stdout == (root / "python/fovea/_C.pyi").read_text(encoding="utf-8"), "run python/stubs.py"
