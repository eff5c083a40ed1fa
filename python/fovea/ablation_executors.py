"""Who runs the cells of an ablation: this machine's devices, a Slurm array, or Ray. A cell is `fovea ablate-cell cell=FOLDER device=...`, whoever starts it.

A cell is held by a lock that ends with its process, and a finished one is not run again: executors on one folder do not disturb each other. table.csv and
manifest.json are made anew by whoever ends, from all cells that are finished then.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.api import deepseek_tokenizer_path

EXECUTORS = ("local", "slurm", "ray")
CELL_COMMAND = (sys.executable, "-m", "fovea")


def gpu_devices(gpus: str) -> list[str]:
    """"0,1" as devices, one cell at a time on each. Errors: ConfigError (no numbers, one twice)."""
    numbers = [part.strip() for part in gpus.split(",")]
    if not all(part.isdigit() for part in numbers):
        raise _C.ConfigError(f"[ablate] gpus must be numbers such as 0,1, got '{gpus}'")
    if len(set(numbers)) != len(numbers):
        raise _C.ConfigError(f"[ablate] gpus names one twice, got '{gpus}': two cells on one GPU are no longer trained at equal cost")
    return [f"cuda:{part}" for part in numbers]


def run(
    config: Any,
    executor: str = "local",
    *,
    on_progress: Callable[[int, int, list[dict[str, Any]]], None] | None = None,
    slurm: list[str] | None = None,
    tasks: int = 0,
    submit: bool = True,
    ray_address: str | None = None,
    cpus: float = 1,
    ray_gpus: float = 0,
) -> dict[str, Any]:
    """Runs the unfinished cells of config (an AblateConfig). {rows, num_complete, num_failed, num_busy, notes, files}.

    local   one cell at a time on each of config.devices
    slurm   writes OUT/ablate.sbatch, an array of `tasks` jobs (0: one a cell) with the lines `slurm`, and submits it where there is sbatch
    ray     a task a cell, each with `cpus` processors and `ray_gpus` GPUs
    Errors: ConfigError, ImportError (Ray is not installed).
    """
    if executor not in EXECUTORS:
        raise _C.ConfigError(f"[ablate] executor must be one of {', '.join(EXECUTORS)}, got '{executor}'")
    os.environ.setdefault("FOVEA_DEEPSEEK_TOKENIZER", deepseek_tokenizer_path())
    out = Path(config.out)
    if executor == "slurm":
        return _slurm(config, out, slurm or [], tasks, submit)
    if executor == "ray":
        return _ray(config, out, on_progress, ray_address, cpus, ray_gpus)
    result = _C.run_ablation(config, list(CELL_COMMAND), on_progress)
    return {**result, "notes": [], "files": [str(out / "table.csv")]}


def slurm_script(config: Any, lines: list[str], tasks: int) -> str:
    """An array whose job i runs every tasks-th cell from the i-th; cells that another job has done or is doing are passed over."""
    out = Path(config.out).resolve()
    device = "cuda:0" if any(device.startswith("cuda") for device in config.devices) else "cpu"
    words = [*CELL_COMMAND, "ablate", config.grid, "--out", str(out), "--devices", device]
    for change in config.set:
        words += ["--set", change]
    for name in config.only:
        words += ["--only", name]
    gpu = "#SBATCH --gres=gpu:1\n" if device != "cpu" and not any("gres" in line or "gpus" in line for line in lines) else ""
    extra = "".join(f"#SBATCH {line}\n" for line in lines)
    return (
        "#!/bin/bash\n"
        f"#SBATCH --job-name=fovea-ablate\n#SBATCH --array=1-{tasks}\n#SBATCH --output={out}/slurm/%A_%a.log\n{gpu}{extra}"
        "# Killed or timed out, submit it again: finished cells are kept, the others go on from their checkpoints.\n"
        "set -eu\n"
        f"cd {shlex.quote(os.getcwd())}\n"
        f'exec {shlex.join(words)} --no-figure --shard "$SLURM_ARRAY_TASK_ID/{tasks}"\n'
    )


def _slurm(config: Any, out: Path, lines: list[str], tasks: int, submit: bool) -> dict[str, Any]:
    cells = _C.freeze_ablation(config)["cells"]
    count = tasks if tasks > 0 else max(1, len(cells))
    (out / "slurm").mkdir(parents=True, exist_ok=True)
    script = out / "ablate.sbatch"
    script.write_text(slurm_script(config, lines, count), encoding="utf-8")
    if submit and shutil.which("sbatch"):
        done = subprocess.run(["sbatch", str(script)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _C.ConfigError(f"[ablate] sbatch failed: {done.stderr.strip() or done.stdout.strip()}; the script is {script}")
        note = done.stdout.strip()
    else:
        note = f"{'not submitted' if not submit else 'sbatch is not on this machine'}; on the cluster: sbatch {script}"
    return {"rows": [], "num_complete": 0, "num_failed": 0, "num_busy": 0, "notes": [note], "files": [str(script)]}


def _run_cell(folder: str, device: str, environment: dict[str, str]) -> int:
    """A process of its own, so that what a cell leaves on its GPU ends with it."""
    with open(Path(folder) / "log.txt", "ab") as log:
        return subprocess.run([*CELL_COMMAND, "ablate-cell", f"cell={folder}", f"device={device}"], stdout=log, stderr=log, env={**os.environ, **environment}, check=False).returncode


def _ray(
    config: Any, out: Path, on_progress: Callable[[int, int, list[dict[str, Any]]], None] | None, address: str | None, cpus: float, gpus: float
) -> dict[str, Any]:
    try:
        import ray
    except ImportError:
        raise ImportError("executor=ray needs Ray: pip install ray") from None
    cells = _C.freeze_ablation(config)["cells"]
    waiting = [cell for cell in cells if cell["status"] == "unfinished"]
    root = str(Path(__file__).resolve().parents[1])
    path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
    environment = {"PYTHONPATH": path, **{key: value for key, value in os.environ.items() if key.startswith("FOVEA_")}}
    started = not ray.is_initialized()
    if started:
        ray.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False, runtime_env={"env_vars": environment})
    try:
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=2)(_run_cell)
        left = {remote.remote(str(Path(cell["folder"]).resolve()), "cuda" if gpus > 0 else "cpu", environment): cell for cell in waiting}
        errors: dict[str, str] = {}
        while left:
            ready, _ = ray.wait(list(left), num_returns=1)
            for reference in ready:
                cell = left.pop(reference)
                try:
                    if ray.get(reference) != 0:
                        log = (Path(cell["folder"]) / "log.txt").read_text(encoding="utf-8", errors="replace").strip().splitlines()
                        errors[cell["folder"]] = log[-1] if log else "no message"
                except ray.exceptions.RayError as error:
                    errors[cell["folder"]] = str(error).strip().splitlines()[-1]
                if on_progress:
                    on_progress(len(cells) - len(left), len(cells), [])
    finally:
        if started:
            ray.shutdown()
    import json

    for folder, error in errors.items():
        if not (Path(folder) / "result.json").exists():
            (Path(folder) / "failed.json").write_text(json.dumps({"error": error}) + "\n", encoding="utf-8")
    result = _C.collect_ablation(config)
    return {**result, "notes": [], "files": [str(out / "table.csv")]}
