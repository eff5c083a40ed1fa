"""Readers that run elsewhere, as callables from requests to answers: any OpenAI-compatible endpoint, and models of Transformers.

A request: {"sample", "pages": [uint8 array], "text", "prompt", "max_tokens", "mode", "budget"}; an answer: {"text", ...} or {"error"}.
"""

from __future__ import annotations

import base64
import concurrent.futures
import hashlib
import http.client
import json
import os
import random
import socket
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import numpy as np

from fovea import _C

PLAIN_PROMPT = "Free OCR."  # where a request has none: what DeepSeek-OCR expects after the picture


def _png(array: Any) -> bytes:
    import io

    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(array)).save(out, "PNG", compress_level=1)
    return out.getvalue()


class _Retry(Exception):
    """Worth another try, after so many seconds where the server said."""

    def __init__(self, what: str, after_s: float | None = None) -> None:
        super().__init__(what)
        self.after_s = after_s


class OpenAIReader:
    """An OpenAI-compatible endpoint (vLLM, SGLang, `fovea serve`, ...) as a reader.

    url        of the API, with or without /v1; the path /chat/completions is added
    model      as the endpoint calls it; empty: the first that it lists
    prompt     the text beside the picture where a request has none; published names (markdown, ...) are resolved
    send_mode  puts the request's mode into the body as `mode` (what `fovea serve` reads)
    cache      folder: answers by hash of picture, prompt and settings; only whole texts are kept
    extra      further fields of the body, {"vllm_xargs": {"ngram_size": 30, "window_size": 90}, "skip_special_tokens": False}, say
    Dead or slow endpoints: `retries` further tries with growing pauses, then an error for that page alone; 400s but 408 and 429 are not tried again.
    After `give_up_after` pages in a row that found nobody at all the rest fails at once.
    """

    def __init__(self, url: str, model: str = "", *, prompt: str = "", key: str | None = None, timeout_s: float = 300.0, retries: int = 4, backoff_s: float = 0.5,
                 concurrency: int = 8, cache: str | os.PathLike[str] | None = None, send_mode: bool = False, temperature: float = 0.0, max_tokens: int = 8192,
                 extra: dict[str, Any] | None = None, give_up_after: int = 3) -> None:
        if not url.startswith(("http://", "https://")):
            raise _C.ConfigError(f"[reader] url must begin with http:// or https://, got '{url}'")
        base = url.rstrip("/").removesuffix("/chat/completions")
        self.url = base if base.endswith("/v1") or "/v1/" in base else base + "/v1"
        self.prompt, self.key, self.timeout_s, self.retries, self.backoff_s = prompt, key, timeout_s, retries, backoff_s
        self.at_once = concurrency
        self.cache = Path(cache) if cache is not None else None
        self.send_mode, self.temperature, self.max_tokens, self.extra = send_mode, temperature, max_tokens, dict(extra or {})
        self._model = model
        self._lock = threading.Lock()
        self._dead, self.give_up_after = 0, give_up_after

    @property
    def model(self) -> str:
        """Asked of the endpoint once where none was named. Errors: IoError."""
        with self._lock:
            if not self._model:
                found = self._tried("/models", None)
                names = [m.get("id") for m in found.get("data", []) if isinstance(m, dict)] if isinstance(found, dict) else []
                if not names:
                    raise _C.IoError(f"[reader] {self.url} lists no model; name one")
                self._model = str(names[0])
            return self._model

    @property
    def name(self) -> str:
        """Goes into the identity of a run."""
        return f"{self.url} {self.model}"

    def __call__(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        with concurrent.futures.ThreadPoolExecutor(max_workers=max(1, min(self.at_once, len(requests) or 1))) as pool:
            return list(pool.map(self._one, requests))

    def body_of(self, request: dict[str, Any]) -> dict[str, Any]:
        """The request as the protocol has it. Errors: ConfigError where it is not one picture."""
        pages = request.get("pages") or []
        if len(pages) != 1:
            raise _C.ConfigError(f"[reader] an endpoint reads one picture a request, got {len(pages)}")
        text = _C.prompt_text(request.get("prompt") or self.prompt or PLAIN_PROMPT)
        text = text.replace("<image>\n", "", 1).replace("<image>", "", 1)  # endpoints put the picture in front by their chat template
        picture = "data:image/png;base64," + base64.b64encode(_png(pages[0])).decode()
        body = {"model": self.model, "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": text}]}],
                "temperature": self.temperature, "max_tokens": int(request.get("max_tokens") or self.max_tokens)}
        if self.send_mode and request.get("mode"):
            body["mode"] = request["mode"]
        return {**body, **self.extra}

    def _one(self, request: dict[str, Any]) -> dict[str, Any]:
        begin = time.monotonic()
        try:
            body = self.body_of(request)
            kept = self._kept_file(body)
            if kept is not None and kept.is_file():
                try:
                    return {**json.loads(kept.read_text(encoding="utf-8")), "cached": True}
                except (OSError, ValueError):
                    pass  # damaged: asked for again
            answer = self._answer(self._tried("/chat/completions", body))
            answer["seconds"] = time.monotonic() - begin
        except _C.Error as error:
            return {"error": str(error)}
        if kept is not None:
            try:
                kept.parent.mkdir(parents=True, exist_ok=True)
                temporary = kept.with_name(f".{kept.name}.{os.getpid()}.{threading.get_ident()}")
                temporary.write_text(json.dumps(answer, ensure_ascii=False), encoding="utf-8")
                os.replace(temporary, kept)
            except OSError as error:  # the text is there all the same
                answer["cache_error"] = f"cannot keep the answer: {error}"
        return answer

    def _kept_file(self, body: dict[str, Any]) -> Path | None:
        if self.cache is None:
            return None
        digest = hashlib.sha256(json.dumps([self.url, body], sort_keys=True).encode()).hexdigest()
        return self.cache / digest[:2] / f"{digest}.json"

    @staticmethod
    def _answer(found: Any) -> dict[str, Any]:
        try:
            choice = found["choices"][0]
            text = choice["message"]["content"]
            if not isinstance(text, str):
                raise TypeError("content is no text")
        except (KeyError, IndexError, TypeError) as error:
            raise _C.IoError(f"[reader] the endpoint's answer holds no text ({type(error).__name__}: {error}): {str(found)[:200]}") from None
        usage, ours = found.get("usage") or {}, found.get("fovea") or {}
        answer = {"text": text, "stop_reason": ours.get("stop_reason") or ("length" if choice.get("finish_reason") == "length" else "end")}
        for name, value in {"positions": ours.get("num_decoder_positions") or usage.get("prompt_tokens"), "num_tokens": usage.get("completion_tokens"),
                            "vision_tokens": ours.get("num_vision_tokens"), "mean_probability": ours.get("mean_probability")}.items():
            if value is not None:
                answer[name] = value
        return answer

    def _tried(self, path: str, body: dict[str, Any] | None) -> Any:
        if self._dead >= self.give_up_after:
            raise _C.IoError(f"[reader] nobody answers at {self.url}; {self._dead} pages in a row found nobody")
        for attempt in range(self.retries + 1):
            try:
                found = self._sent(path, body)
                self._dead = 0
                return found
            except _Retry as error:
                if attempt == self.retries:
                    if isinstance(error.__cause__, (ConnectionRefusedError, socket.gaierror)):
                        self._dead += 1
                    raise _C.IoError(f"[reader] {self.url}: {error} ({attempt + 1} tries)") from None
                pause = error.after_s if error.after_s is not None else self.backoff_s * 2**attempt * (0.5 + random.random())
                time.sleep(min(pause, 60.0))
        raise AssertionError

    def _sent(self, path: str, body: dict[str, Any] | None) -> Any:
        headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {self.key}"} if self.key else {})}
        request = urllib.request.Request(self.url + path, data=None if body is None else json.dumps(body).encode(), headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=self.timeout_s) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            try:
                found = json.loads(error.read(65536))
                said = found["error"]["message"] if isinstance(found.get("error"), dict) else str(found)
            except (ValueError, KeyError, AttributeError, OSError):
                said = error.reason
            if error.code in (408, 425, 429, 500, 502, 503, 504):
                after = error.headers.get("Retry-After", "")
                raise _Retry(f"HTTP {error.code}: {said}", float(after) if after.isdecimal() else None) from None
            raise _C.IoError(f"[reader] {self.url} refused the request: HTTP {error.code}: {said}") from None
        except urllib.error.URLError as error:
            reason = error.reason
            raise _Retry(f"no answer within {self.timeout_s:g} s" if isinstance(reason, TimeoutError) else f"cannot be reached: {reason}") from (
                reason if isinstance(reason, Exception) else None)
        except TimeoutError as error:
            raise _Retry(f"no answer within {self.timeout_s:g} s") from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise _Retry(f"{type(error).__name__}: {error}") from error


class TransformersReader:
    """A vision-language model of Hugging Face's Transformers as a reader, for those who have the package and the weights.

    Uses the classes AutoProcessor and AutoModelForImageTextToText with the model's own chat template; models with code of their own are loaded only with
    trust_remote_code=True, which runs that code. One page at a time, greedy.
    """

    at_once = 1

    def __init__(self, model: str, *, prompt: str = "OCR this image.", device: str = "cpu", dtype: str = "auto", trust_remote_code: bool = False, **generate: Any) -> None:
        try:
            import transformers
        except ImportError:
            raise _C.UnsupportedError("[reader] TransformersReader needs the package transformers: pip install transformers") from None
        self.name = f"transformers {model}"
        self.prompt, self.generate = prompt, generate
        try:
            self.processor = transformers.AutoProcessor.from_pretrained(model, trust_remote_code=trust_remote_code)
            self.model = transformers.AutoModelForImageTextToText.from_pretrained(model, dtype=dtype, trust_remote_code=trust_remote_code).to(device).eval()
        except (OSError, ValueError) as error:
            raise _C.WeightsError(f"[reader] Transformers cannot load {model}: {error}") from None

    def __call__(self, requests: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [self._one(request) for request in requests]

    def _one(self, request: dict[str, Any]) -> dict[str, Any]:
        import torch
        from PIL import Image

        begin = time.monotonic()
        try:
            pictures = [Image.fromarray(np.asarray(page)).convert("RGB") for page in request.get("pages") or []]
            text = request.get("prompt") or self.prompt
            content = [*({"type": "image", "image": p} for p in pictures), {"type": "text", "text": text.replace("<image>", "").strip()}]
            given = self.processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True, tokenize=True, return_dict=True, return_tensors="pt")
            given = given.to(self.model.device)
            most = int(request.get("max_tokens") or 8192)
            with torch.inference_mode():
                ids = self.model.generate(**given, **{"max_new_tokens": most, "do_sample": False, **self.generate})
            new = ids[0, given["input_ids"].shape[1] :]
            return {"text": self.processor.decode(new, skip_special_tokens=True), "positions": int(given["input_ids"].shape[1]), "num_tokens": int(new.numel()),
                    "stop_reason": "length" if new.numel() >= most else "end", "seconds": time.monotonic() - begin}
        except (RuntimeError, ValueError, OSError, KeyError, TypeError) as error:
            return {"error": f"[reader] {self.name}: {type(error).__name__}: {error}"}
