"""fovea law: fits out of run folders; the numbers themselves are tested in C++."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import pytest
from run_folders import make_run

from fovea import _C, law

RATES = {5.0: 0.001, 7.5: 0.002, 10.0: 0.006, 15.0: 0.03, 20.0: 0.1}


def test_law_of_run_folders(tmp_path: Path, cli) -> None:  # type: ignore[no-untyped-def]
    prose = make_run(tmp_path / "prose", rates=RATES)
    letters = make_run(tmp_path / "letters", kind="random-letters", rates={5.0: 0.0, 10.0: 0.1, 15.0: 0.4}, pages=2)
    done = cli("law", prose, letters, "--hold-out", "20", "--resamples", "40", "--out", tmp_path / "law")
    assert done.returncode == 0 and "left out: random-letters" in done.stdout and "ratio 20" in done.stdout  # letters have no 20x: said, not ignored
    done = cli("law", prose, letters, "--resamples", "40", "--out", tmp_path / "law")
    assert done.returncode == 0, done.stderr
    assert {p.name for p in (tmp_path / "law").iterdir()} == {"law.json", "law.csv", "law.svg", "law.png", "law.pdf"}
    found = json.loads((tmp_path / "law/law.json").read_text())
    group = next(g for g in found["groups"] if g["kind"] == "prose")
    assert group["num_pages"] == 20 and group["num_clusters"] == 4 and [p["ratio_asked"] for p in group["points"]] == list(RATES)
    for fitted in group["laws"]:
        assert fitted["rms"] < 0.05 and [t["ratio_asked"] for t in fitted["held_out"]] == list(RATES)
        for name, p in fitted["parameters"].items():
            assert p["low"] <= p["value"] <= p["high"], name
    rows = {r["ratio_asked"]: r for r in found["letters"][0]["ratios"]}
    assert rows[5.0]["bits_per_vision_token"] == pytest.approx(rows[5.0]["offered_bits_per_vision_token"])
    assert rows[5.0]["offered_bits_per_vision_token"] == pytest.approx(rows[5.0]["num_letters"] * math.log2(26) / 200)
    assert rows[15.0]["bits_per_vision_token"] < 0.7 * rows[15.0]["offered_bits_per_vision_token"]
    with open(tmp_path / "law/law.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert {row["what"] for row in table} == {"measured", "logistic", "capacity", "bits a vision token"}


def test_what_has_no_law_is_named(tmp_path: Path) -> None:
    good = make_run(tmp_path / "good", rates=RATES)
    short = make_run(tmp_path / "short", rates={5.0: 0.01, 10.0: 0.02}, kind="shuffled-words")
    found = law.fit_runs([good, short], resamples=20)
    assert [g["kind"] for g in found["groups"]] == ["prose"]
    assert "three different ratios" in found["left_out"][0]["why"] and "left out" in law.describe(found)
    with pytest.raises(_C.ConfigError, match="no curve to fit"):
        law.fit_runs([short], resamples=20)
    with pytest.raises(_C.ConfigError, match="did you mean 'precision'"):
        law.fit_runs([good], metric="precison")
    accuracy = law.fit_runs([good], metric="char_accuracy", resamples=20)
    assert accuracy["groups"][0]["points"][0]["score"] > 0.99
    held = law.fit_runs([good], hold_out=[20.0], resamples=30, bits_per_text_token=8.0)
    test = held["groups"][0]["laws"][1]["held_out"]
    assert len(test) == 1 and test[0]["side"] == "beyond" and test[0]["num_pages"] == 4
    capacity = held["groups"][0]["laws"][1]
    assert capacity["capacity_bits"]["value"] == pytest.approx(8 * capacity["parameters"]["capacity_text_tokens"]["value"])
