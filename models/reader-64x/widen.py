#!/usr/bin/env python3
"""The compressor's last stage as wide as the global tower, with the same outputs: widen.py MODEL OUT

MODEL is a folder of float32 weights (`fovea convert --quantize none --dtype float32`) whose compressor ends in fewer channels c than the global tower has (w): W = input_proj [w, c] leads from
one to the other, and the projector reads both towers, P = [P1, P2] with P2 [D, c]. In OUT the last convolution is W K, W b, so that no input_proj is needed, and the projector is [P1, P2 W+], where
W+ is the pseudo-inverse of W (of full column rank, so W+ W = 1). reader-64x's second stage of training starts from this: 512 numbers pass where 384 did.
"""
import json
import pathlib
import shutil
import struct
import sys

import numpy as np


def load(folder: pathlib.Path) -> dict[str, np.ndarray]:
    tensors = {}
    for path in sorted(folder.glob("*.safetensors")):
        data = path.read_bytes()
        begin = 8 + struct.unpack("<Q", data[:8])[0]
        for name, entry in json.loads(data[8:begin]).items():
            if name == "__metadata__":
                continue
            if entry["dtype"] != "F32":
                raise SystemExit(f"{path}: {name} is {entry['dtype']}, must be F32 (fovea convert --quantize none --dtype float32)")
            first, last = entry["data_offsets"]
            tensors[name] = np.frombuffer(data[begin + first : begin + last], "<f4").reshape(entry["shape"])
    return tensors


def save(path: pathlib.Path, tensors: dict[str, np.ndarray]) -> None:
    header, end = {}, 0
    for name, value in tensors.items():
        header[name] = {"dtype": "F32", "shape": list(value.shape), "data_offsets": [end, end + 4 * value.size]}
        end += 4 * value.size
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for value in tensors.values():
            file.write(np.ascontiguousarray(value, "<f4").tobytes())


def main() -> None:
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    source, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    config = json.loads((source / "config.json").read_text(encoding="utf-8"))
    channels, width = config["encoder"]["compressor"]["channels"], config["encoder"]["clip"]["width"]
    tensors = load(source)
    conv, projector, inner = f"model.sam_model.net_{len(channels) + 1}", "model.projector.layers.weight", "model.vision_model.input_proj.weight"
    if inner not in tensors or channels[-1] >= width:
        raise SystemExit(f"{source}: the compressor must end in fewer channels than the global tower's {width}, got {channels[-1]}")
    lead = tensors.pop(inner).astype(np.float64)  # [w, c]
    kernel, bias = tensors[conv + ".weight"].astype(np.float64), tensors[conv + ".bias"].astype(np.float64)
    tensors[conv + ".weight"] = np.einsum("wc,cikl->wikl", lead, kernel).astype(np.float32)
    tensors[conv + ".bias"] = (lead @ bias).astype(np.float32)
    old = tensors[projector].astype(np.float64)  # [D, w + c]
    tensors[projector] = np.concatenate([old[:, :width], old[:, width:] @ np.linalg.pinv(lead)], 1).astype(np.float32)
    channels[-1] = width
    out.mkdir(parents=True, exist_ok=True)
    save(out / "model.safetensors", tensors)
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copy(source / "tokenizer.json", out / "tokenizer.json")


if __name__ == "__main__":
    main()
