"""One reader, one thread: waiting pages of one layout, prompt and way of generating are decoded together."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fovea import _C
from fovea.serve.metrics import Metrics


class QueueFull(Exception):
    """More requests wait than may."""


class _NobodyWaits(Exception):
    """Everybody who asked is gone or out of time."""


@dataclass
class Job:
    """A page to read. on_text(text so far), then once on_end(result) or on_error(exception), all on the engine's thread."""

    picture: _C.Image
    prompt: str
    mode: str
    generate: dict[str, Any]
    deadline: float
    on_text: Callable[[str], None]
    on_end: Callable[[dict[str, Any]], None]
    on_error: Callable[[Exception], None]
    cancelled: bool = False
    ended: bool = False
    tokens: Any = None
    key: tuple[Any, ...] = field(default=())

    def alive(self) -> bool:
        """Whether somebody still waits; says so once when the time is over."""
        if not self.ended and not self.cancelled and time.monotonic() > self.deadline:
            self.fail(TimeoutError("the request took longer than this server allows"))
        return not (self.ended or self.cancelled)

    def fail(self, error: Exception) -> None:
        if not self.ended:
            self.ended = True
            if not self.cancelled:
                self.on_error(error)


class Engine:
    """Started at once; close() ends it after the pages in work."""

    def __init__(self, reader: _C.Reader, metrics: Metrics, *, max_batch: int, batch_wait_s: float, max_queue: int) -> None:
        self.reader, self.metrics = reader, metrics
        self.max_batch, self.batch_wait_s, self.max_queue = max_batch, batch_wait_s, max_queue
        self._queue: collections.deque[Job] = collections.deque()
        self._changed = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._work, name="fovea-engine", daemon=True)
        self._thread.start()

    def submit(self, job: Job) -> None:
        """Errors: QueueFull."""
        with self._changed:
            if self._closing:
                raise QueueFull("the server is closing")
            if len(self._queue) >= self.max_queue:
                raise QueueFull(f"{len(self._queue)} requests wait already")
            self._queue.append(job)
            self._changed.notify_all()

    @property
    def queue_length(self) -> int:
        return len(self._queue)

    @property
    def alive(self) -> bool:
        return self._thread.is_alive() and not self._closing

    def close(self) -> None:
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join(timeout=60)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._queue and not self._closing:
                    self._changed.wait()
                if self._closing:
                    for job in self._queue:
                        job.fail(RuntimeError("the server is closing"))
                    self._queue.clear()
                    return
                until = time.monotonic() + self.batch_wait_s
                while len(self._queue) < self.max_batch and (left := until - time.monotonic()) > 0 and not self._closing:
                    self._changed.wait(left)
                jobs = [self._queue.popleft() for _ in range(min(self.max_batch, len(self._queue)))]
            jobs = [job for job in jobs if job.alive()]
            groups: dict[tuple[Any, ...], list[Job]] = {}
            for job in jobs:
                try:
                    if job.mode != "auto":
                        views = _C.make_views(job.picture, job.mode)
                        job.tokens = self.reader.encode_views(views)
                    key = (job.mode == "auto" and id(job), job.tokens and job.tokens.num_decoder_positions, job.prompt, tuple(sorted(job.generate.items())))
                    groups.setdefault(key, []).append(job)
                except Exception as error:  # one page's fault
                    job.fail(error)
            for group in groups.values():
                group = [job for job in group if job.alive()]
                if not group:
                    continue
                self.metrics.observe("fovea_batch_pages", len(group))
                try:
                    if group[0].mode == "auto":
                        self._read_auto(group[0])
                    else:
                        self._decode(group)
                except _NobodyWaits:
                    pass
                except Exception as error:  # the engine lives on
                    for job in group:
                        job.fail(error)

    def _tell(self, group: list[Job], index: int, text: str) -> None:
        if group[index].alive():
            group[index].on_text(text)
        if not any(job.alive() for job in group):
            raise _NobodyWaits

    def _finish(self, job: Job, text: str, facts: dict[str, Any]) -> None:
        self.metrics.add("fovea_pages_read_total")
        self.metrics.add("fovea_vision_tokens_total", facts["num_vision_tokens"])
        self.metrics.add("fovea_generated_tokens_total", facts["num_generated_tokens"])
        self.metrics.add("fovea_loops_total", facts["stop_reason"] == "loop")
        if job.alive():
            job.ended = True
            job.on_end({"text": text, **facts})

    def _decode(self, group: list[Job]) -> None:
        def done(index: int, reading: _C.Reading) -> None:
            tokens, p = group[index].tokens, reading.probabilities
            facts = {"mode": group[index].mode, "num_vision_tokens": tokens.num_vision_tokens, "num_decoder_positions": tokens.num_decoder_positions,
                     "num_generated_tokens": len(reading.ids), "stop_reason": reading.stop_reason, "mean_probability": sum(p) / len(p) if p else 0.0}
            self._finish(group[index], reading.text, facts)

        self.reader.decode([job.tokens for job in group], prompt=group[0].prompt, on_text=lambda i, text: self._tell(group, i, text), on_done=done, **group[0].generate)

    def _read_auto(self, job: Job) -> None:
        config = _C.ReadConfig(mode="auto", prompt=job.prompt, generate=job.generate)
        text, facts = _C.read_page(self.reader, job.picture, config, lambda _: self._tell([job], 0, ""))  # an attempt may be given up: its text is not shown
        self._finish(job, text, facts)
