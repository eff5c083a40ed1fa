"""`fovea info` and `fovea convert`: what a model holds and needs, and what fewer bits cost."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from published import write_published

import fovea
from fovea import _C
from fovea.cli import cli


def test_the_published_model_by_its_numbers() -> None:
    found = _C.model_info(_C.InfoConfig(model="deepseek-ocr", tensors=False))
    assert (found["num_tensors"], found["num_parameters"]) == (2710, 3_336_106_240)
    parts = {p["name"]: p["num_parameters"] for p in found["tree"]}
    assert parts["model.layers.N.mlp.experts"] == 2_422_210_560 and parts["model.sam_model"] == 89_670_912
    assert parts["model.sam_model.net_2, net_3 (compressor)"] == 5_898_240 and parts["lm_head"] == 165_478_400
    assert sum(parts.values()) == found["num_parameters"]
    assert found["weights"]["num_bytes"] == 6_672_212_480
    modes = {m["mode"]: m for m in found["modes"]}
    assert [modes[m]["num_vision_tokens"] for m in ("tiny", "small", "base", "large")] == [64, 100, 256, 400]
    assert modes["gundam"]["num_tiles"] == 6 and modes["gundam"]["num_vision_tokens"] == 256 + 600
    assert modes["gundam"]["cache_bytes"] == 8192 * 61440  # spec: 61,440 bytes a token in bf16, all positions used
    short = _C.model_info(_C.InfoConfig(model="deepseek-ocr", tensors=False, max_new_tokens=100))["modes"][0]
    assert short["cache_bytes"] == (73 + 100) * 61440


def test_command_takes_presets_and_folders(tmp_path: Path) -> None:
    folder = write_published(tmp_path / "model")
    result = CliRunner().invoke(cli, ["info", str(folder), "--no-tensors"])
    assert result.exit_code == 0, result.output
    assert "gundam-m" in result.output and "on disk" in result.output and "model.layers.N.mlp.experts" in result.output
    result = CliRunner().invoke(cli, ["info", "reader-tiny", "--no-tensors"])
    assert "41" in result.output and "640" in result.output
    with pytest.raises(ValueError, match="deepseek-ocr, reader-tiny, miniature"):
        _C.model_info(_C.InfoConfig(model="deepseek"))


@pytest.mark.parametrize("bits", ["int8", "int6", "int4"])
def test_fewer_bits_are_checked_and_reported(miniature: Path, tmp_path: Path, bits: str) -> None:
    out = tmp_path / bits
    result = CliRunner().invoke(cli, ["convert", "--model", str(miniature), "--out", str(out), "--quantize", bits])
    assert result.exit_code == 0, result.output
    assert "read back" in result.output and bits in result.output
    report = _C.convert_model(_C.ConvertConfig(model=str(miniature), out=str(tmp_path / "again"), quantize=bits))
    part = report["stored"][bits]
    assert part["num_bytes"] < part["num_bytes_original"] / {"int8": 3, "int6": 4.5, "int4": 6}[bits]
    low, high = {"int8": (0.001, 0.02), "int6": (0.005, 0.05), "int4": (0.02, 0.2)}[bits]
    assert low < part["relative_error"] < high and report["num_checked"] == report["num_tensors"]
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["name"] == "miniature"
    page = fovea.render("words", width_px=128, height_px=128)
    a, b = (fovea.encode(page, m).tensor for m in (miniature, out))
    assert 0 < float((a - b).norm() / a.norm()) < 0.6


@pytest.mark.parametrize(
    ("part", "field", "value", "text"),
    [
        ("language_config", "num_hidden_layers", 10**12, "num_hidden_layers must be at most"),
        ("language_config", "hidden_size", "wide", "hidden_size is missing or no whole number"),
        ("sam_vit_b", "heads", 0, "heads"),
        ("sam_vit_b", "global_attn_indexes", "all", "global_attn_indexes is no list"),
        ("clip-l-14-224", "heads", -3, "heads"),
    ],
)
def test_hostile_configs_are_one_clear_error(tmp_path: Path, part: str, field: str, value: object, text: str) -> None:
    folder = write_published(tmp_path / "model")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (config["language_config"] if part == "language_config" else config["vision_config"]["width"][part])[field] = value
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(fovea.ConfigError, match=text):
        fovea.reader(str(folder))
    with pytest.raises(fovea.ConfigError, match=text):
        _C.model_info(_C.InfoConfig(model=str(folder)))
