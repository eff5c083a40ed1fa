"""models/reader-64x/widen.py: what was made wider says the same."""

from __future__ import annotations

import json
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import fovea

SCRIPT = ROOT / "models/reader-64x/widen.py"


def test_a_wider_stage_says_the_same(tmp_path: Path) -> None:
    functions = runpy.run_path(str(SCRIPT))
    rng = np.random.default_rng(1)
    before = {
        "model.sam_model.net_3.weight": rng.normal(size=(5, 4, 3, 3)),
        "model.sam_model.net_3.bias": rng.normal(size=5),
        "model.vision_model.input_proj.weight": rng.normal(size=(8, 5)),
        "model.projector.layers.weight": rng.normal(size=(6, 13)),
    }
    before = {name: value.astype(np.float32) for name, value in before.items()}
    source, out = tmp_path / "before", tmp_path / "after"
    source.mkdir()
    functions["save"](source / "model.safetensors", before)
    (source / "config.json").write_text(json.dumps({"encoder": {"compressor": {"channels": [4, 5]}, "clip": {"width": 8}}}), encoding="utf-8")
    (source / "tokenizer.json").write_text("{}", encoding="utf-8")
    subprocess.run([sys.executable, SCRIPT, source, out, "compressor"], check=True)
    after = functions["load"](out)
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["encoder"]["compressor"]["channels"] == [4, 8]
    assert "model.vision_model.input_proj.weight" not in after
    patch, tower = rng.normal(size=(4, 3, 3)), rng.normal(size=8)

    def stage(tensors: dict[str, np.ndarray]) -> np.ndarray:
        return np.einsum("oikl,ikl->o", tensors["model.sam_model.net_3.weight"], patch) + tensors["model.sam_model.net_3.bias"]

    local, wide = stage(before), stage(after)
    np.testing.assert_allclose(wide, before["model.vision_model.input_proj.weight"] @ local, rtol=1e-4, atol=1e-4)  # what the global tower sees
    read = [tensors["model.projector.layers.weight"] @ np.concatenate([tower, values]) for tensors, values in ((before, local), (after, wide))]
    np.testing.assert_allclose(read[1], read[0], rtol=1e-4, atol=1e-4)
    again = subprocess.run([sys.executable, SCRIPT, out, tmp_path / "never", "compressor"], capture_output=True, text=True, check=False)
    assert again.returncode != 0 and "fewer channels" in again.stderr and not (tmp_path / "never").exists()


@pytest.mark.parametrize("steps", [["layers"], ["heads"], ["tokens"], ["heads", "tokens"]])
def test_wider_readers_read_the_same(miniature: Path, tmp_path: Path, steps: list[str]) -> None:
    functions, source, out = runpy.run_path(str(SCRIPT)), tmp_path / "whole", tmp_path / "wide"
    shutil.copytree(miniature, source)
    rng, tensors = np.random.default_rng(2), functions["load"](miniature)
    for file in source.glob("*.safetensors*"):
        file.unlink()
    # Fresh layers add nothing: let every one matter.
    functions["save"](source / "model.safetensors", {name: value if value.any() or value.ndim < 2 else rng.normal(0, 0.05, value.shape) for name, value in tensors.items()})
    subprocess.run([sys.executable, SCRIPT, source, out, *steps, "--layer", "1"], check=True)
    page = fovea.render("as wide as it is long " * 12, side_px=256)
    read = []
    for folder in (source, out):
        reader = fovea.reader(folder)
        tokens = reader.encode([page])
        read.append((reader.decode(tokens, max_new_tokens=30, loop_min_repeats=0)[0], tokens[0].tensor.shape[1]))
    (before, width), (after, wide) = read
    assert wide == width * (2 if "tokens" in steps else 1)
    assert len(before.ids) == 30 and before.ids == after.ids
    np.testing.assert_allclose(after.probabilities, before.probabilities, rtol=2e-2)  # the second half begins small, not at nothing
    decoder = json.loads((out / "config.json").read_text(encoding="utf-8"))["decoder"]
    assert json.loads((out / "config.json").read_text(encoding="utf-8"))["encoder"]["compressor"].get("layers", 0) == (1 if "layers" in steps else 0)
    assert decoder["num_key_value_heads"] == (2 if "heads" in steps else 1) and decoder["deepstack_layer"] == (1 if "tokens" in steps else 0)
    again = subprocess.run([sys.executable, SCRIPT, out, tmp_path / "never", steps[-1], "--count", "0"], capture_output=True, text=True, check=False)
    assert again.returncode != 0 and f"{steps[-1]}: " in again.stderr and not (tmp_path / "never").exists()


def test_layers_are_added_to_those_there(miniature: Path, tmp_path: Path) -> None:
    functions = runpy.run_path(str(SCRIPT))
    subprocess.run([sys.executable, SCRIPT, miniature, tmp_path / "one", "layers"], check=True)
    subprocess.run([sys.executable, SCRIPT, tmp_path / "one", tmp_path / "three", "layers", "--count", "2"], check=True)
    one, three = (functions["load"](tmp_path / name) for name in ("one", "three"))
    assert all(np.array_equal(three[name], value) for name, value in one.items())
    assert {name.split(".")[2] for name in set(three) - set(one)} == {"layer_1", "layer_2"}
    weight = "model.sam_model.layer_{}.mlp.fc1.weight"
    assert not np.array_equal(three[weight.format(1)], three[weight.format(0)])
    assert fovea.reader(tmp_path / "three").config.encoder.compressor.layers == 3
