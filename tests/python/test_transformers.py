"""Equality with Hugging Face's own classes, at full width with random weights: the windowed tower, the global tower, decoder layers with 64 experts.

transformers has no DeepSeek-OCR (version 1), but version 2's towers and decoder are the same layers (DeepseekOcr2SamVisionEncoder, DeepseekOcr2TextModel),
and CLIP. Skipped where transformers is not installed: pip install transformers
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("transformers")
import torch

import fovea
from fovea import _C

ocr = pytest.importorskip("transformers.models.deepseek_ocr2.modeling_deepseek_ocr2")
from published import ADDED  # noqa: E402
from safetensors.torch import save_file  # noqa: E402
from transformers.models.clip.configuration_clip import CLIPVisionConfig  # noqa: E402
from transformers.models.clip.modeling_clip import CLIPEncoder  # noqa: E402
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2SamVisionConfig, DeepseekOcr2TextConfig  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
VOCAB = 4096 + len(ADDED)
CLIP_LAYERS, TEXT_LAYERS = 3, 3  # of 24 and 12: full width, less memory


def fill(module: torch.nn.Module, seed: int) -> torch.nn.Module:
    torch.manual_seed(seed)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.dim() == 1 and name.endswith("weight"):
                p.uniform_(0.75, 1.25)
            elif p.dim() == 1:
                p.uniform_(-0.1, 0.1)
            elif "rel_pos" in name or "pos_embed" in name:
                p.uniform_(-0.25, 0.25)
            else:
                bound = (3 / (p.shape[-1] if p.dim() == 3 else p.numel() / p.shape[0])) ** 0.5
                p.uniform_(-bound, bound)
    return module.eval().requires_grad_(False)


class Hub:
    """The Hugging Face modules and the loose parameters around them, and the same values under the published names."""

    def __init__(self) -> None:
        self.sam = fill(ocr.DeepseekOcr2SamVisionEncoder(DeepseekOcr2SamVisionConfig(downsample_channels=[512, 1024])), 1)
        clip = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=CLIP_LAYERS, num_attention_heads=16, hidden_act="quick_gelu", layer_norm_eps=1e-5)
        clip._attn_implementation = "eager"
        self.clip = fill(CLIPEncoder(clip), 2)
        text = DeepseekOcr2TextConfig(
            vocab_size=VOCAB, hidden_size=1280, intermediate_size=6848, moe_intermediate_size=896, num_hidden_layers=TEXT_LAYERS, num_attention_heads=10,
            num_key_value_heads=10, n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6, max_position_embeddings=8192, topk_method="greedy", n_group=1,
            topk_group=1, bos_token_id=0, eos_token_id=1, mlp_layer_types=["dense"] + ["sparse"] * (TEXT_LAYERS - 1),
            rope_parameters={"rope_type": "default", "rope_theta": 10000.0})
        text._attn_implementation = "eager"
        self.text = fill(ocr.DeepseekOcr2TextModel(text), 3)
        torch.manual_seed(4)
        self.head = torch.randn(VOCAB, 1280) * 0.08
        self.class_embedding = torch.randn(1024) * 0.5
        self.position = torch.randn(257, 1024) * 0.5
        self.norm_weight, self.norm_bias = torch.rand(1024) * 0.5 + 0.75, torch.randn(1024) * 0.1
        # The projector lets through what is compared: the windowed tower's 1024 channels as they are, and 256 mixtures of the global tower's.
        self.projector = torch.zeros(1280, 2048)
        self.projector[:1024, 1024:] = torch.eye(1024)
        self.projector[1024:, :1024] = torch.randn(256, 1024) * 1024**-0.5
        self.newline, self.separator = torch.randn(1280), torch.randn(1280)

    def tensors(self) -> Iterator[tuple[str, torch.Tensor]]:
        sam = {"patch_embed.projection": "patch_embed.proj", "layers.": "blocks.", ".layer_norm1": ".norm1", ".layer_norm2": ".norm2", "neck.conv1": "neck.0",
               "neck.norm1": "neck.1", "neck.conv2": "neck.2", "neck.norm2": "neck.3", "proj.conv1": "net_2", "proj.conv2": "net_3"}
        for name, p in self.sam.named_parameters():
            for ours, theirs in sam.items():
                if theirs.startswith("net_") and not name.startswith("proj."):
                    continue
                name = name.replace(ours, theirs)
            yield "model.sam_model." + name, p
        clip = dict(self.clip.named_parameters())
        for i in range(CLIP_LAYERS):
            for kind in ("weight", "bias"):
                at, to = f"layers.{i}.", f"model.vision_model.transformer.layers.{i}."
                yield to + "self_attn.qkv_proj." + kind, torch.cat([clip[f"{at}self_attn.{x}_proj.{kind}"] for x in "qkv"])
                for name in ("self_attn.out_proj.", "layer_norm1.", "layer_norm2.", "mlp.fc1.", "mlp.fc2."):
                    yield to + name + kind, clip[at + name + kind]
        yield "model.vision_model.embeddings.class_embedding", self.class_embedding
        yield "model.vision_model.embeddings.patch_embedding.weight", torch.zeros(1024, 3, 14, 14)
        yield "model.vision_model.embeddings.position_embedding.weight", self.position
        yield "model.vision_model.pre_layrnorm.weight", self.norm_weight
        yield "model.vision_model.pre_layrnorm.bias", self.norm_bias
        yield "model.projector.layers.weight", self.projector
        yield "model.projector.layers.bias", torch.zeros(1280)
        yield "model.image_newline", self.newline
        yield "model.view_seperator", self.separator
        for name, p in self.text.named_parameters():
            if name.endswith("experts.gate_up_proj"):
                for e in range(p.shape[0]):
                    yield f"model.{name[: -len('gate_up_proj')]}{e}.gate_proj.weight", p[e, :896]
                    yield f"model.{name[: -len('gate_up_proj')]}{e}.up_proj.weight", p[e, 896:]
            elif name.endswith("experts.down_proj"):
                for e in range(p.shape[0]):
                    yield f"model.{name[: -len('down_proj')]}{e}.down_proj.weight", p[e]
            else:
                yield "model." + name, p
        yield "lm_head.weight", self.head

    def write(self, folder: Path) -> Path:
        folder.mkdir()
        tokenizer = json.loads((ROOT / "models/reader-tiny/tokenizer.json").read_text(encoding="utf-8"))
        for i, text in enumerate(ADDED):
            tokenizer["added_tokens"].append({"id": 4096 + i, "content": text, "single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True})
        (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
        language = {"bos_token_id": 0, "eos_token_id": 1, "first_k_dense_replace": 1, "hidden_size": 1280, "intermediate_size": 6848, "kv_lora_rank": None, "lm_head": True,
                    "max_position_embeddings": 8192, "moe_intermediate_size": 896, "n_group": 1, "n_routed_experts": 64, "n_shared_experts": 2, "num_attention_heads": 10,
                    "num_experts_per_tok": 6, "num_hidden_layers": TEXT_LAYERS, "num_key_value_heads": 10, "q_lora_rank": None, "qk_nope_head_dim": 0, "qk_rope_head_dim": 0,
                    "rm_head": False, "topk_group": 1, "topk_method": "greedy", "use_mla": False, "v_head_dim": 0, "vocab_size": VOCAB}
        vision = {"image_size": 1024, "mlp_ratio": 3.7362, "model_name": "deeplip_b_l", "model_type": "vision",
                  "width": {"clip-l-14-224": {"heads": 16, "image_size": 224, "layers": CLIP_LAYERS, "patch_size": 14, "width": 1024},
                            "sam_vit_b": {"downsample_channels": [512, 1024], "global_attn_indexes": [2, 5, 8, 11], "heads": 12, "layers": 12, "width": 768}}}
        config = {"model_type": "deepseek_vl_v2", "language_config": language, "vision_config": vision, "vocab_size": VOCAB,
                  "projector_config": {"input_dim": 2048, "model_type": "mlp_projector", "n_embed": 1280, "projector_type": "linear"}}
        (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
        parts: list[dict[str, torch.Tensor]] = [{}, {}]
        for i, (name, value) in enumerate(self.tensors()):
            parts[i % 2][name] = value.detach().contiguous().clone()
        for i, part in enumerate(parts):
            save_file(part, folder / f"model-0000{i + 1}-of-00002.safetensors")
        return folder

    @torch.no_grad()
    def vision(self, pixels: torch.Tensor) -> torch.Tensor:
        """[1, 3, S, S] -> [g * g, 1280]."""
        local = self.sam(pixels).last_hidden_state.flatten(2).transpose(1, 2)
        grid = int(local.shape[1] ** 0.5)
        places = self.position[1:].view(1, 16, 16, 1024).permute(0, 3, 1, 2)
        if grid != 16:
            places = torch.nn.functional.interpolate(places, size=(grid, grid), mode="bicubic", antialias=True, align_corners=False)
        places = torch.cat([self.position[:1], places.permute(0, 2, 3, 1).reshape(grid * grid, 1024)])
        x = torch.cat([self.class_embedding.view(1, 1, 1024), local], 1) + places
        x = torch.nn.functional.layer_norm(x, (1024,), self.norm_weight, self.norm_bias, 1e-5)
        deep = self.clip(inputs_embeds=x).last_hidden_state[:, 1:]
        return torch.nn.functional.linear(torch.cat([deep, local], -1), self.projector)[0]


@pytest.fixture(scope="module")
def hub() -> Hub:
    return Hub()


@pytest.fixture(scope="module")
def reader(hub: Hub, tmp_path_factory: pytest.TempPathFactory) -> _C.Reader:
    return _C.Reader.load(str(hub.write(tmp_path_factory.mktemp("full") / "model")))


@pytest.mark.parametrize("side", [512, 640])
def test_both_towers(hub: Hub, reader: _C.Reader, side: int) -> None:
    page = fovea.render("The quick brown fox jumps over the lazy dog. " * 40, side_px=side, font_size_px=14)
    gray = torch.from_numpy(np.array(page))
    tokens = reader.encode([page])[0]
    rgb = gray.view(side, side, -1)[..., 0].float().expand(3, side, side)
    expected = hub.vision(((rgb / 255 - 0.5) / 0.5).unsqueeze(0))
    grid = side // 64
    ours = tokens.tensor[:-1].view(grid, grid + 1, 1280)
    gap = (ours[:, :grid].reshape(-1, 1280) - expected).abs()
    local, deep = expected[:, :1024].std(), expected[:, 1024:].std()
    print(f"side {side}: windowed tower {float(gap[:, :1024].max() / local):.1e} of its std, global tower {float(gap[:, 1024:].max() / deep):.1e}")
    assert gap[:, :1024].max() < 1e-4 * local
    assert gap[:, 1024:].max() < 1e-4 * deep
    assert torch.equal(ours[:, grid], hub.newline.expand(grid, 1280)) and torch.equal(tokens.tensor[-1], hub.separator)


def test_decoder(hub: Hub, reader: _C.Reader) -> None:
    page = fovea.render("Some words.", side_px=512, font_size_px=30)
    tokens = reader.encode([page])[0]
    reading = reader.decode([tokens], prompt="<image>\nFree OCR.", max_new_tokens=12, loop_min_repeats=0, ngram_size=2)[0]
    before, after = [0], reader.tokenizer.encode("\nFree OCR.", match_added_tokens=True)
    with torch.no_grad():
        embed = hub.text.embed_tokens
        prompt = torch.cat([embed(torch.tensor(before)), tokens.tensor, embed(torch.tensor(after))])
        out = hub.text(inputs_embeds=prompt.unsqueeze(0), use_cache=True)
        ids, probabilities, margins = [], [], []
        written = list(after)
        for _ in range(12):
            logits = out.last_hidden_state[0, -1] @ hub.head.T
            # A random decoder repeats itself: no pair of ids twice, as asked of ours.
            logits[[b for a, b in pairwise(written) if a == written[-1]]] = -torch.inf
            top = logits.topk(2).values
            margins.append(float(top[0] - top[1]))
            ids.append(int(logits.argmax()))
            written.append(ids[-1])
            probabilities.append(float(logits.softmax(-1)[ids[-1]]))
            out = hub.text(input_ids=torch.tensor([[ids[-1]]]), past_key_values=out.past_key_values, use_cache=True)
    assert min(margins) > 1e-3, "this seed has a near tie; take another"
    assert reading.ids == ids
    np.testing.assert_allclose(reading.probabilities, probabilities, rtol=2e-4)
    assert len(set(ids)) > 3, "a decoder that repeats itself proves little"
