"""`fovea train` as its users start it: several processes, a lost one, a DeepSeek-OCR folder fine-tuned, the log elsewhere."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT, environment
from published import load_file, write_published

import fovea
from fovea import _C

CONFIG = """
tokenizer = "{tokenizer}"
[pages]
text = ["{root}/datasets/samples/en_state_of_the_union_1953.txt"]
fonts = ["DejaVu Sans Mono"]
[trainer]
out = "{out}"
preset = "miniature"
num_steps = 6
tokens_per_batch = 500
max_pages_per_batch = 3
prefetch_steps = 2
log_every = 2
workers = 1
checkpoint_every_s = 0
[trainer.curriculum]
sides_px = [128]
ratio_high_first = 4
ratio_high_last = 4
[trainer.optimizer]
warmup_steps = 2
decay_share = 0
[trainer.objective]
probe_only_share = 0
probe_width = 32
"""


def config_file(folder: Path, out: Path, **more: object) -> Path:
    path = folder / "train.toml"
    path.write_text(CONFIG.format(root=ROOT, out=out, tokenizer=more.pop("tokenizer", ROOT / "models/reader-tiny/tokenizer.json")), encoding="utf-8")
    return path


def start(path: Path, *overrides: str, rank: int = 0, world: int = 1, port: int = 0) -> subprocess.Popen[str]:
    torchrun = {"RANK": str(rank), "WORLD_SIZE": str(world), "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(world), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return subprocess.Popen(
        [sys.executable, "-m", "fovea", "train", str(path), *overrides], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(OMP_NUM_THREADS="1", **(torchrun if world > 1 else {})),
    )  # fmt: skip


def together(path: Path, *overrides: str, world: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [start(path, *overrides, rank=rank, world=world, port=port) for rank in range(world)]
    for process in processes:
        _, errors = process.communicate(timeout=240)
        assert process.returncode == 0, errors


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    path = config_file(tmp_path, tmp_path / "shared")
    together(path, "trainer.micro_batches=2", "trainer.num_steps=2", "trainer.optimizer.shard=true", world=2)  # checkpoints hold the whole state all the same
    together(path, "trainer.num_steps=4", world=1)  # as many micro-batches as the checkpoint has
    together(path, "trainer.num_steps=6", world=2)
    together(path, "trainer.micro_batches=2", f"trainer.out={tmp_path / 'straight'}", world=1)
    shared, straight = (load_file(tmp_path / name / "checkpoint/weights/model.safetensors") for name in ("shared", "straight"))
    assert shared.keys() == straight.keys()
    for name, tensor in shared.items():
        assert np.array_equal(tensor, straight[name]), name
    shared, straight = (load_file(tmp_path / name / "checkpoint/optimizer/model.safetensors") for name in ("shared", "straight"))
    for name, tensor in shared.items():
        assert np.array_equal(tensor, straight[name]), name
    failed = subprocess.run(
        [sys.executable, "-m", "fovea", "train", str(path), "trainer.num_steps=8", "trainer.lost_after_s=2"], capture_output=True, text=True, check=False,
        env=environment(RANK="0", WORLD_SIZE="3", MASTER_ADDR="127.0.0.1", MASTER_PORT="0"), timeout=120,
    )  # fmt: skip
    assert failed.returncode == 2 and ("cannot be shared by 3" in failed.stderr or "waited in vain" in failed.stderr)


def test_processes_on_cpus_share_models_larger_than_a_message(tmp_path: Path) -> None:
    """The store takes 8 MiB a message; 4.6 million parameters more have gradients of 18 MB."""
    path = config_file(tmp_path, tmp_path / "two")
    wide = ("trainer.model=decoder.intermediate_size=12000", "trainer.num_steps=2")
    together(path, *wide, world=2)
    together(path, *wide, "trainer.micro_batches=2", f"trainer.out={tmp_path / 'one'}", world=1)
    two, one = (load_file(tmp_path / name / "checkpoint/weights/model.safetensors") for name in ("two", "one"))
    assert sum(tensor.nbytes for tensor in two.values()) > 18_000_000
    for name, tensor in two.items():
        assert np.array_equal(tensor, one[name]), name


def test_a_lost_process_ends_the_others_and_the_run_goes_on(tmp_path: Path) -> None:
    path = config_file(tmp_path, tmp_path / "out")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = ("trainer.num_steps=100000", "trainer.micro_batches=2", "trainer.lost_after_s=3", "trainer.checkpoint_every_s=0.01")
    first, second = (start(path, *options, rank=rank, world=2, port=port) for rank in range(2))
    deadline = time.monotonic() + 120
    while not (tmp_path / "out/checkpoint/state.json").exists():
        assert time.monotonic() < deadline and first.poll() is None, "no checkpoint"
        time.sleep(0.1)
    os.kill(second.pid, signal.SIGKILL)
    _, errors = first.communicate(timeout=120)
    second.communicate()
    assert first.returncode == 2
    assert "process 0 of 2" in errors and "goes on from its last checkpoint" in errors
    step = json.loads((tmp_path / "out/checkpoint/state.json").read_text())["step"]
    together(path, "trainer.micro_batches=2", f"trainer.num_steps={step + 2}", world=1)
    assert json.loads((tmp_path / "out/checkpoint/state.json").read_text())["step"] == step + 2


def merged_by_peft(base: dict[str, np.ndarray], adapters: Path) -> dict[str, np.ndarray]:
    """The base model's matrices with the adapters merged in by PEFT: a tree of linear layers under the published names stands for the model."""
    peft, torch = pytest.importorskip("peft"), pytest.importorskip("torch")
    root = torch.nn.Module()
    root.prepare_inputs_for_generation = lambda *_, **__: {}  # PEFT asks causal language models for it
    for name, matrix in base.items():
        if not name.endswith(".weight") or matrix.ndim != 2:
            continue
        *path, last = name.removesuffix(".weight").split(".")
        place = root
        for part in path:
            if part not in dict(place.named_children()):
                place.add_module(part, torch.nn.Module())
            place = getattr(place, part)
        linear = torch.nn.Linear(matrix.shape[1], matrix.shape[0], bias=False)
        linear.weight.data = torch.from_numpy(np.array(matrix, dtype=np.float32))
        place.add_module(last, linear)
    whole = peft.PeftModel.from_pretrained(root, str(adapters))
    assert sum("lora_A" in name for name, _ in whole.named_parameters()) == len(load_file(adapters / "adapter_model.safetensors")) // 2
    return {name: value.detach().numpy() for name, value in whole.merge_and_unload().state_dict().items()}


@pytest.mark.parametrize("way", ["frozen encoder and adapters", "stage 2"])
def test_a_published_folder_is_fine_tuned(tmp_path: Path, way: str, cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    base = write_published(tmp_path / "base", seed=3)
    path = config_file(tmp_path, tmp_path / "out", tokenizer=base / "tokenizer.json")
    config = _C.TrainConfig(**_C.read_toml(str(path)))
    config.override([f"trainer.init={base}", "trainer.num_steps=24", "trainer.log_every=4", "trainer.objective.probe=0", "trainer.objective.patch_probe=0", "trainer.objective.guide=0",
                     "trainer.tokens_per_batch=400", "trainer.prompt=<image>\nFree OCR."])  # fmt: skip
    if way == "stage 2":  # SAM and compressor stay (arXiv 2510.18234, section 3.5.2)
        config.override(["trainer.freeze=model.sam_model", "trainer.optimizer.learning_rate=2e-3"])
    else:
        config.override(["trainer.lora.rank=8", "trainer.optimizer.learning_rate=2e-2"])
    losses: list[float] = []
    fovea.train(config, on_log=lambda line: losses.append(line["reader_loss"]))
    assert losses[-1] < losses[0] - 0.3, losses
    before = load_file(base / "model-00001-of-000001.safetensors")
    tuned = tmp_path / "out/model"
    if way != "stage 2":
        about = json.loads((tmp_path / "out/adapters/adapter_config.json").read_text())
        assert about["peft_type"] == "LORA" and about["r"] == 8
        names = set(load_file(tmp_path / "out/adapters/adapter_model.safetensors"))
        assert "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight" in names
        assert not tuned.exists()
        tuned = tmp_path / "merged"
        done = cli("convert", "--model", base, "--out", tuned, "--adapters", tmp_path / "out/adapters")
        assert done.returncode == 0, done.stderr
    after: dict[str, np.ndarray] = {}
    for file in tuned.glob("*.safetensors"):
        after.update(load_file(file))
    changed = {name for name, tensor in before.items() if name in after and not np.array_equal(tensor, after[name])}
    if way == "stage 2":
        assert not any(name.startswith("model.sam_model.") for name in changed)
        assert any(name.startswith("model.vision_model.") for name in changed) and "lm_head.weight" in changed
        assert json.loads((tuned / "config.json").read_text()) == json.loads((base / "config.json").read_text())
    else:
        assert changed and all(".self_attn." in name and name.startswith("model.layers.") for name in changed)
        if importlib.util.find_spec("peft"):
            theirs = merged_by_peft(before, tmp_path / "out/adapters")
            for name in changed:
                assert np.abs(theirs[name] - before[name]).max() > 1e-4
                np.testing.assert_allclose(theirs[name], after[name], rtol=0, atol=1e-6)
    tokens = fovea.encode(np.full((128, 128), 255, np.uint8), tuned)
    assert isinstance(fovea.decode(tokens, tuned, max_new_tokens=4), str)


def test_the_log_goes_where_it_is_asked_for(tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    path = config_file(tmp_path, tmp_path / "out")
    done = cli("train", path, "trainer.num_steps=4", "--tensorboard", tmp_path / "board")
    assert done.returncode == 0, done.stderr
    events = EventAccumulator(str(tmp_path / "board/out"))
    events.Reload()
    assert [event.step for event in events.Scalars("train/loss")] == [2, 4]


def test_bad_starts_are_named(tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]], shipped: Path) -> None:
    path = config_file(tmp_path, tmp_path / "out")
    for overrides, message in (
        (["trainer.freeze=encoder.sam_modell"], "did you mean 'encoder.sam_model'"),
        ([f"trainer.init={shipped}", "trainer.model=encoder.compressor.kind=shuffle"], "init_skip=encoder.compressor"),
        (["trainer.init_skip=encoder"], "need init"),
        (["trainer.validate_every=2"], "valid_text"),
        (["trainer.objective.task=both"], "continue_token_id"),
    ):
        done = cli("train", path, *overrides)
        assert done.returncode == 2 and message in done.stderr, (overrides, done.stderr)
    planned = cli("train", path, f"trainer.init={shipped}", "trainer.init_skip=encoder.compresor", "--plan")
    assert planned.returncode == 2 and "did you mean 'encoder.compressor'" in planned.stderr, planned.stderr


def test_the_plan_knows_what_checkpoints_and_adapters_keep(tmp_path: Path, shipped: Path) -> None:
    config = _C.TrainConfig(tokenizer=str(ROOT / "models/reader-tiny/tokenizer.json"), pages={"text": [str(ROOT / "datasets/samples/en_state_of_the_union_1953.txt")]})
    config.trainer.device, config.trainer.out = "cuda", str(tmp_path)
    whole = _C.plan_training(config)
    config.trainer.checkpoint_activations = True
    recomputed = _C.plan_training(config)
    assert recomputed["memory_gb"]["activations"] < 0.5 * whole["memory_gb"]["activations"]
    config.trainer.objective.guide = 0  # the two layers that guided attention looks into are kept whole
    assert _C.plan_training(config)["memory_gb"]["activations"] < recomputed["memory_gb"]["activations"]
    config.trainer.init, config.trainer.lora.rank = str(shipped), 8
    adapted = _C.plan_training(config)
    assert adapted["parameters_trained"] < 0.1 * adapted["parameters"]["total"]
    assert adapted["memory_gb"]["master_and_optimizer"] < 0.1 * whole["memory_gb"]["master_and_optimizer"]
