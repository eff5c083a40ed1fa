"""A model folder in DeepSeek-OCR's published form with random small weights: everything works with it but reading."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
# Behind the small reader's own 4096: what the published tokenizer has at 128815 to 128824.
ADDED = ["<image>", "<|ref|>", "<|/ref|>", "<|det|>", "<|/det|>", "<|grounding|>", "<td>", "</td>", "<tr>", "</tr>"]


def write_published(folder: Path, seed: int = 0) -> Path:
    """config.json with language_config and vision_config, one safetensors file and a tokenizer, as the published repository has them."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = json.loads((ROOT / "models/reader-tiny/tokenizer.json").read_text(encoding="utf-8"))
    vocab = 4096
    for i, text in enumerate(ADDED):
        tokenizer["added_tokens"].append({"id": vocab + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True})
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    config = json.loads((ROOT / "tests/golden/small_config.json").read_text(encoding="utf-8"))
    small = config["language_config"]["vocab_size"]
    config["language_config"]["vocab_size"] = config["vocab_size"] = vocab + len(ADDED)
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    listed = json.loads((ROOT / "tests/golden/small_tensors.json").read_text(encoding="utf-8"))
    listed = listed.get("tensors", listed) if isinstance(listed, dict) else listed
    shapes = [(e["name"], e["shape"]) for e in listed] if isinstance(listed, list) else [(name, e["shape"]) for name, e in listed.items()]
    random = np.random.default_rng(seed)
    header: dict[str, object] = {}
    parts: list[bytes] = []
    at = 0
    for name, shape in shapes:
        if "embed_tokens" in name or "lm_head" in name:
            shape = [vocab + len(ADDED) if n == small else n for n in shape]
        values = np.ones(shape) if len(shape) == 1 and name.endswith(".weight") else random.normal(0, 0.05, shape)
        parts.append(values.astype("<f4").tobytes())
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [at, at + len(parts[-1])]}
        at += len(parts[-1])
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / "model-00001-of-000001.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"".join(parts))
    return folder


def load_file(path: Path) -> dict[str, np.ndarray]:
    """A safetensors file's tensors by name; the tests' own reader, so that they need no further package and do not check ours by itself."""
    data = path.read_bytes()
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    kinds = {"F32": "<f4", "F64": "<f8", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BOOL": "?"}
    header = json.loads(data[8:begin])
    return {
        name: np.frombuffer(data[begin + entry["data_offsets"][0] : begin + entry["data_offsets"][1]], kinds[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in header.items()
        if name != "__metadata__"
    }
