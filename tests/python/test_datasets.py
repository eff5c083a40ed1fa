from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import fovea
from fovea import datasets


def test_every_set_that_ships_has_a_card_and_files() -> None:
    cards = datasets.cards()
    assert {"sample-texts", "sample-code", "sample-tables", "fox", "omnidocbench"} <= set(cards)
    for card in cards.values():
        assert card.licence and card.citation and card.used_for
        assert bool(card.ships) != bool(card.download), card.name
        if card.ships:
            assert card.paths(), card.name
            assert all(not datasets.check(path) for path in card.paths())
    with pytest.raises(fovea.ConfigError, match="fox"):
        datasets.card("foxx")


def test_every_sample_file_is_on_a_card(root: Path) -> None:
    carded = {path for card in datasets.cards().values() for path in card.paths()}
    there = {path for path in (root / "datasets/samples").rglob("*") if path.is_file() and path.name != "README.md"}
    assert there == carded


def test_records_of_every_form(tmp_path: Path) -> None:
    pairs = [{"context": "c1", "question": "q1", "answers": ["a1"]}, {"context": "c2", "question": "q2", "answers": ["a2", "b2"]}]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    (tmp_path / "b.json").write_text(json.dumps(pairs))
    assert list(datasets.records(tmp_path / "a.jsonl")) == list(datasets.records(tmp_path / "b.json")) == pairs
    arrow = pytest.importorskip("pyarrow")
    table = arrow.Table.from_pylist(pairs)
    pytest.importorskip("pyarrow.parquet").write_table(table, tmp_path / "c.parquet")
    assert list(datasets.records(tmp_path / "c.parquet")) == pairs
    saved = tmp_path / "saved"  # as datasets.save_to_disk leaves it
    saved.mkdir()
    with arrow.OSFile(str(saved / "data-00000-of-00001.arrow"), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    (saved / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]}))
    assert datasets.kind_of(saved) == "hf" and list(datasets.records(saved)) == pairs
    done = fovea.evaluate("qa", reader="oracle", data=[tmp_path / "c.parquet"], budget=[25], out=tmp_path / "run", save_pages=False)
    assert done.num_samples == 2 and done.rows[0]["answer_exact"] == 1


def test_what_is_wrong_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"id": 1, "text": "x"}\n{"id": 1, "text": "y"}\n{"id": 2, "text": ""}\n')
    told = " ".join(datasets.check(tmp_path / "a.jsonl"))
    assert "id '1'" in told and "1 of 3 records have no text" in told
    (tmp_path / "b.jsonl").write_text('{"text": "x"}\n{"text": \n')
    assert "line 2 column" in datasets.check(tmp_path / "b.jsonl")[0]
    fox = [{"image": "en_1.png", "conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "t"}]}]
    (tmp_path / "en_page_ocr.json").write_text(json.dumps(fox))
    assert datasets.kind_of(tmp_path / "en_page_ocr.json") == "fox"
    assert "en_1.png" in datasets.check(tmp_path / "en_page_ocr.json")[0]
    (tmp_path / "c.parquet").write_bytes(b"PAR1 not really")
    if pytest.importorskip("pyarrow"):
        assert "c.parquet" in datasets.check(tmp_path / "c.parquet")[0]


def test_command_line(tmp_path: Path, cli: Callable[..., subprocess.CompletedProcess[str]]) -> None:
    assert "omnidocbench" in cli("data", "list").stdout
    told = cli("data", "describe", "fox").stdout
    assert "CC BY-NC" in told and "hf download ucaslcl/Fox_benchmark_data" in told
    (tmp_path / "bad.json").write_text("[{]")
    done = cli("data", "check", tmp_path / "bad.json")
    assert done.returncode == 1 and "line 1 column" in done.stdout
