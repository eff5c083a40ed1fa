from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
# The tests share two cores with each other: waiting threads must not spin.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("MPLBACKEND", "agg")


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def miniature(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model folder with random weights: everything works with it but reading."""
    import fovea

    folder = tmp_path_factory.mktemp("models") / "miniature"
    fovea.save_random_model(str(folder), fovea.preset("miniature"), seed=1)
    shutil.copy(ROOT / "models/reader-tiny/tokenizer.json", folder / "tokenizer.json")
    return folder


@pytest.fixture(scope="session")
def shipped() -> Path:
    folder = ROOT / "models/reader-tiny"
    if not list(folder.glob("*.safetensors")):
        pytest.skip("models/reader-tiny has no weights")
    return folder


@pytest.fixture(scope="session")
def prose(root: Path) -> Path:
    return root / "datasets/samples/en_the_man_who_was_thursday.txt"


def environment(**more: str) -> dict[str, str]:
    path = os.pathsep.join(p for p in [str(ROOT / "python"), os.environ.get("PYTHONPATH", "")] if p)
    return {**os.environ, "PYTHONPATH": path, **more}


@pytest.fixture(scope="session")
def cli() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs `fovea ARGS...` in a process of its own."""

    def run(*args: object, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "fovea", *map(str, args)], capture_output=True, text=True, env=environment(**more), timeout=300
        )

    return run
