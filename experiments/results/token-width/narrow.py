"""Bottlenecks that begin where principal components end: a reader whose vision tokens pass the leading directions alone, for the cells of grid.toml to train on from.

    python narrow.py basis BASIS.npy                    directions of the shipped reader-tiny's tokens (uncentred), leading ones first: [512, 512]
    python narrow.py model MODEL BASIS.npy OUT WIDTH..  float32 weights MODEL (`fovea convert --quantize none --dtype float32`) -> OUT-WIDTH with encoder.token_width

token_narrow is R V' and token_widen V R', V the leading directions and R a rotation that spreads what they carry evenly over the numbers, since stored forms round every number alike. The
second needs numpy alone.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "models/reader-64x"))
from widen import load, save  # noqa: E402


def write_basis(path: Path) -> None:
    import torch

    import fovea

    tokenizer, renderer, pages = fovea.deepseek_tokenizer(), fovea.Renderer(), []
    words = (ROOT / "datasets/samples/en_state_of_the_union_1953.txt").read_text(encoding="utf-8").split()
    random = np.random.default_rng(0)
    for ratio in (5, 10, 20, 40):
        for _ in range(10):
            text = ""
            while tokenizer.count_tokens(text) < 100 * ratio:
                begin = int(random.integers(len(words) - 50))
                text += " ".join(words[begin : begin + 50]) + " "
            style = fovea.Style(width_px=640, height_px=640, font="DejaVu Sans", font_size_px=12)
            style.font_size_px = renderer.fit_font_size(text, style, 3, 64, 0.25)
            pages.append(renderer.render(text, style))
    tokens = torch.cat([t.tensor for t in fovea.encode(pages)]).double()
    values, directions = torch.linalg.eigh(tokens.T @ tokens / len(tokens))
    np.save(path, directions.flip(1).float().numpy())
    kept = values.flip(0).cumsum(0) / values.sum()
    print(f"{len(tokens)} tokens; share of their squares in the leading " + ", ".join(f"{n}: {kept[n - 1]:.4f}" for n in (32, 64, 128, 256, 384)))


def narrow(model: Path, basis: Path, out: Path, width: int) -> None:
    config, tensors = json.loads((model / "config.json").read_text(encoding="utf-8")), load(model)
    if config["encoder"].get("token_width", 0) > 0:
        raise SystemExit(f"{model}: its tokens pass a bottleneck already")
    directions = np.load(basis)
    if not 0 < width < len(directions):
        raise SystemExit(f"WIDTH must lie in 1 to {len(directions) - 1}, got {width}")
    rotation, _ = np.linalg.qr(np.random.default_rng(1).standard_normal((width, width)))
    lead = (rotation @ directions[:, :width].T).astype(np.float32)  # [width, 512]
    tensors["model.token_narrow.weight"], tensors["model.token_widen.weight"] = lead, np.ascontiguousarray(lead.T)
    config["encoder"]["token_width"] = width
    folder = Path(f"{out}-{width}")
    folder.mkdir(parents=True, exist_ok=True)
    save(folder / "model.safetensors", tensors)
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copy(model / "tokenizer.json", folder / "tokenizer.json")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    what = parser.add_subparsers(dest="what", required=True)
    basis = what.add_parser("basis")
    basis.add_argument("path", type=Path)
    model = what.add_parser("model")
    model.add_argument("model", type=Path)
    model.add_argument("basis", type=Path)
    model.add_argument("out", type=Path)
    model.add_argument("width", type=int, nargs="+")
    options = parser.parse_args()
    if options.what == "basis":
        write_basis(options.path)
    else:
        for width in options.width:
            narrow(options.model, options.basis, options.out, width)


if __name__ == "__main__":
    main()
