"""The plain PyTorch model that training is timed against is the same model: with reader-tiny's weights it reads."""

import importlib.util
import json
import textwrap
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT
from published import load_file

import fovea
from fovea import _C

SAM = {"in_channels": 1, "stem_widths": [8, 16], "stem_blocks": 1, "width": 32, "depth": 4, "heads": 1, "mlp_width": 32, "window": 4, "global_layers": [1, 3], "norm_eps": 1e-6}
CLIP = {"width": 32, "depth": 2, "heads": 1, "mlp_width": 32, "native_grid": 4, "norm_eps": 1e-6}
DECODER = {"vocab_size": 40, "hidden_size": 32, "num_hidden_layers": 5, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "intermediate_size": 32,
           "rms_norm_eps": 1e-6, "rope_theta": 1e4}
CONFIG = {"encoder": {"sam": SAM, "compressor": {"channels": [32, 48]}, "clip": CLIP}, "decoder": DECODER}
SHAPES = {"pages": 2, "channels": 1, "side_px": 128, "text_positions": 9, "lengths": [9, 4], "targets": 13, "glyphs": 5}


def reference():
    spec = importlib.util.spec_from_file_location("train_speed_reference", ROOT / "experiments/bench/train_speed_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_with_the_shipped_weights_it_reads(shipped: Path, tmp_path: Path) -> None:
    folder = tmp_path / "float32"
    _C.convert_model(_C.ConvertConfig(model=str(shipped), out=str(folder), quantize="none", dtype="float32"))
    weights = {}
    for path in sorted(folder.glob("*.safetensors")):
        weights.update({name: torch.from_numpy(tensor.copy()) for name, tensor in load_file(path).items()})
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


def test_a_compiled_layer_is_compiled_once_for_all_blocks_of_its_kind() -> None:
    from torch._dynamo.testing import CompileCounter

    module = reference()
    objective = module.Objective(CONFIG, classes=3, probe_width=16)
    batch = module.batch_of(SHAPES, CONFIG, 3, "cpu")
    assert batch["positions"].tolist() == [*range(9), *range(9, 13)] and len(batch["targets"]) == 13
    eager = [x.item() for x in objective(batch)]
    counter = CompileCounter()
    module.compile_layers(objective, backend=counter)
    for _ in range(2):
        np.testing.assert_allclose([x.item() for x in objective(batch)], eager, rtol=1e-5)
    torch._dynamo.reset()
    assert counter.frame_count == 7, counter.frame_count  # the stem, 2 SAM blocks, CLIP layer, 2 decoder layers, losses


def test_ways_that_take_too_long_are_said_and_cost_nothing_that_was_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module = reference()
    sizes = {"stage": "model", "case": "tiny", "parameters": 0, "parameters_with_probes": 0, "model": CONFIG}
    ours = {"stage": "fixed", "case": "tiny", "tokens_per_batch": 100, "shapes": SHAPES, "steps_per_s": 1.0, "model_tflops": 1.0}
    (tmp_path / "speed.json").write_text(json.dumps({"rows": [sizes, ours]}), encoding="utf-8")
    arguments = [str(tmp_path / "speed.json"), str(tmp_path / "out.json"), "--case=tiny", "--tokens=100", "--device=cpu", "--classes=3"]
    timed = {"way": "eager", "steps": 3}
    with monkeypatch.context() as patch:
        patch.setattr(module, "row_of", lambda way, *_: timed)
        module.main([*arguments, "--ways=eager"])
        patch.setattr(module, "row_of", lambda way, *_: {"way": way, "status": "failed"})
        module.main([*arguments, "--ways=eager"])
    module.main([*arguments, "--ways=compiled", "--compile-limit=0.01"])
    rows = json.loads((tmp_path / "out.json").read_text(encoding="utf-8"))["rows"]
    assert rows == [timed, {"way": "eager", "status": "failed"}, {"way": "compiled", "status": "not compiled within 0.01 s"}]
