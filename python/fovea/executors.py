"""Who runs the cells of a sweep: this process, a Slurm array, or Ray. A cell is `fovea-run eval OUT/cells/HASH/config.json`, whoever starts it.

Cells are frozen before any runs. Two executors on one folder do not disturb each other: a cell is held by a lock of its run folder, which ends with
its process, and a finished cell is not run again.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fovea import _C
from fovea.api import git_revision
from fovea.evaluation import read_grid, resolve_grid

EXECUTORS = ("local", "slurm", "ray")


def freeze(grid: str | os.PathLike[str] | Mapping[str, Any] | None, axes: list[str], out: Path) -> dict[str, Any] | None:
    """Writes the cells if a grid is named; None if the folder's own sweep is gone on with."""
    if grid is None and not axes:
        return None
    table = dict(grid) if isinstance(grid, Mapping) else read_grid(grid) if grid is not None else {}
    return _C.freeze_sweep(str(out), resolve_grid(table, axes, out), axes)


def run(
    grid: str | os.PathLike[str] | Mapping[str, Any] | None,
    axes: list[str],
    out: Path,
    executor: str = "local",
    *,
    parquet: bool = False,
    dry_run: bool = False,
    on_cell: Callable[[dict[str, Any]], None] | None = None,
    on_progress: Callable[[int, int, float, float], None] | None = None,
    command: list[str] | None = None,
    slurm: list[str] | None = None,
    tasks: int = 0,
    submit: bool = True,
    ray_address: str | None = None,
    cpus: float = 1,
    gpus: float = 0,
    **options: Any,
) -> dict[str, Any]:
    """See fovea.sweep. options: fields of SweepConfig. slurm: lines for sbatch; tasks: size of the array (0: one a cell, at most 1000)."""
    if executor not in EXECUTORS:
        raise _C.ConfigError(f"[sweep] executor must be one of {', '.join(EXECUTORS)}, got '{executor}'")
    command = list(sys.argv) if command is None else command
    if dry_run:
        if grid is None and not axes:
            return _C.run_sweep(_C.SweepConfig(out=str(out), dry_run=True, **options))
        table = dict(grid) if isinstance(grid, Mapping) else read_grid(grid) if grid is not None else {}
        return _dry_run(table, axes, out, options)
    sweep = freeze(grid, axes, out)
    if executor == "slurm":
        result = _slurm(out, slurm or [], tasks, submit, options)
    elif executor == "ray":
        result = _ray(out, command, ray_address, cpus, gpus, on_cell, on_progress, options)
    else:
        result = _C.run_sweep(_C.SweepConfig(out=str(out), **options), on_cell, on_progress, command, git_revision())
    if parquet and executor != "slurm":
        from fovea import runs

        result["files"] = [*result["files"], *map(str, runs.to_parquet(out))]
    del sweep
    return result


def _dry_run(table: Mapping[str, Any], axes: list[str], out: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Through a file: what a grid's dry run knows of cells that are done, it reads from `out`."""
    import json
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "grid.json"
        path.write_text(json.dumps(resolve_grid(table, axes, scratch)), encoding="utf-8")
        return _C.run_sweep(_C.SweepConfig(grid=str(path), axes=axes, out=str(out), dry_run=True, **options))


def slurm_script(out: Path, lines: list[str], tasks: int, program: list[str]) -> str:
    """An array of `tasks` jobs, each a shard of the sweep. Cells that another job has done or is doing are passed over."""
    extra = "".join(f"#SBATCH {line}\n" for line in lines)
    return (
        "#!/bin/bash\n"
        f"#SBATCH --job-name=fovea-sweep\n#SBATCH --array=0-{tasks - 1}\n#SBATCH --output={out}/slurm/%A_%a.log\n{extra}"
        "# Killed or timed out, submit it again: what is done is not done twice.\n"
        "set -eu\n"
        f"cd {shlex.quote(os.getcwd())}\n"
        f"exec {shlex.join(program)} --out {shlex.quote(str(out))} --shard \"$SLURM_ARRAY_TASK_ID/{tasks}\"\n"
    )


def _slurm(out: Path, lines: list[str], tasks: int, submit: bool, options: dict[str, Any]) -> dict[str, Any]:
    import json

    if not (out / "sweep.json").is_file():
        raise _C.ConfigError(f"[sweep] {out} holds no sweep yet: name a grid file or axes (key=a,b)")
    num_cells = len(json.loads((out / "sweep.json").read_text(encoding="utf-8"))["cells"])
    count = tasks if tasks > 0 else min(num_cells, 1000)
    (out / "slurm").mkdir(parents=True, exist_ok=True)
    script = out / "sweep.sbatch"
    script.write_text(slurm_script(out, lines, count, [sys.executable, "-m", "fovea", "sweep"]), encoding="utf-8")
    notes = []
    if submit and shutil.which("sbatch"):
        done = subprocess.run(["sbatch", str(script)], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise _C.ConfigError(f"[sweep] sbatch failed: {done.stderr.strip() or done.stdout.strip()}; the script is {script}")
        notes.append(done.stdout.strip())
    else:
        notes.append(f"{'not submitted' if not submit else 'sbatch is not on this machine'}; on the cluster: sbatch {script}")
    return {"num_cells": num_cells, "num_complete": 0, "num_done_here": 0, "failed": [], "busy": [], "stopped": False, "notes": notes, "files": [str(script)]}


def _run_cell(out: str, index: int, count: int, command: list[str], revision: str, options: dict[str, Any]) -> dict[str, Any]:
    from fovea import _C as extension

    # A shard of one cell: cell `index` of `count`. The table is made once, at the end, by who started this.
    return extension.run_sweep(extension.SweepConfig(out=out, shard=f"{index}/{count}", **options), None, None, command, revision)


def _ray(
    out: Path,
    command: list[str],
    address: str | None,
    cpus: float,
    gpus: float,
    on_cell: Callable[[dict[str, Any]], None] | None,
    on_progress: Callable[[int, int, float, float], None] | None,
    options: dict[str, Any],
) -> dict[str, Any]:
    try:
        import ray
    except ImportError:
        raise ImportError("executor=ray needs Ray: pip install ray") from None
    import json

    if options.pop("shard", ""):
        raise _C.ConfigError("[sweep] shard goes with executor=local; Ray shares the cells out itself")
    if not (out / "sweep.json").is_file():
        raise _C.ConfigError(f"[sweep] {out} holds no sweep yet: name a grid file or axes (key=a,b)")
    cells = json.loads((out / "sweep.json").read_text(encoding="utf-8"))["cells"]
    started = not ray.is_initialized()
    if started:
        root = str(Path(__file__).resolve().parents[1])
        path = os.pathsep.join(p for p in (root, os.environ.get("PYTHONPATH", "")) if p)
        environment = {"PYTHONPATH": path, **{k: v for k, v in os.environ.items() if k.startswith("FOVEA_")}}
        ray.init(address=address, log_to_driver=False, include_dashboard=False, configure_logging=False, runtime_env={"env_vars": environment})
    try:
        remote = ray.remote(num_cpus=cpus, num_gpus=gpus, max_retries=2)(_run_cell)
        where = str(out.resolve())
        revision = git_revision()
        left = {remote.remote(where, i, len(cells), command, revision, options): cell for i, cell in enumerate(cells)}
        failed: list[dict[str, Any]] = []
        busy: list[str] = []
        done_here = 0
        while left:
            ready, _ = ray.wait(list(left), num_returns=1)
            for reference in ready:
                cell = left.pop(reference)
                try:
                    result = ray.get(reference)
                    failed += result["failed"]
                    busy += result["busy"]
                    done_here += result["num_done_here"]
                    status = "failed" if result["failed"] else "complete"
                except ray.exceptions.RayError as error:
                    text = str(error).strip().splitlines()[-1]
                    failed.append({"hash": cell["hash"], "label": cell["label"], "error": text})
                    status = "failed"
                if on_cell:
                    on_cell({"hash": cell["hash"], "label": cell["label"], "status": status, **({"error": failed[-1]["error"]} if status == "failed" else {})})
                if on_progress:
                    finished = len(cells) - len(left)
                    on_progress(finished, len(cells), finished / len(cells), -1.0)
    finally:
        if started:
            ray.shutdown()
    collected = _C.collect_sweep(str(out), options.get("mark_mixed", False))
    return {
        "num_cells": len(cells), "num_complete": collected["num_complete"], "num_done_here": done_here, "failed": failed, "busy": busy, "stopped": False,
        "notes": collected["notes"], "files": [str(out / "summary.csv")],
    }
