"""The issue's list of bad input: one line that names the value and what would do, exit code 2, no traceback, nothing written."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

Cli = Callable[..., subprocess.CompletedProcess[str]]


def check(run: subprocess.CompletedProcess[str], *words: str) -> None:
    assert run.returncode == 2, (run.returncode, run.stderr)
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: "), run.stderr
    for word in words:
        assert word in lines[0], f"{word!r} not in {lines[0]!r}"


@pytest.fixture
def good(miniature: Path, prose: Path, tmp_path: Path) -> list[object]:
    return ["curve", "--text", prose, "--model", miniature, "--budget", "9", "--ratio", "3", "--pages", "1", "--out", tmp_path / "out"]


def replaced(args: list[object], name: str, *values: object) -> list[object]:
    at = args.index(name)
    return [*args[: at + 1], *values, *args[at + 2 :]]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("--model", "no-such-model", ["no-such-model"]),
        ("--text", "no-such-text.txt", ["no-such-text.txt"]),
        ("--text", b"caf\xe9 au lait", ["not UTF-8", "0xE9"]),
        ("--text", b"", ["empty"]),
        ("--text", b" \n\n ", ["bad.txt"]),
        ("--ratio", "900", ["ratio 900", "nearest"]),
        ("--ratio", "ten", ["ratio", "ten"]),
        ("--ratio", "-3", ["ratio", "at least"]),
        ("--budget", "60", ["49", "64"]),
        ("--budget", "1000000", ["at most"]),
        ("--pages", "0", ["pages", "at least 1"]),
        ("--out", "/proc/nobody/here", ["/proc"]),
        ("--out", "FILE", ["is a file"]),
    ],
)
def test_bad_values(name: str, value: object, words: list[str], good: list[object], tmp_path: Path, cli: Cli) -> None:
    if isinstance(value, bytes):
        (tmp_path / "bad.txt").write_bytes(value)
        value = tmp_path / "bad.txt"
    if value == "FILE":
        (tmp_path / "file").write_text("x")
        value = tmp_path / "file"
    before = sorted(tmp_path.rglob("*"))
    check(cli(*replaced(good, name, value)), *words)
    assert sorted(tmp_path.rglob("*")) == before, "something was written"


def test_unknown_font(good: list[object], tmp_path: Path, cli: Cli) -> None:
    check(cli(*good, "--font", "DejaVu Sanz Mono"), "DejaVu Sanz Mono", "DejaVu Sans Mono")
    assert not (tmp_path / "out").exists()


def test_text_too_short_for_a_ratio(good: list[object], tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "short.txt").write_text("Only these few words are here.\n")
    check(cli(*replaced(good, "--text", tmp_path / "short.txt")), "short.txt", "nearest ratio")
    assert not (tmp_path / "out").exists()


def test_the_nearest_ratio_can_be_reached(good: list[object], tmp_path: Path, cli: Cli) -> None:
    run = cli(*replaced(good, "--ratio", "400"))
    check(run, "ratio 400", "nearest")
    nearest = run.stderr.split()[-1]
    again = cli(*replaced(good, "--ratio", nearest), "--generate.max-new-tokens", "4", "--no-figure")
    assert again.returncode == 0, again.stderr


def test_corrupt_weights(good: list[object], miniature: Path, tmp_path: Path, cli: Cli) -> None:
    shutil.copytree(miniature, tmp_path / "m")
    weights = next((tmp_path / "m").glob("*.safetensors"))
    weights.write_bytes(weights.read_bytes()[:-100])
    check(cli(*replaced(good, "--model", tmp_path / "m")), weights.name)
    weights.write_bytes(b"not weights at all, only text that is long enough")
    check(cli(*replaced(good, "--model", tmp_path / "m")), weights.name)
    weights.unlink()
    check(cli(*replaced(good, "--model", tmp_path / "m")), str(tmp_path / "m"))
    assert not (tmp_path / "out").exists()


def test_wrong_shapes(good: list[object], miniature: Path, tmp_path: Path, cli: Cli) -> None:
    shutil.copytree(miniature, tmp_path / "m")
    config = (tmp_path / "m/config.json").read_text()
    (tmp_path / "m/config.json").write_text(config.replace('"hidden_size": 64', '"hidden_size": 128'))
    check(cli(*replaced(good, "--model", tmp_path / "m")), "model.embed_tokens.weight must be F32 [4096, 128], got F32 [4096, 64]")
    (tmp_path / "m/config.json").write_text("{")
    check(cli(*replaced(good, "--model", tmp_path / "m")), "config.json")
    assert not (tmp_path / "out").exists()


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_no_gpu(good: list[object], tmp_path: Path, cli: Cli) -> None:
    check(cli(*good, "--device", "cuda"), "GPU", "cpu")
    assert not (tmp_path / "out").exists()


def test_unknown_options(good: list[object], cli: Cli) -> None:
    check(cli(*good, "--buget", "64"), "--buget", "--budget")
    check(cli(*good, "--text-kind", "poetry"), "poetry", "prose")
    check(cli("curv"), "curv")
    check(cli("curve", "--model", "x"), "text")
    check(cli("train", "no-such.toml"), "no-such.toml")


def test_toml_errors_name_the_line(tmp_path: Path, cli: Cli) -> None:
    (tmp_path / "a.toml").write_text("[trainer]\nnum_steps = \n")
    check(cli("train", tmp_path / "a.toml"), "a.toml:2")
    (tmp_path / "b.toml").write_text("[trainer]\nnum_step = 3\n")
    check(cli("train", tmp_path / "b.toml"), "num_steps")


def test_lists_and_files_at_once(good: list[object], prose: Path, root: Path, tmp_path: Path, cli: Cli) -> None:
    other = root / "datasets/samples/en_state_of_the_union_1953.txt"
    args = replaced(good, "--text", prose, other)
    run = cli(*args, "--font", "DejaVu Sans Mono", "DejaVu Sans", "--font", "DejaVu Serif", "--generate.max-new-tokens", "4")
    assert run.returncode == 0, run.stderr
    assert "median" in run.stdout and str(tmp_path / "out/summary.csv") in run.stdout and str(tmp_path / "out/curve.png") in run.stdout
    assert (tmp_path / "out/curve.svg").exists()


def test_help_comes_from_the_field_table(cli: Cli) -> None:
    run = cli("curve", "--help")
    assert run.returncode == 0
    for option in ("--text-kind", "--budget", "--style.line-height", "--generate.max-new-tokens", "random-letters"):
        assert option in run.stdout


def test_info_and_version(cli: Cli) -> None:
    run = cli("info", "--preset", "deepseek-ocr")
    assert run.returncode == 0 and "2710 tensors, 3336106240 parameters" in run.stdout
    run = cli("version")
    assert run.returncode == 0 and "harfbuzz" in run.stdout
