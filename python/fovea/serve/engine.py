"""One reader, one thread: a page that arrives while others are being decoded joins their next step."""

from __future__ import annotations

import collections
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
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

    def __init__(self, reader: _C.Reader, metrics: Metrics, *, max_batch: int, max_queue: int, cache_positions: int = 0) -> None:
        self.reader, self.metrics = reader, metrics
        self.max_batch, self.max_queue = max_batch, max_queue
        reader.set_engine(max_batch=max_batch, cache_positions=cache_positions)
        self._queue: collections.deque[Job] = collections.deque()
        self._pages: dict[int, Job] = {}  # being decoded, by the reader's number
        self._occupancy: dict[str, Any] = reader.occupancy()
        self._ended: list[tuple[Job, str, dict[str, Any]]] = []  # in the step that runs: told once the occupancy is that after it
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
    def occupancy(self) -> dict[str, Any]:
        """Pages being decoded and waiting, and the cache's blocks, as after the last step."""
        found = self._occupancy
        return {"running": len(self._pages), "waiting": len(self._queue), "blocks_free": found["blocks_free"], "blocks_total": found["blocks_total"]}

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
                while not self._queue and not self._pages and not self._closing:
                    self._changed.wait()
                if self._closing:
                    for job in self._queue:
                        job.fail(RuntimeError("the server is closing"))
                    self._queue.clear()
                    if not self._pages:
                        return
                # While others are decoded one at a time: they wait while a page is encoded.
                room = min(self.max_batch - len(self._pages), 1 if self._pages else self.max_batch)
                jobs = [self._queue.popleft() for _ in range(min(room, len(self._queue)))]
            for job in jobs:
                if job.alive():
                    self._begin(job)
            for page, job in list(self._pages.items()):
                if not job.alive():
                    self.reader.cancel(page)
                    self._pages.pop(page, None)
            if not self._pages:
                continue
            try:
                self.reader.step()
            except Exception as error:  # the engine lives on
                for page, job in self._pages.items():
                    self.reader.cancel(page)
                    job.fail(error)
                self._pages.clear()
            self._occupancy = self.reader.occupancy()
            for job, text, facts in self._ended:
                try:
                    self._finish(job, text, facts)
                except Exception as error:  # one page's fault
                    job.fail(error)
            self._ended.clear()

    def _begin(self, job: Job) -> None:
        try:
            if job.mode == "auto":
                self._read_auto(job)
                return
            tokens = self.reader.encode_views(_C.make_views(job.picture, job.mode))
            numbers: list[int] = []

            def done(reading: _C.Reading) -> None:
                self._pages.pop(numbers[0], None)
                p = reading.probabilities
                facts = {"mode": job.mode, "num_vision_tokens": tokens.num_vision_tokens, "num_decoder_positions": tokens.num_decoder_positions,
                         "num_generated_tokens": len(reading.ids), "stop_reason": reading.stop_reason, "mean_probability": sum(p) / len(p) if p else 0.0}
                if reading.stop_reason == "loop":
                    facts["loop"] = {"begin": reading.loop_begin, "period": reading.loop_period, "repeats": reading.loop_repeats}
                self._ended.append((job, reading.text, facts))

            def grown(text: str) -> None:
                if job.alive():
                    job.on_text(text)

            numbers.append(self.reader.submit(tokens, job.prompt, on_text=grown, on_done=done, **job.generate))
            self._pages[numbers[0]] = job
            self.metrics.observe("fovea_batch_pages", len(self._pages))
        except _NobodyWaits:
            pass
        except Exception as error:  # one page's fault
            job.fail(error)

    def _finish(self, job: Job, text: str, facts: dict[str, Any]) -> None:
        self.metrics.add("fovea_pages_read_total")
        self.metrics.add("fovea_vision_tokens_total", facts["num_vision_tokens"])
        self.metrics.add("fovea_generated_tokens_total", facts["num_generated_tokens"])
        self.metrics.add("fovea_loops_total", facts["stop_reason"] == "loop")
        if job.alive():
            job.ended = True
            job.on_end({"text": text, **facts})

    def _read_auto(self, job: Job) -> None:
        def tell(_: Any) -> None:
            if not job.alive():
                raise _NobodyWaits

        config = _C.ReadConfig(mode="auto", prompt=job.prompt, generate=job.generate)
        text, facts = _C.read_page(self.reader, job.picture, config, tell)  # an attempt may be given up: its text is not shown
        self._finish(job, text, facts)
