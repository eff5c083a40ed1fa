#!/usr/bin/env python3
"""A reader made wider that says what it said: widen.py MODEL OUT STEP...

MODEL is a folder of float32 weights (`fovea convert --quantize none --dtype float32`); training goes on from OUT. Steps, in the order given:

compressor  The last stage as wide as the global tower. MODEL's compressor ends in fewer channels c than the tower has (w): W = input_proj [w, c] leads from one to the other, and the projector
            reads both towers, P = [P1, P2] with P2 [D, c]. The last convolution becomes W K, W b, so that no input_proj is needed, and the projector [P1, P2 W+], where W+ is the pseudo-inverse
            of W (of full column rank, so W+ W = 1).
layers      COUNT layers of attention and MLP more before the compressor's last step (encoder.compressor.layers), whose outputs begin at nothing.
heads       As many key and value heads as query heads: each stands where the query heads that shared it are, so that they can part from here on.
tokens      Vision tokens of twice the width, whose second half the decoder adds before layer LAYER (deepstack_layer), with twice the channels in the compressor's last stage. The new channels
            begin at random, and so, at a hundredth of the usual size, does the second half, which changes next to nothing.
"""
import argparse
import json
import pathlib
import shutil
import struct

import numpy as np

Tensors = dict[str, np.ndarray]
SMALL = 0.01  # of the usual bound
HEAD_DIM = 64  # of the compressor's layers
PROJECTOR, INNER = "model.projector.layers", "model.vision_model.input_proj.weight"


def load(folder: pathlib.Path) -> Tensors:
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


def save(path: pathlib.Path, tensors: Tensors) -> None:
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


def last_stage(config: dict) -> str:
    return f"model.sam_model.net_{len(config['encoder']['compressor']['channels']) + 1}"


def widen_compressor(config: dict, tensors: Tensors, _: argparse.Namespace) -> None:
    channels, width = config["encoder"]["compressor"]["channels"], config["encoder"]["clip"]["width"]
    conv = last_stage(config)
    if INNER not in tensors or channels[-1] >= width:
        raise SystemExit(f"compressor: it must end in fewer channels than the global tower's {width}, got {channels[-1]}")
    lead = tensors.pop(INNER).astype(np.float64)  # [w, c]
    kernel, bias = tensors[conv + ".weight"].astype(np.float64), tensors[conv + ".bias"].astype(np.float64)
    tensors[conv + ".weight"] = np.einsum("wc,cikl->wikl", lead, kernel).astype(np.float32)
    tensors[conv + ".bias"] = (lead @ bias).astype(np.float32)
    old = tensors[PROJECTOR + ".weight"].astype(np.float64)  # [D, w + c]
    tensors[PROJECTOR + ".weight"] = np.concatenate([old[:, :width], old[:, width:] @ np.linalg.pinv(lead)], 1).astype(np.float32)
    channels[-1] = width


def add_layers(config: dict, tensors: Tensors, options: argparse.Namespace) -> None:
    compressor = config["encoder"]["compressor"]
    if len(compressor["channels"]) < 2 or compressor["channels"][-2] % HEAD_DIM:
        raise SystemExit(f"layers: a compressor of two steps or more, the channels before the last a multiple of {HEAD_DIM}, got {compressor}")
    if options.count < 1:
        raise SystemExit(f"layers: --count must be at least 1, got {options.count}")
    first, width = compressor.get("layers", 0), compressor["channels"][-2]
    random = np.random.default_rng([options.seed, first])
    for i in range(first, first + options.count):
        name = f"model.sam_model.layer_{i}."
        tensors[name + "self_attn.q_gain"] = np.full(width // HEAD_DIM, 2, np.float32)  # as core/nn/src/initialise.cpp
        for part, rows in (("self_attn.qkv_proj", 3 * width), ("mlp.fc1", 2 * width)):
            tensors[f"{name}{part}.weight"] = random.uniform(-1, 1, (rows, width)).astype(np.float32) * width**-0.5
        tensors[name + "self_attn.out_proj.weight"] = np.zeros((width, width), np.float32)
        tensors[name + "mlp.fc2.weight"] = np.zeros((width, 2 * width), np.float32)
    compressor["layers"] = first + options.count


def part_heads(config: dict, tensors: Tensors, _: argparse.Namespace) -> None:
    decoder = config["decoder"]
    heads, shared, width = decoder["num_attention_heads"], decoder["num_key_value_heads"], decoder["head_dim"]
    if heads == shared:
        raise SystemExit(f"heads: all {heads} query heads have a key head of their own")
    for name in tensors:
        if name.endswith(("k_proj.weight", "v_proj.weight")) and name.startswith("model.layers."):
            tensors[name] = tensors[name].reshape(shared, width, -1).repeat(heads // shared, axis=0).reshape(heads * width, -1)
    decoder["num_key_value_heads"] = heads


def widen_tokens(config: dict, tensors: Tensors, options: argparse.Namespace) -> None:
    decoder, channels = config["decoder"], config["encoder"]["compressor"]["channels"]
    if decoder.get("deepstack_layer", 0) > 0 or config["encoder"].get("token_width", 0) > 0:
        raise SystemExit("tokens: they have a width of their own already")
    if not 0 < options.layer < decoder["num_hidden_layers"]:
        raise SystemExit(f"tokens: --layer must lie in 1 to {decoder['num_hidden_layers'] - 1}, got {options.layer}")
    conv, old, tower = last_stage(config), channels[-1], config["encoder"]["clip"]["width"]
    kernel = tensors[conv + ".weight"]
    bound = (kernel.size / kernel.shape[0]) ** -0.5
    random = np.random.default_rng(options.seed)
    fresh = random.uniform(-bound, bound, kernel.shape).astype(np.float32)
    tensors[conv + ".weight"] = np.concatenate([kernel, fresh])
    if conv + ".bias" in tensors:
        tensors[conv + ".bias"] = np.concatenate([tensors[conv + ".bias"], np.zeros(old, np.float32)])
    lead = tensors[INNER] if INNER in tensors else np.eye(tower, old, dtype=np.float32)
    tensors[INNER] = np.concatenate([lead, np.zeros_like(lead)], 1)
    projector = tensors[PROJECTOR + ".weight"]  # [D, w + c]
    second = random.uniform(-1, 1, (projector.shape[0], projector.shape[1] + old)) * SMALL * (projector.shape[1] + old) ** -0.5
    tensors[PROJECTOR + ".weight"] = np.concatenate([np.pad(projector, ((0, 0), (0, old))), second.astype(np.float32)])
    for name in (PROJECTOR + ".bias", "model.image_newline", "model.view_seperator"):
        if name in tensors:
            tensors[name] = np.pad(tensors[name], (0, tensors[name].size))
    channels[-1] = 2 * old
    decoder["deepstack_layer"] = options.layer


STEPS = {"compressor": widen_compressor, "layers": add_layers, "heads": part_heads, "tokens": widen_tokens}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=pathlib.Path, help="folder of the model")
    parser.add_argument("out", type=pathlib.Path, help="folder of the wider one")
    parser.add_argument("step", nargs="+", choices=STEPS, help=" | ".join(STEPS))
    parser.add_argument("--layer", type=int, default=4, help="tokens: decoder layer before which the second half is added")
    parser.add_argument("--seed", type=int, default=1, help="layers, tokens: of what begins at random")
    parser.add_argument("--count", type=int, default=1, help="layers: how many more")
    options = parser.parse_args()
    config = json.loads((options.model / "config.json").read_text(encoding="utf-8"))
    tensors = load(options.model)
    for step in options.step:
        STEPS[step](config, tensors, options)
    options.out.mkdir(parents=True, exist_ok=True)
    save(options.out / "model.safetensors", tensors)
    (options.out / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    shutil.copy(options.model / "tokenizer.json", options.out / "tokenizer.json")


if __name__ == "__main__":
    main()
