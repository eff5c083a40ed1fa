"""models/reader-64x/widen.py: a wider last compressor stage says the same."""

from __future__ import annotations

import json
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
from conftest import ROOT

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
    subprocess.run([sys.executable, SCRIPT, source, out], check=True)
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
    again = subprocess.run([sys.executable, SCRIPT, out, tmp_path / "never"], capture_output=True, text=True, check=False)
    assert again.returncode != 0 and "fewer channels" in again.stderr and not (tmp_path / "never").exists()
