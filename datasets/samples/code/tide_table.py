"""Reads a tide gauge's log and prints the turning points of each day."""

from __future__ import annotations

import argparse
import csv
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path


@dataclass(frozen=True)
class Reading:
    when: datetime
    level_cm: float


def read_log(path: Path) -> list[Reading]:
    readings = []
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.reader(file):
            if not row or row[0].startswith("#"):
                continue
            readings.append(Reading(datetime.fromisoformat(row[0]), float(row[1])))
    return sorted(readings, key=lambda reading: reading.when)


def smoothed(readings: list[Reading], width: int = 5) -> list[Reading]:
    """Running mean over an odd number of readings; the ends stay as they are."""
    if width % 2 == 0:
        raise ValueError(f"width must be odd, got {width}")
    half = width // 2
    result = list(readings)
    for i in range(half, len(readings) - half):
        window = readings[i - half : i + half + 1]
        mean = sum(r.level_cm for r in window) / width
        result[i] = Reading(readings[i].when, mean)
    return result


def turning_points(readings: list[Reading], min_gap: timedelta) -> list[tuple[str, Reading]]:
    points: list[tuple[str, Reading]] = []
    for before, here, after in zip(readings, readings[1:], readings[2:]):
        if before.level_cm < here.level_cm >= after.level_cm:
            kind = "high"
        elif before.level_cm > here.level_cm <= after.level_cm:
            kind = "low"
        else:
            continue
        if points and here.when - points[-1][1].when < min_gap:
            continue
        points.append((kind, here))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("log", type=Path)
    parser.add_argument("--gap-minutes", type=int, default=180)
    options = parser.parse_args()
    by_day: dict[str, list[str]] = defaultdict(list)
    readings = smoothed(read_log(options.log))
    for kind, point in turning_points(readings, timedelta(minutes=options.gap_minutes)):
        by_day[f"{point.when:%Y-%m-%d}"].append(f"{kind:>4} {point.when:%H:%M} {point.level_cm:6.1f} cm")
    for day, lines in by_day.items():
        print(day, *lines, sep="\n    ")


if __name__ == "__main__":
    main()
