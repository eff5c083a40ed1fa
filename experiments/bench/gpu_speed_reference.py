#!/usr/bin/env python3
"""The reference's own way beside fovea_bench_gpu_speed: eager PyTorch with the layers of Hugging Face transformers, one page at a time
(and, beside it, 16).

    python3 gpu_speed_reference.py PAGES_FOLDER OUT.json [--side 1024] [--tokens 96] [--device cuda] [--layers 12]

Random weights at full size. The layers are those of DeepseekOcr2 (SAM, decoder: the same as version 1's) and CLIP. Needs torch and
transformers (5.10 or later); no part of Fovea.
"""
from __future__ import annotations

import argparse
import json
import pathlib
import time

import torch
import transformers
from PIL import Image, ImageOps
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPEncoder
from transformers.models.deepseek_ocr2 import modeling_deepseek_ocr2 as ocr
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2SamVisionConfig, DeepseekOcr2TextConfig


def text_config(layers: int) -> DeepseekOcr2TextConfig:
    return DeepseekOcr2TextConfig(
        vocab_size=129280, hidden_size=1280, intermediate_size=6848, moe_intermediate_size=896, num_hidden_layers=layers, num_attention_heads=10,
        num_key_value_heads=10, n_routed_experts=64, n_shared_experts=2, num_experts_per_tok=6, max_position_embeddings=8192, topk_method="greedy",
        n_group=1, topk_group=1, bos_token_id=0, eos_token_id=1, mlp_layer_types=["dense"] + ["sparse"] * (layers - 1),
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0})


def fill(module: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    with torch.no_grad():
        for name, p in module.named_parameters():
            if p.dim() == 1 and name.endswith("weight"):
                p.fill_(1)
            elif p.dim() == 1:
                p.uniform_(-0.1, 0.1)
            else:
                bound = 1.7 / (p.numel() / p.shape[0]) ** 0.5
                p.uniform_(-bound, bound)
    return module.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", type=pathlib.Path)
    parser.add_argument("out", type=pathlib.Path)
    parser.add_argument("--side", type=int, default=1024)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--num-pages", type=int, default=8, help="runs of one page that the mean is taken of")
    parser.add_argument("--batch", type=int, nargs="+", default=[1, 16], help="pages at a time; 1 is the reference's own way")
    a = parser.parse_args()
    dtype = torch.bfloat16
    rows: list[dict] = []

    def sync() -> None:
        if a.device.startswith("cuda"):
            torch.cuda.synchronize()

    def timed(call):
        sync()
        start = time.perf_counter()
        value = call()
        sync()
        return value, time.perf_counter() - start

    torch.set_default_dtype(dtype)
    with torch.device(a.device):
        sam = fill(ocr.DeepseekOcr2SamVisionEncoder(DeepseekOcr2SamVisionConfig(downsample_channels=[512, 1024])))
        clip_config = CLIPVisionConfig(hidden_size=1024, intermediate_size=4096, num_hidden_layers=24, num_attention_heads=16, hidden_act="quick_gelu")
        clip_config._attn_implementation = "sdpa"
        clip = fill(CLIPEncoder(clip_config))
        projector = fill(torch.nn.Linear(2048, 1280))
        decoder = fill(ocr.DeepseekOcr2TextModel(text_config(a.layers)))
        head = fill(torch.nn.Linear(1280, 129280, bias=False))
    files = sorted(a.pages.glob("*.png"))
    names = ("preprocess", "sam", "clip", "prefill", "decode")

    def read(i: int) -> torch.Tensor:
        page = ImageOps.pad(Image.open(files[i % len(files)]).convert("RGB"), (a.side, a.side), color=(127, 127, 127))
        bytes_ = torch.frombuffer(bytearray(page.tobytes()), dtype=torch.uint8).view(a.side, a.side, 3)
        return (bytes_.permute(2, 0, 1).float() / 255 - 0.5) / 0.5

    @torch.no_grad()
    def one(first: int, batch: int) -> list[float]:
        """Seconds of each stage for `batch` pages."""
        pixels, t0 = timed(lambda: torch.stack([read(first + i) for i in range(batch)]).to(a.device, dtype))
        patches, t1 = timed(lambda: sam(pixels).last_hidden_state.flatten(2).transpose(1, 2))

        def second_half() -> torch.Tensor:
            begin = torch.zeros(batch, 1, 1024, device=a.device, dtype=dtype)
            deep = clip(inputs_embeds=torch.cat([begin, patches], 1)).last_hidden_state[:, 1:]
            return projector(torch.cat([deep, patches], -1))

        vision, t2 = timed(second_half)
        side = int(vision.shape[1] ** 0.5)
        newline = torch.zeros(batch, side, 1, 1280, device=a.device, dtype=dtype)
        sequence = torch.cat([vision.view(batch, side, side, 1280), newline], 2).flatten(1, 2)
        around = decoder.embed_tokens(torch.randint(0, 129280, (batch, 6), device=a.device))
        prompt = torch.cat([around[:, :1], sequence, around[:, 1:]], 1)

        def prefill():
            out = decoder(inputs_embeds=prompt, use_cache=True)
            return out.past_key_values, head(out.last_hidden_state[:, -1:]).argmax(-1)

        (cache, token), t3 = timed(prefill)

        def decode(cache=cache, token=token) -> None:
            for _ in range(a.tokens - 1):
                out = decoder(input_ids=token, past_key_values=cache, use_cache=True)
                cache, token = out.past_key_values, head(out.last_hidden_state[:, -1:]).argmax(-1)
                token.tolist()  # the text goes out, as in the reference

        _, t4 = timed(decode)
        return [t0, t1, t2, t3, t4]

    for batch in a.batch:
        if a.device.startswith("cuda"):
            torch.cuda.reset_peak_memory_stats()
        one(0, batch)  # warms up
        runs = [one(1 + i * batch, batch) for i in range(a.num_pages if batch == 1 else 2)]
        mean = {name: sum(run[i] for run in runs) / len(runs) for i, name in enumerate(names)}
        mean["encode"] = mean["sam"] + mean["clip"]
        for name in ("preprocess", "sam", "clip", "encode", "prefill"):
            rows.append({"stage": name, "batch": batch, "ms": 1e3 * mean[name], "pages_per_s": batch / mean[name]})
        rows.append({"stage": "decode", "batch": batch, "ms_per_token": 1e3 * mean["decode"] / (a.tokens - 1), "tokens_per_s": batch * (a.tokens - 1) / mean["decode"]})
        if a.device.startswith("cuda"):
            rows[-1]["peak_gb"] = torch.cuda.max_memory_allocated() / 1e9
    report = {"what": "transformers layers in eager PyTorch, random weights", "torch": torch.__version__,
              "transformers": transformers.__version__, "rows": rows}
    if a.device.startswith("cuda"):
        report["device"] = torch.cuda.get_device_name()
    a.out.parent.mkdir(parents=True, exist_ok=True)
    a.out.write_text(json.dumps(report, indent=2) + "\n")
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
