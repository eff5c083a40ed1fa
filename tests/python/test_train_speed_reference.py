"""The plain PyTorch model that training is timed against is the same model: with reader-tiny's weights it reads."""

import importlib.util
import json
import textwrap
from pathlib import Path

import numpy as np
import torch
from conftest import ROOT
from published import load_file

import fovea


def reference():
    spec = importlib.util.spec_from_file_location("train_speed_reference", ROOT / "experiments/bench/train_speed_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_with_the_shipped_weights_it_reads(shipped: Path) -> None:
    folder = shipped
    stored = {}
    for path in sorted(folder.glob("*.safetensors")):
        stored.update(load_file(path))
    weights = {}
    for name, tensor in stored.items():
        if name.endswith(".scale"):
            continue
        scale = stored.get(name + ".scale")
        values = torch.from_numpy(tensor.astype(np.float32))
        weights[name] = values if scale is None else values * torch.from_numpy(scale.copy()).view(-1, *[1] * (tensor.ndim - 1))
    with torch.device("cpu"):
        objective = reference().Objective(json.loads((folder / "config.json").read_text(encoding="utf-8")), classes=3)
    missing, unexpected = objective.load_state_dict(weights, strict=False)
    assert not unexpected and all(name.startswith(("token_probe", "patch_probe", "offset_readout")) for name in missing), (missing, unexpected)

    prose = (ROOT / "datasets/samples/en_the_man_who_was_thursday.txt").read_text(encoding="utf-8")[2000:2300].replace("\n", " ")
    text = "\n".join(textwrap.wrap(prose, 30)[:7])
    pixels = torch.from_numpy(np.array(fovea.render(text, width_px=256, height_px=256, font="DejaVu Sans", font_size_px=14))).view(1, 1, 256, 256)
    ids = [int(i) for i in fovea.Tokenizer.from_file(str(folder / "tokenizer.json")).encode(text)]
    with torch.no_grad():
        _, _, sequence = objective.model.encode(1.0 - pixels.float() / 255.0)
        hidden, _, _ = objective.model.decode(sequence, torch.tensor([[0, *ids]]))
        said = objective.lm_head(hidden[0, sequence.shape[1] :]).argmax(-1)
    right = (said == torch.tensor([*ids, 1])).float().mean()
    assert right > 0.97, right
