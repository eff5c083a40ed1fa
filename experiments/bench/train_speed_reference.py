"""The model that fovea_bench_train times, written in plain PyTorch, and steps of it: eager, and compiled by torch.compile.

    python3 train_speed_reference.py TRAIN_SPEED.json OUT.json [--case reader-tiny] [--tokens 32000] [--ways eager,compiled-layers,compiled] [--compile-limit 60] [--seconds 4]

TRAIN_SPEED.json is what fovea_bench_train wrote: its row "model" says the sizes, its row "fixed" the shapes of the one batch that is learned again and again
(random ids, places and ink here). Same layers, same losses, same work of the optimiser (Muon on matrices, AdamW on the rest), bfloat16 with float32 masters.
Needs torch alone. Sources of Muon as in core/train/include/fovea/train/optimizer.h.

Ways  eager;
      compiled         forwards, backwards and Muon as one graph each, which takes minutes to compile;
      compiled-layers  each kind of block, the stem and all losses on their own, blocks of a kind sharing their code, and Muon's momenta. Eager: the compressor and other
                       small things between the blocks, the rest of Muon (matrices are stacked by shape, so it is few launches), AdamW;
      recorded         compiled, with CUDA graphs.
      A name that ends in -cudnn: attention of cuDNN, which is fast where shapes stay, instead of flash attention.
Each way runs in a process of its own, whose row is added to OUT.json when it ends; rows that are there stay, and a way that fails never replaces one that was timed.
torch keeps what it compiled (TORCHINDUCTOR_CACHE_DIR): a way that was compiled before warms up faster, and --seconds 0 compiles without timing, to fill that cache.
"""

import argparse
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time

import torch
import torch.nn.functional as F
from torch import nn


def rotary_line(count, head_dim, theta, device):
    frequencies = theta ** -(torch.arange(head_dim // 2, device=device) / (head_dim // 2))
    angles = torch.arange(count, device=device)[:, None] * frequencies
    return angles.cos(), angles.sin()


def rotary_grid(side, head_dim, device, theta=100.0):
    frequencies = theta ** -(torch.arange(head_dim // 4, device=device) / (head_dim // 4))
    line = torch.arange(side, device=device)[:, None] * frequencies
    y, x = line[:, None].expand(side, side, -1), line[None].expand(side, side, -1)
    angles = torch.cat([y, x], -1).reshape(side * side, head_dim // 2)
    return angles.cos(), angles.sin()


def norm(x, eps):
    return F.rms_norm(x, (x.shape[-1],), eps=eps)


def heads_of(packed, q_heads, kv_heads, gain, rotary, eps):
    """[B, T, (Hq + 2 Hk) d] -> q [B, Hq, T, d], k, v [B, Hk, T, d]: queries and keys normalised and turned."""
    batch, tokens, width = packed.shape
    d = width // (q_heads + 2 * kv_heads)
    q, k, v = packed.view(batch, tokens, -1, d).transpose(1, 2).split([q_heads, kv_heads, kv_heads], 1)
    cos, sin = rotary

    def turned(x, gain=None):
        x = F.rms_norm(x.float(), (d,), eps=eps)
        if gain is not None:
            x = x * gain.float()[:, None, None]
        a, b = x.chunk(2, -1)
        return torch.cat([a * cos - b * sin, b * cos + a * sin], -1).to(packed.dtype)

    return turned(q, gain), turned(k), v


def Linear(inputs, outputs, bias=False):
    return nn.Linear(inputs, outputs, bias)


class SamAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.eps = c["heads"], c["norm_eps"]
        self.qkv, self.proj = Linear(c["width"], 3 * c["width"]), Linear(c["width"], c["width"])
        self.q_gain = nn.Parameter(torch.full((c["heads"],), 2.0))

    def forward(self, x, rotary):  # [B, T, D]
        q, k, v = heads_of(self.qkv(x), self.heads, self.heads, self.q_gain, rotary, self.eps)
        return self.proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class Mlp(nn.Module):
    def __init__(self, names, width, hidden):
        super().__init__()
        self.names = names
        setattr(self, names[0], Linear(width, hidden))
        setattr(self, names[1], Linear(hidden, width))

    def forward(self, x):
        return getattr(self, self.names[1])(F.gelu(getattr(self, self.names[0])(x)))


class SamBlock(nn.Module):
    def __init__(self, c, window):
        super().__init__()
        self.window, self.eps = window, c["norm_eps"]
        self.attn, self.mlp = SamAttention(c), Mlp(("lin1", "lin2"), c["width"], c["mlp_width"])

    def forward(self, x, rotary):  # [B, n, n, D]
        batch, n, _, width = x.shape
        y, w = norm(x, self.eps), self.window
        if w == 0:
            y = self.attn(y.flatten(1, 2), rotary).view(x.shape)
        else:
            pad = -n % w
            y = F.pad(y, (0, 0, 0, pad, 0, pad))
            k = (n + pad) // w
            y = y.view(batch, k, w, k, w, width).transpose(2, 3).reshape(batch * k * k, w * w, width)
            y = self.attn(y, rotary).view(batch, k, k, w, w, width).transpose(2, 3).reshape(batch, n + pad, n + pad, width)[:, :n, :n]
        x = x + y
        return x + self.mlp(norm(x, self.eps))


class ConvStem(nn.Module):
    def __init__(self, c):
        super().__init__()
        w0, w1 = c["stem_widths"]
        self.blocks = c["stem_blocks"]
        self.cells = nn.Conv2d(c["in_channels"] * 16, w0, 3, padding=1)
        self.down = nn.Conv2d(w0, w1, 3, 2, 1)
        for i in range(self.blocks):
            setattr(self, f"block_{i}_in", nn.Conv2d(w1, w1, 3, padding=1))
            setattr(self, f"block_{i}_out", nn.Conv2d(w1, w1, 3, padding=1))
        self.out = nn.Conv2d(w1, c["width"], 3, 2, 1)

    def forward(self, pixels):
        x = F.pixel_unshuffle(pixels, 4).contiguous(memory_format=torch.channels_last)
        x = F.gelu(self.down(F.gelu(self.cells(x))))
        for i in range(self.blocks):
            x = x + getattr(self, f"block_{i}_out")(F.gelu(getattr(self, f"block_{i}_in")(x)))
        return self.out(x).permute(0, 2, 3, 1).contiguous()


class Sam(nn.Module):
    """The windowed tower with the compressor, as the published checkpoint groups them."""

    def __init__(self, c, compressor):
        super().__init__()
        self.c = c
        self.conv_stem = ConvStem(c)
        self.blocks = nn.ModuleList(SamBlock(c, 0 if i in c["global_layers"] else c["window"]) for i in range(c["depth"]))
        inputs = c["width"]
        self.num_steps = len(compressor["channels"])
        for i, outputs in enumerate(compressor["channels"]):
            setattr(self, f"net_{i + 2}", nn.Conv2d(inputs, outputs, 3, 2, 1))
            inputs = outputs

    def forward(self, pixels):
        x = self.conv_stem(pixels)
        n, d = x.shape[1], self.c["width"] // self.c["heads"]
        inside, whole = rotary_grid(self.c["window"], d, x.device), rotary_grid(n, d, x.device)
        for block in self.blocks:
            x = block(x, inside if block.window else whole)
        patches = norm(x, self.c["norm_eps"])
        x = patches.permute(0, 3, 1, 2)
        for i in range(self.num_steps):
            x = getattr(self, f"net_{i + 2}")(F.gelu(x) if i else x)
        return patches, x.flatten(2).transpose(1, 2)


class ClipAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.heads, self.eps = c["heads"], c["norm_eps"]
        self.qkv_proj, self.out_proj = Linear(c["width"], 3 * c["width"]), Linear(c["width"], c["width"])
        self.q_gain = nn.Parameter(torch.full((c["heads"],), 2.0))

    def forward(self, x, rotary):
        q, k, v = heads_of(self.qkv_proj(x), self.heads, self.heads, self.q_gain, rotary, self.eps)
        return self.out_proj(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))


class ClipLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.eps = c["norm_eps"]
        self.self_attn, self.mlp = ClipAttention(c), Mlp(("fc1", "fc2"), c["width"], c["mlp_width"])

    def forward(self, x, rotary):
        x = x + self.self_attn(norm(x, self.eps), rotary)
        return x + self.mlp(norm(x, self.eps))


class Clip(nn.Module):
    def __init__(self, c, inputs):
        super().__init__()
        self.c = c
        self.embeddings = nn.Module()
        self.embeddings.position_embedding = nn.Embedding(c["native_grid"] ** 2, c["width"])
        self.input_proj = Linear(inputs, c["width"]) if inputs != c["width"] else None
        self.transformer = nn.Module()
        self.transformer.layers = nn.ModuleList(ClipLayer(c) for _ in range(c["depth"]))

    def forward(self, local, grid):
        native = self.c["native_grid"]
        places = self.embeddings.position_embedding.weight.view(native, native, -1)[:grid, :grid].reshape(grid * grid, -1)
        x = (local if self.input_proj is None else self.input_proj(local)) + places
        rotary = rotary_grid(grid, self.c["width"] // self.c["heads"], x.device)
        for layer in self.transformer.layers:
            x = layer(x, rotary)
        return x


class DecoderAttention(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.q_heads, self.kv_heads, self.eps = c["num_attention_heads"], c["num_key_value_heads"], c["rms_norm_eps"]
        q, kv, width = self.q_heads * c["head_dim"], self.kv_heads * c["head_dim"], c["hidden_size"]
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = Linear(width, q), Linear(width, kv), Linear(width, kv), Linear(q, width)
        self.q_gain = nn.Parameter(torch.full((self.q_heads,), 2.0))

    def forward(self, x, rotary):
        packed = F.linear(x, torch.cat([self.q_proj.weight, self.k_proj.weight, self.v_proj.weight]))
        q, k, v = heads_of(packed, self.q_heads, self.kv_heads, self.q_gain, rotary, self.eps)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.q_heads != self.kv_heads)
        return self.o_proj(y.transpose(1, 2).flatten(2)), q, k


class GatedMlp(nn.Module):
    def __init__(self, width, hidden):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = Linear(width, hidden), Linear(width, hidden), Linear(hidden, width)

    def forward(self, x):
        gate, up = F.linear(x, torch.cat([self.gate_proj.weight, self.up_proj.weight])).chunk(2, -1)
        return self.down_proj(F.silu(gate) * up)


class DecoderLayer(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.eps = c["rms_norm_eps"]
        self.self_attn, self.mlp = DecoderAttention(c), GatedMlp(c["hidden_size"], c["intermediate_size"])

    def forward(self, x, rotary, looks=False):
        y, q, k = self.self_attn(norm(x, self.eps), rotary)
        x = x + y
        x = x + self.mlp(norm(x, self.eps))
        return (x, q, k) if looks else x  # returned and unused, they would cost a compiled layer gradients of zeros


class Model(nn.Module):
    """Attribute names are those of the checkpoint, below "model."; lm_head stands beside it there."""

    def __init__(self, config):
        super().__init__()
        e, d = config["encoder"], config["decoder"]
        self.e, self.d = e, d
        channels = e["compressor"]["channels"][-1]
        self.sam_model = Sam(e["sam"], e["compressor"])
        self.vision_model = Clip(e["clip"], channels)
        self.projector = nn.Module()
        self.projector.layers = Linear(e["clip"]["width"] + channels, d["hidden_size"], e.get("projector_bias", True))
        self.image_newline, self.view_seperator = nn.Parameter(torch.randn(d["hidden_size"]) * 0.02), nn.Parameter(torch.randn(d["hidden_size"]) * 0.02)
        self.embed_tokens = nn.Embedding(d["vocab_size"], d["hidden_size"])
        self.layers = nn.ModuleList(DecoderLayer(d) for _ in range(d["num_hidden_layers"]))

    def encode(self, pixels):
        patches, local = self.sam_model(pixels)
        batch, cells, _ = local.shape
        grid = math.isqrt(cells)
        tokens = norm(self.projector.layers(torch.cat([self.vision_model(local, grid), local], -1)), 1e-6)
        width = tokens.shape[-1]
        rows = torch.cat([tokens.view(batch, grid, grid, width), self.image_newline.expand(batch, grid, 1, width)], 2).flatten(1, 2)
        return patches, tokens, torch.cat([rows, self.view_seperator.expand(batch, 1, width)], 1)

    def decode(self, sequence, inputs, guided_layer=-1):
        x = torch.cat([sequence, self.embed_tokens(inputs)], 1)
        rotary = rotary_line(x.shape[1], self.d["head_dim"], self.d["rope_theta"], x.device)
        below, looks = None, None
        for i, layer in enumerate(self.layers):
            if i == guided_layer:
                below = x
                x, *looks = layer(x, rotary, looks=True)
            else:
                x = layer(x, rotary)
        return norm(x, self.d["rms_norm_eps"]), below, looks


class Probe(nn.Module):
    def __init__(self, inputs, frequencies, width, classes):
        super().__init__()
        self.frequencies = frequencies
        self.feature_in, self.offset_in = Linear(inputs, width, True), Linear(4 * frequencies, width, True)
        self.middle, self.lm_head = Linear(width, width, True), Linear(width, classes, True)

    def forward(self, feature, offset):
        angles = (offset[..., None] * (torch.arange(self.frequencies, device=offset.device) * (0.5 * math.pi))).flatten(-2)
        waves = torch.cat([angles.sin(), angles.cos()], -1).to(feature.dtype)
        return self.lm_head(F.gelu(self.middle(F.gelu(self.feature_in(feature) * (1 + self.offset_in(waves))))))


class Objective(nn.Module):
    """Reading, glyph probes on tokens and patches, guided attention with the read-out of the place: weights 1, 1, 0.5, 0.15 (0.5 of it)."""

    def __init__(self, config, classes, probe_width=1024, guide_layer=2):
        super().__init__()
        d = config["decoder"]
        self.d, self.guide_layer, self.stride = d, guide_layer, 16 * 2 ** len(config["encoder"]["compressor"]["channels"])
        self.model = Model(config)
        self.lm_head = Linear(d["hidden_size"], d["vocab_size"])
        self.token_probe = Probe(d["hidden_size"], 16, probe_width, classes)
        self.patch_probe = Probe(config["encoder"]["sam"]["width"], 8, probe_width, classes)
        self.offset_readout = Linear(d["hidden_size"], 64, True)

    @staticmethod
    def probed(probe, features, n, batch, side):
        place = batch["glyph_xy"] / (side / n)
        index = place.floor().clamp(0, n - 1)
        flat = index[..., 1] * n + index[..., 0] + torch.arange(features.shape[0], device=features.device)[:, None] * n * n
        logits = probe(features.flatten(0, 1)[flat.flatten().long()], (place - index).flatten(0, 1))
        return F.cross_entropy(logits.float(), batch["glyph_class"].flatten(), ignore_index=-1)

    def losses(self, patches, tokens, hidden, below, q, k, batch):
        side, positions, text_positions = batch["pixels"].shape[-1], batch["positions"], batch["inputs"].shape[1]
        text = hidden[:, -text_positions:].flatten(0, 1)[positions]
        reading = F.cross_entropy(self.lm_head(text).float(), batch["targets"])
        probes = self.probed(self.token_probe, tokens, side // self.stride, batch, side) + 0.5 * self.probed(self.patch_probe, patches.flatten(1, 2), side // 16, batch, side)
        heads, share = min(4, self.d["num_attention_heads"]), self.d["num_attention_heads"] // self.d["num_key_value_heads"]
        keys = k[:, : -(-heads // share), :-text_positions].repeat_interleave(share, 1)[:, :heads]
        scores = (q[:, :heads, -text_positions:] @ keys.transpose(2, 3)) / math.sqrt(self.d["head_dim"])  # [B, 4, T, P]
        scores = scores.transpose(1, 2).flatten(0, 1)[positions]  # [M, 4, P]
        looking = F.cross_entropy(scores.flatten(0, 1).float(), batch["place_cell"].repeat_interleave(heads), ignore_index=-1)
        readout = self.offset_readout(below[:, -text_positions:].flatten(0, 1)[positions]).float()
        # where the end stands, its place is of no cell
        x, y = (torch.where(batch["place_cell"] < 0, -1, v) for v in (batch["place_offset"] // 32, batch["place_offset"] % 32))
        place = F.cross_entropy(readout[:, :32], x, ignore_index=-1) + F.cross_entropy(readout[:, 32:], y, ignore_index=-1)
        return reading + probes + 0.15 * (looking + 0.5 * place), reading

    def forward(self, batch):
        pixels = (1.0 - batch["pixels"].float() / 255.0).to(self.lm_head.weight.dtype)
        patches, tokens, sequence = self.model.encode(pixels)
        hidden, below, (q, k) = self.model.decode(sequence, batch["inputs"], self.guide_layer)
        return self.losses(patches, tokens, hidden, below, q, k, batch)


def compile_layers(objective, **options):
    """Blocks of a kind share their code, so seven graphs, each with its backwards, whatever the depth: the stem, windowed and global blocks of SAM, layers of CLIP, layers of the
    decoder that are guided and that are not, and the losses. (Fewer and larger than one a loss: kernels are compiled side by side within a graph, graphs one after another.)"""
    options = {"fullgraph": True, "dynamic": False, **options}
    for module in objective.modules():
        if isinstance(module, ConvStem | SamBlock | ClipLayer | DecoderLayer):
            module.compile(**options)
    objective.losses = torch.compile(objective.losses, **options)


def orthogonalised(x):
    """Newton-Schulz on [n, r, c]."""
    tall = x.shape[1] > x.shape[2]
    if tall:
        x = x.transpose(1, 2)
    x = (x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)).to(torch.bfloat16 if x.is_cuda else torch.float32)
    for _ in range(5):
        a = x @ x.transpose(1, 2)
        b = torch.baddbmm(a, a, a, beta=-4.7750, alpha=2.0315)
        x = torch.baddbmm(x, b, x, beta=3.4445)
    return (x.transpose(1, 2) if tall else x).float()


def direction_of(momentum, grad, scale):
    """[n] each, whatever the shape of the matrix: one compilation serves all."""
    grad = grad.float() * scale
    momentum.lerp_(grad, 0.05)
    return torch.lerp(grad, momentum, 0.95)


class Optimizer:
    """Muon for matrices, stacked by shape, AdamW for the rest; float32 masters of both."""

    def __init__(self, module, way):
        self.rate, groups, self.rest = 1e-4, {}, []
        for name, p in module.named_parameters():
            if p.dim() in (2, 4) and not any(word in name for word in ("embed_tokens", "lm_head", "position_embedding")):
                groups.setdefault((p.shape[0], p.numel() // p.shape[0]), []).append(p)
            else:
                self.rest.append(p)
        self.groups = [(shape, ps, torch.stack([p.detach().float().reshape(shape) for p in ps])) for shape, ps in groups.items()]
        self.momenta = [torch.zeros_like(master).flatten() for _, _, master in self.groups]
        self.rest_masters = [p.detach().float().clone().requires_grad_() for p in self.rest]
        self.adam = torch.optim.AdamW(self.rest_masters, lr=self.rate, betas=(0.9, 0.95), weight_decay=0.0, foreach=True)
        self.all = [p for _, ps, _ in self.groups for p in ps] + self.rest
        self.direction_of = torch.compile(direction_of, dynamic=True) if way.startswith("compiled-layers") else direction_of
        self.turn = self.muon if way.startswith(("eager", "compiled-layers")) else torch.compile(self.muon, dynamic=False)

    def muon(self, masters, momenta, grads, scale):
        for master, momentum, grad in zip(masters, momenta, grads, strict=True):
            direction = orthogonalised(self.direction_of(momentum, grad, scale).view(master.shape))
            master.mul_(1 - self.rate * 0.01).sub_(direction, alpha=self.rate * 0.2 * math.sqrt(max(master.shape[1:])))

    @torch.no_grad()
    def step(self):
        grads = [p.grad for p in self.all]
        total = torch.linalg.vector_norm(torch.stack([n.float() for n in torch._foreach_norm(grads)]))
        scale = torch.clamp(1.0 / (total + 1e-6), max=1.0)
        self.turn([master for _, _, master in self.groups], self.momenta, [torch.cat([p.grad.flatten() for p in ps]) for _, ps, _ in self.groups], scale)
        torch._foreach_copy_([p for _, ps, _ in self.groups for p in ps], [m.view(p.shape) for _, ps, master in self.groups for m, p in zip(master.unbind(0), ps, strict=True)])
        for p, master in zip(self.rest, self.rest_masters, strict=True):
            master.grad = p.grad.float() * scale
        self.adam.step()
        torch._foreach_copy_(self.rest, self.rest_masters)
        for p in self.all:
            p.grad = None


def batch_of(shapes, config, classes, device, seed=1):
    g = torch.Generator(device="cpu").manual_seed(seed)
    pages, side, width, glyphs = (shapes[k] for k in ("pages", "side_px", "text_positions", "glyphs"))
    vocab, grid = config["decoder"]["vocab_size"], side // (16 * 2 ** len(config["encoder"]["compressor"]["channels"]))
    if "lengths" in shapes:  # of the text of each page; what is behind it is padding
        positions = torch.cat([page * width + torch.arange(length) for page, length in enumerate(shapes["lengths"])])
    else:
        positions = torch.linspace(0, pages * width - 1, shapes["targets"]).long()
    targets = len(positions)
    batch = {
        "pixels": torch.where(torch.rand(pages, shapes["channels"], side, side, generator=g) < 0.12, 0, 255).to(torch.uint8),
        "inputs": torch.randint(vocab, (pages, width), generator=g),
        "targets": torch.randint(vocab, (targets,), generator=g),
        "positions": positions,
        "place_cell": torch.randint(grid * (grid + 1), (targets,), generator=g),
        "place_offset": torch.randint(1024, (targets,), generator=g),
        "glyph_class": torch.randint(classes, (pages, glyphs), generator=g),
        "glyph_xy": torch.rand(pages, glyphs, 2, generator=g) * side,
    }
    return {k: v.to(device) for k, v in batch.items()}


def timed(way, sizes, fixed, device, classes, compile_limit, for_seconds):
    """The row of one way. Ends the process (SIGALRM) if the first five steps take longer than compile_limit seconds."""
    config, cuda = sizes["model"], device.type == "cuda"
    torch.manual_seed(1)
    with device:
        model = Objective(config, classes).to(torch.bfloat16 if cuda else torch.float32)
    batch = batch_of(fixed["shapes"], config, classes, device)
    sync = torch.cuda.synchronize if cuda else (lambda: None)
    torch.backends.cuda.enable_cudnn_sdp(way.endswith("-cudnn"))
    forward = model
    if way.startswith("compiled-layers"):
        compile_layers(model)
    elif not way.startswith("eager"):
        forward = torch.compile(model, dynamic=False, mode="reduce-overhead" if way.startswith("recorded") else "default")
    optimizer = Optimizer(model, way)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()

    def step():
        if way.startswith("recorded"):
            torch.compiler.cudagraph_mark_step_begin()
        total, reading = forward(batch)
        total.backward()
        optimizer.step()
        return reading.detach()

    signal.setitimer(signal.ITIMER_REAL, compile_limit)  # of the system: no compiler can put it off
    began = time.perf_counter()
    losses = [float(step())]
    first = time.perf_counter() - began
    for _ in range(4):
        last = step()
    sync()
    warm = time.perf_counter() - began
    signal.setitimer(signal.ITIMER_REAL, 0)
    row = {"way": way, "warm_up_s": warm, "first_step_s": first, "graphs": torch._dynamo.utils.counters["stats"]["unique_graphs"]}
    print(f"{way}: warm-up {warm:.1f} s, of which the first step {first:.1f} s, {row['graphs']} graphs", flush=True)
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < for_seconds:
        for _ in range(5 if cuda else 1):
            last = step()
            steps += 1
        sync()
    seconds = time.perf_counter() - began
    losses.append(float(last))
    row.update({"device": torch.cuda.get_device_name(device) if cuda else "CPU", "peak_gb": torch.cuda.max_memory_allocated() / 1e9 if cuda else 0, "reading_loss_first_last": losses})
    if steps == 0:
        return {**row, "status": "not timed"}
    return {**row, "steps": steps, "steps_per_s": steps / seconds, "step_ms": 1e3 * seconds / steps, "pages_per_s": steps * fixed["shapes"]["pages"] / seconds,
            "model_tflops": fixed["model_tflops"] / fixed["steps_per_s"] * steps / seconds, "ours_over_this": fixed["steps_per_s"] / (steps / seconds)}


def row_of(way, args, classes):
    """Runs this file again for the one way: its compiler may take too long and its memory is its own."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "row.json")
        command = [sys.executable, os.path.abspath(__file__), args.speed, path, "--one-way", way]
        command += [f"--{name}={getattr(args, name.replace('-', '_'))}" for name in ("case", "tokens", "compile-limit", "seconds", "device")] + [f"--classes={classes}"]
        code = subprocess.run(command).returncode
        if code == -signal.SIGALRM:
            return {"way": way, "status": f"not compiled within {args.compile_limit:g} s"}
        if code != 0:
            return {"way": way, "status": f"failed, exit code {code}"}
        with open(path) as f:
            return json.load(f)


def main(arguments=None):
    parser = argparse.ArgumentParser()
    parser.add_argument("speed")
    parser.add_argument("out")
    parser.add_argument("--case", default="reader-tiny")
    parser.add_argument("--tokens", type=int, default=32000)
    parser.add_argument("--ways", default="eager,compiled-layers,compiled-layers-cudnn,compiled,compiled-cudnn")
    parser.add_argument("--one-way", help=argparse.SUPPRESS)
    parser.add_argument("--compile-limit", type=float, default=60, help="seconds that a way may take for its first five steps, compiling included; 0: as long as it takes")
    parser.add_argument("--seconds", type=float, default=4, help="of timing, a way")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--classes", type=int, default=0, help="of the glyph probes; 0: what makes their parameters as many as ours")
    args = parser.parse_args(arguments)
    for way in args.ways.split(","):
        if way.removesuffix("-cudnn") not in ("eager", "compiled", "compiled-layers", "recorded"):
            parser.error(f"no way {way}")
    with open(args.speed) as f:
        rows = json.load(f)["rows"]
    sizes = next(r for r in rows if r["stage"] == "model" and r["case"] == args.case)
    fixed = next(r for r in rows if r["stage"] == "fixed" and r["case"] == args.case and r["tokens_per_batch"] == args.tokens and "shapes" in r)

    def write(what):
        with open(args.out + ".part", "w") as f:
            json.dump(what, f, indent=1)
        os.replace(args.out + ".part", args.out)  # whole or not at all, whenever this is killed

    if args.one_way:
        write(timed(args.one_way, sizes, fixed, torch.device(args.device), args.classes, args.compile_limit, args.seconds))
        return
    with torch.device("meta"):
        classes = args.classes
        if classes == 0:
            without = sum(p.numel() for p in Objective(sizes["model"], 0).parameters())
            classes = round((sizes["parameters_with_probes"] - without) / (2 * 1025))
        counted = {name: p.numel() for name, p in Objective(sizes["model"], classes).named_parameters()}
    of_model, of_all = sum(n for name, n in counted.items() if name.startswith(("model.", "lm_head."))), sum(counted.values())
    print(f"{of_model} parameters (ours {sizes['parameters']}), with probes {of_all} (ours {sizes['parameters_with_probes']}), {classes} classes", flush=True)
    out = {"torch": torch.__version__, "case": args.case, "tokens_per_batch": args.tokens, "shapes": fixed["shapes"], "parameters": of_model, "parameters_with_probes": of_all,
           "parameters_as_ours": [of_model == sizes["parameters"], of_all == sizes["parameters_with_probes"]], "ours": fixed, "rows": []}
    if os.path.exists(args.out):
        with open(args.out) as f:
            before = json.load(f)
        if {**before, "rows": []} != out:
            parser.error(f"{args.out} is of another case or run")
        out = before
    for way in args.ways.split(","):
        row = row_of(way, args, classes)
        print(json.dumps(row), flush=True)
        same = [r for r in out["rows"] if r["way"] == way and ("status" not in r) <= ("status" not in row)]
        out["rows"] = [r for r in out["rows"] if r not in same] + [row]
        write(out)


if __name__ == "__main__":
    main()
