"""Makes python/fovea/_C.pyi from the built extension: .venv/bin/python python/stubs.py. Check the result in when a binding changed."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
HEADER = "# Made by python/stubs.py from the built extension: do not edit.\n"
METHODS = '''
    def to_dict(self) -> dict[str, typing.Any]: ...
    def update(self, fields: dict[str, typing.Any]) -> None: ...
    def override(self, texts: collections.abc.Sequence[str]) -> None: ...
    @staticmethod
    def schema() -> list[dict[str, typing.Any]]: ...
    def __copy__(self) -> typing.Self: ...
    def __deepcopy__(self, memo: dict[int, typing.Any]) -> typing.Self: ...
'''


def config_class(cls: type) -> ast.ClassDef:
    """A config struct as typed attributes and keywords, from its own field table."""
    types = {entry["name"]: entry["type"] for entry in cls.schema()}
    fields: dict[str, str] = {}
    for name in dict.fromkeys(name.split(".")[0] for name in types):
        fields[name] = types[name] if name in types else type(getattr(cls(), name)).__name__
    lines = [f"class {cls.__name__}:"]
    lines += [f"    {name}: {kind}" + f'\n    """{inspect.getdoc(getattr(cls, name))}"""' for name, kind in fields.items()]
    wide = {"int": "int", "float": "float", "list[int]": "collections.abc.Sequence[int] | int", "list[float]": "collections.abc.Sequence[float] | float",
            "list[str]": "collections.abc.Sequence[typing.Any] | str", "str": "typing.Any", "bool": "bool"}
    keywords = ", ".join(f"{name}: {wide.get(kind, f'{kind} | dict[str, typing.Any]')} = ..." for name, kind in fields.items())
    lines.append(f"    def __init__(self, *, {keywords}) -> None: ...")
    return ast.parse("\n".join(lines) + METHODS).body[0]  # type: ignore[return-value]


def make() -> str:
    sys.path.insert(0, str(PACKAGE))
    import torch  # noqa: F401  LibTorch before the extension

    from fovea import _C

    with tempfile.TemporaryDirectory() as folder:
        code = f"import sys, torch; sys.path.insert(0, {str(PACKAGE)!r}); from pybind11_stubgen import main; main(['fovea._C', '--output-dir', {folder!r}])"
        subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)
        tree = ast.parse((Path(folder) / "fovea/_C.pyi").read_text(encoding="utf-8"))
    for i, node in enumerate(tree.body):
        if isinstance(node, ast.ClassDef) and hasattr(getattr(_C, node.name), "schema"):
            tree.body[i] = config_class(getattr(_C, node.name))
    text = ast.unparse(ast.fix_missing_locations(tree))
    return HEADER + text.replace(":\n        ...\n", ": ...\n") + "\n"


if __name__ == "__main__":
    (PACKAGE / "fovea" / "_C.pyi").write_text(make(), encoding="utf-8")
