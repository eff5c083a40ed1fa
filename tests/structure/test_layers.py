"""Structure rules that no compiler checks. The layer table of ARCHITECTURE.md is the contract: who may include whom."""

from __future__ import annotations

import ast
import functools
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
CODE_SUFFIXES = {".h", ".cpp", ".cu", ".cuh"}
BUILT = re.compile(r"\.git|\.venv|build.*|runs|__pycache__|\.pytest_cache|\.ruff_cache")

# Which library of the table an outside header belongs to. Headers that match nothing (C++, POSIX) are free for all.
LIBRARIES = {
    "LibTorch": r"(torch|ATen|c10|caffe2)/",
    "CUDA": r"(cuda|cublas|nccl|thrust/|cub/)",
    "HarfBuzz": r"(harfbuzz/)?hb(-\w+)?\.h",
    "FreeType": r"(ft2build\.h|freetype)",
    "fontconfig": r"fontconfig/",
    "ICU": r"unicode/",
    "libhyphen": r"hyphen\.h",
    "cmark-gfm": r"cmark-gfm",
    "libjpeg": r"(jpeglib|jerror)\.h",
    "libwebp": r"webp/",
    "libtiff": r"tiffio\.h",
    "Cairo": r"cairo(-\w+)?\.h",
    "libpng": r"png\.h",
    "PCRE2": r"pcre2",
    "OpenSSL": r"openssl/",
    "toml++": r"toml\+\+/",
    "nlohmann-json": r"nlohmann/",
    "Eigen": r"Eigen/",
    "pybind11": r"(pybind11/|Python\.h)",
    "GoogleTest": r"(gtest|gmock)/",
    "Google Benchmark": r"benchmark/",
}


@functools.cache
def files() -> tuple[Path, ...]:
    """Files that git tracks or would track; without git, everything but what is built."""
    git = ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        run = subprocess.run(git, capture_output=True, check=True)
        names = [ROOT / name for name in run.stdout.decode().split("\0") if name]
    except (OSError, subprocess.CalledProcessError):
        names = []
        for folder, below, here in os.walk(ROOT):
            below[:] = [name for name in below if not BUILT.fullmatch(name)]
            names += [Path(folder, name) for name in here]
    return tuple(sorted(path for path in names if path.is_file() and not path.is_symlink()))


def layer_rows(text: str) -> dict[str, list[str]]:
    """Folder -> the words of its "may use" cell, from the table under "## Layers"."""
    table = text.split("## Layers", 1)[1].split("\n## ", 1)[0]
    rows = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if len(cells) == 3 and cells[0].startswith("`"):
            words = re.sub(r"\(.*?\)", "", cells[2])
            rows[cells[0].strip("`").rstrip("/")] = [w.strip() for w in words.split(",") if w.strip()]
    return rows


@functools.cache
def allowed() -> dict[str, set[str]]:
    """Folder -> all short names (last part of a folder) and libraries that it may use, itself and inherited ones included."""
    rows = layer_rows((ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8"))
    result: dict[str, set[str]] = {}
    for folder, words in rows.items():
        uses = {folder.split("/")[-1]}
        for word in words:
            below = {name.split("/")[-1]: name for name in result}
            if word == "all of the above":
                uses |= set().union(*result.values())
            elif word in below:
                uses |= result[below[word]]
            else:
                assert word in LIBRARIES, f"ARCHITECTURE.md: {folder} may use '{word}': no folder above it, no known library"
                uses.add(word)
        result[folder] = uses
    return result


def layer_of(path: Path) -> str | None:
    name = path.relative_to(ROOT).as_posix()
    return max((f for f in allowed() if name.startswith(f + "/")), key=len, default=None)


def includes(path: Path) -> list[tuple[int, str]]:
    pattern = re.compile(r'^\s*#\s*include\s*[<"]([^>"]+)[>"]')
    found = ((i, pattern.match(line)) for i, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1))
    return [(i, match.group(1)) for i, match in found if match]


def code_files() -> list[Path]:
    return [path for path in files() if path.suffix in CODE_SUFFIXES]


def test_every_code_folder_is_in_the_table() -> None:
    strangers = {str(path.relative_to(ROOT)) for path in code_files() if layer_of(path) is None}
    assert not strangers, f"C++ files in no folder of ARCHITECTURE.md's table: {sorted(strangers)}"
    empty = [folder for folder in allowed() if not (ROOT / folder).is_dir()]
    assert not empty, f"ARCHITECTURE.md lists folders that do not exist: {empty}"


def test_includes_follow_the_table() -> None:
    short_names = {folder.split("/")[-1] for folder in allowed()}
    problems = []
    for path in code_files():
        may_use = allowed()[layer_of(path) or "tests"]
        for line, header in includes(path):
            where = f"{path.relative_to(ROOT)}:{line} includes {header}"
            if header.startswith("fovea/"):
                used = header.split("/")[1]
                if used not in short_names:
                    problems.append(f"{where}: no such folder in the table")
                elif used not in may_use:
                    problems.append(f"{where}: {layer_of(path)} may use only {sorted(may_use)}")
            elif header.startswith("../"):
                problems.append(f"{where}: a way around the public headers")
            for library, pattern in LIBRARIES.items():
                if re.match(pattern, header) and library not in may_use:
                    problems.append(f"{where}: {layer_of(path)} may not use {library}")
    assert not problems, "\n".join(problems)


def test_cmake_links_follow_the_table() -> None:
    short_names = {folder.split("/")[-1] for folder in allowed()}
    problems = []
    for path in files():
        folder = layer_of(path)
        if path.name != "CMakeLists.txt" or folder is None:
            continue
        text = re.sub(r"#.*", "", path.read_text(encoding="utf-8"))
        for used in sorted(set(re.findall(r"fovea::(\w+)", text)) & short_names - allowed()[folder]):
            problems.append(f"{path.relative_to(ROOT)} links fovea::{used}: {folder} may use only {sorted(allowed()[folder])}")
    assert not problems, "\n".join(problems)


@pytest.mark.parametrize("folder", ["core/base", "core/text", "render", "datasets"])
def test_light_folders_never_see_torch(folder: str) -> None:
    assert "LibTorch" not in allowed()[folder]


def test_renderer_and_model_do_not_know_each_other() -> None:
    core = {folder.split("/")[-1] for folder in allowed() if folder.startswith("core/") and folder != "core/base"}
    assert not allowed()["render"] & core
    for folder in allowed():
        if folder.startswith("core/"):
            assert not allowed()[folder] & {"render", "HarfBuzz", "FreeType", "fontconfig"}, folder


# ---- Python


def imported_modules(source: str, name: str) -> list[str]:
    modules = []
    for node in ast.walk(ast.parse(source, filename=name)):
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            modules += [f"{node.module}.{alias.name}" for alias in node.names]
    return modules


def required_modules(file: str = "scripts/requirements.in") -> set[str]:
    text = re.sub(r"#.*", "", (ROOT / file).read_text(encoding="utf-8"))
    names = {re.split(r"[=<>\s]", line)[0] for line in text.splitlines() if line.strip()}
    modules = {name.replace("-", "_") for name in names}
    return modules - {"pillow", "setuptools"} | ({"PIL"} if "pillow" in names else set()) | ({"yaml"} if "pyyaml" in names else set())


def top_level_modules(source: str, name: str) -> list[str]:
    """Modules that are imported as soon as the file is: not within a function, nor in a try."""
    statements = [node for node in ast.parse(source, filename=name).body if isinstance(node, (ast.Import, ast.ImportFrom))]
    return imported_modules("\n".join(ast.unparse(node) for node in statements), name)


def test_package_imports_only_what_it_declares() -> None:
    optional = required_modules("scripts/requirements-optional.in")
    free = set(sys.stdlib_module_names) | required_modules() | optional | {"fovea"}
    early = [
        f"{path.relative_to(ROOT)} imports {module}, which is optional, before it is needed"
        for path in files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == "python"
        for module in top_level_modules(path.read_text(encoding="utf-8"), str(path))
        if module.split(".")[0] in optional
    ]
    assert not early, "\n".join(early)
    problems = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in files()
        if path.suffix == ".py" and path.relative_to(ROOT).parts[0] == "python"
        for module in imported_modules(path.read_text(encoding="utf-8"), str(path))
        if module.split(".")[0] not in free
    ]
    assert not problems, "\n".join(problems)


def test_users_of_the_package_import_no_private_part() -> None:
    sources = {}
    for path in files():
        name = path.relative_to(ROOT).as_posix()
        if not name.startswith(("notebooks/", "paper-repro/", "scripts/", "experiments/")):
            continue
        if path.suffix == ".py":
            sources[name] = path.read_text(encoding="utf-8")
        elif path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            lines = "".join("".join(cell["source"]) + "\n" for cell in cells if cell["cell_type"] == "code").splitlines()
            sources[name] = "\n".join(line for line in lines if not line.lstrip().startswith(("%", "!")))
    problems = [
        f"{name} imports {module}"
        for name, source in sources.items()
        for module in imported_modules(source, name)
        if module.split(".")[0] == "fovea" and any(part.startswith("_") for part in module.split("."))
    ]
    assert not problems, "\n".join(problems)


def test_no_file_names_a_place_on_somebodys_machine() -> None:
    place = re.compile(r"(?<![\w./~$}-])/(?:home|root|work|workspace|mnt|Users|scratch)/[\w.]")
    problems = []
    for path in files():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # pictures, weights
        if "samples" in path.parts or path.suffix == ".safetensors":
            continue
        problems += [
            f"{path.relative_to(ROOT)}:{i}: {line.strip()[:120]}"
            for i, line in enumerate(text.splitlines(), 1)
            if place.search(line)
        ]
    assert not problems, "\n".join(problems)


# ---- the checks themselves


def test_the_table_parser_reads_a_table() -> None:
    text = "## Layers\n| folder | holds | may use |\n|---|---|---|\n| `core/base` | a, b | libpng (inside), toml++ |\n\n## Next"
    assert layer_rows(text) == {"core/base": ["libpng", "toml++"]}


def test_library_patterns_match_whole_headers() -> None:
    assert re.match(LIBRARIES["HarfBuzz"], "hb-ft.h") and not re.match(LIBRARIES["HarfBuzz"], "hbox.h")
    assert re.match(LIBRARIES["LibTorch"], "torch/types.h") and not re.match(LIBRARIES["LibTorch"], "fovea/nn/torch.h")
