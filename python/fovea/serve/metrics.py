"""Counters in Prometheus' text format (version 0.0.4)."""

from __future__ import annotations

import threading

_SECONDS = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_PAGES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
_HELP = {
    "fovea_requests_total": ("counter", "Chat completions answered, by HTTP status."),
    "fovea_pages_read_total": ("counter", "Pages read to their end."),
    "fovea_vision_tokens_total": ("counter", "Vision tokens of the pages read."),
    "fovea_generated_tokens_total": ("counter", "Text tokens written."),
    "fovea_loops_total": ("counter", "Readings that ended as a loop."),
    "fovea_request_seconds": ("histogram", "Time from a request's arrival to its last byte."),
    "fovea_batch_pages": ("histogram", "Pages in work when one joins them, itself included."),
    "fovea_queue_length": ("gauge", "Requests that wait."),
    "fovea_running": ("gauge", "Pages being decoded."),
    "fovea_waiting": ("gauge", "Pages that wait to be decoded."),
    "fovea_blocks_free": ("gauge", "Free blocks of the key-value cache."),
    "fovea_blocks_total": ("gauge", "All blocks of the key-value cache."),
}


class Metrics:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counters: dict[tuple[str, str], float] = {}
        self._histograms: dict[str, tuple[tuple[float, ...], list[int], list[float]]] = {
            "fovea_request_seconds": (_SECONDS, [0] * (len(_SECONDS) + 1), [0.0]),
            "fovea_batch_pages": (_PAGES, [0] * (len(_PAGES) + 1), [0.0]),
        }

    def add(self, name: str, value: float = 1, labels: str = "") -> None:
        with self._lock:
            self._counters[name, labels] = self._counters.get((name, labels), 0) + value

    def observe(self, name: str, value: float) -> None:
        with self._lock:
            bounds, counts, total = self._histograms[name]
            counts[sum(value > b for b in bounds)] += 1
            total[0] += value

    def value(self, name: str, labels: str = "") -> float:
        with self._lock:
            return self._counters.get((name, labels), 0)

    def text(self, gauges: dict[str, int]) -> str:
        with self._lock:
            out = []
            for name, (kind, text) in _HELP.items():
                out += [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
                if kind == "gauge":
                    out.append(f"{name} {gauges[name.removeprefix('fovea_')]}")
                elif kind == "counter":
                    found = sorted((labels, value) for (n, labels), value in self._counters.items() if n == name)
                    out += [f"{name}{{{labels}}} {value:g}" if labels else f"{name} {value:g}" for labels, value in found or [("", 0)]]
                else:
                    bounds, counts, total = self._histograms[name]
                    running = 0
                    for bound, count in zip([*map(str, bounds), "+Inf"], counts, strict=True):
                        running += count
                        out.append(f'{name}_bucket{{le="{bound}"}} {running}')
                    out += [f"{name}_sum {total[0]:g}", f"{name}_count {running}"]
            return "\n".join(out) + "\n"
