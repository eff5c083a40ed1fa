from __future__ import annotations

from pathlib import Path

import pytest


@pytest.mark.parametrize(("name", "num_pictures"), [("01-first-light", 4), ("02-renderer", 7), ("03-curves", 3), ("04-fox-and-omnidocbench", 2), ("05-ablations", 15)])
def test_notebook_runs(name: str, num_pictures: int, root: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import nbformat
    from conftest import environment
    from nbclient import NotebookClient

    monkeypatch.setenv("PYTHONPATH", environment()["PYTHONPATH"])
    monkeypatch.setenv("FOVEA_MODEL", str(shipped))
    monkeypatch.setenv("FOVEA_NOTEBOOK_RATIOS", "2,5,8" if name == "03-curves" else "5,10")
    monkeypatch.setenv("FOVEA_NOTEBOOK_PAGES", "1")
    monkeypatch.setenv("FOVEA_NOTEBOOK_MAX_TOKENS", "900")
    monkeypatch.setenv("FOVEA_NOTEBOOK_STEPS", "6")
    notebook = nbformat.read(root / "notebooks" / f"{name}.ipynb", as_version=4)
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources={"metadata": {"path": str(root / "notebooks")}}).execute()
    pictures = [o for cell in notebook.cells if cell.cell_type == "code" for o in cell.outputs if "image/png" in o.get("data", {})]
    assert len(pictures) >= num_pictures  # with ipywidgets, what sliders draw is theirs
