"""Requests of the chat-completions protocol as what the reader needs, answers and errors in OpenAI's form."""

from __future__ import annotations

import base64
import binascii
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from fovea import _C


class RequestError(Exception):
    """What a client is told: HTTP status, message, and OpenAI's type, param and code."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.param, self.code, self.kind = status, param, code, kind

    def body(self) -> dict[str, Any]:
        return {"error": {"message": str(self), "type": self.kind, "param": self.param, "code": self.code}}


@dataclass
class Request:
    image_url: str
    text: str
    stream: bool
    include_usage: bool
    mode: str
    generate: dict[str, Any]


def _number(body: dict[str, Any], name: str, low: float, high: float, whole: bool = False) -> Any:
    value = body.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int,) if whole else (int, float)) or not low <= value <= high:
        raise RequestError(400, f"{name} must be a {'whole number' if whole else 'number'} from {low:g} to {high:g}, got {value!r}", param=name)
    return value


def parse_request(body: Any, default_mode: str, max_new_tokens: int) -> Request:
    """Errors: RequestError naming the parameter."""
    if not isinstance(body, dict):
        raise RequestError(400, "the body must be a JSON object")
    for name, allowed in {"n": (None, 1), "logprobs": (None, False), "tools": (None, []), "functions": (None, []), "audio": (None,)}.items():
        if body.get(name) not in allowed:
            raise RequestError(400, f"{name} is not supported here", param=name, code="unsupported_parameter")
    if (body.get("response_format") or {"type": "text"}) != {"type": "text"}:
        raise RequestError(400, "response_format must be text", param="response_format", code="unsupported_parameter")
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestError(400, "messages must be a list that holds at least one message", param="messages")
    texts: list[str] = []
    images: list[str] = []
    for i, message in enumerate(messages):
        where = f"messages[{i}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise RequestError(400, f"{where} must be an object with a role", param=where)
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(parts, list):
            raise RequestError(400, f"{where}.content must be a text or a list of parts", param=f"{where}.content")
        for j, part in enumerate(parts):
            at = f"{where}.content[{j}]"
            kind = part.get("type") if isinstance(part, dict) else None
            if kind == "text" and isinstance(part.get("text"), str):
                if message["role"] == "user":  # the model was trained without system texts and answers
                    texts.append(part["text"])
            elif kind == "image_url":
                url = part.get("image_url")
                url = url.get("url") if isinstance(url, dict) else url
                if not isinstance(url, str):
                    raise RequestError(400, f"{at}.image_url.url must be a text", param=at)
                images.append(url)
            else:
                raise RequestError(400, f"{at} must be of type text or image_url, got {kind!r}", param=at)
    if len(images) != 1:
        raise RequestError(400, f"a request must hold exactly one image, got {len(images)}", param="messages", code="image_count")
    mode = body.get("mode", default_mode)
    if not isinstance(mode, str):
        raise RequestError(400, "mode must be a text", param="mode")
    generate: dict[str, Any] = {"max_new_tokens": max_new_tokens}
    for name in ("max_completion_tokens", "max_tokens"):
        if (value := _number(body, name, 1, 2**31, whole=True)) is not None:
            generate["max_new_tokens"] = min(value, max_new_tokens)
            break
    if (value := _number(body, "temperature", 0, 2)) is not None:
        generate["temperature"] = float(value)
    if (value := _number(body, "top_p", 0, 1)) is not None:
        generate["top_p"] = float(value)
    if (value := _number(body, "seed", -(2**62), 2**62, whole=True)) is not None:
        generate["seed"] = value
    for name, low, high in (("ngram_size", 0, 1000), ("ngram_window", 0, 100_000)):  # of ours, as vLLM's vllm_xargs for this model
        extra = body.get("vllm_xargs")
        source = body if name in body else extra if isinstance(extra, dict) else {}
        source = {name: source.get(name, source.get({"ngram_window": "window_size"}.get(name, name)))}
        if (value := _number(source, name, low, high, whole=True)) is not None:
            generate[name] = value
    if body.get("stream"):
        generate["loop_retries"] = 0  # what was sent cannot be taken back
    options = body.get("stream_options") or {}
    return Request(images[0], "\n".join(texts), bool(body.get("stream")), bool(isinstance(options, dict) and options.get("include_usage")), mode, generate)


def picture_bytes(url: str, max_bytes: int) -> bytes:
    """The bytes of a data: URL. Errors: RequestError."""
    match = re.match(r"data:([\w.+/-]*)((?:;[\w=.+-]+)*?)(;base64)?,", url)
    if not match:
        raise RequestError(400, "image_url.url must be a data: URL" + ("; this server fetches no pictures" if url.startswith("http") else ""), param="image_url", code="invalid_image_url")
    if not match.group(3):
        raise RequestError(400, "the data: URL must be base64", param="image_url", code="invalid_image_url")
    if len(url) - match.end() > (max_bytes * 4) // 3 + 4:
        raise RequestError(413, f"a picture may have {max_bytes} bytes", param="image_url", code="image_too_large")
    try:
        return base64.b64decode(url[match.end() :], validate=True)
    except (binascii.Error, ValueError):
        raise RequestError(400, "the data: URL is not valid base64", param="image_url", code="invalid_base64") from None


def prompt_of(text: str, takes_prompt: bool) -> tuple[str, bool]:
    """The reader's prompt for a user's text, and whether the text was ignored (a model that reads without a prompt). Errors: RequestError."""
    if not takes_prompt:
        return "", bool(text.strip())
    prompt = _C.prompt_text(text.strip())
    if prompt.count("<image>") > 1:
        raise RequestError(400, "a prompt must have at most one <image>", param="messages", code="image_mark")
    return (prompt if "<image>" in prompt else "<image>\n" + prompt), False


def new_id() -> str:
    return "chatcmpl-" + uuid.uuid4().hex[:24]


def finish_reason(stop_reason: str) -> str:
    """OpenAI knows no loop: it counts as a text that was cut off."""
    return "stop" if stop_reason == "end" else "length"


def completion(identifier: str, model: str, text: str, reason: str, usage: dict[str, int], details: dict[str, Any]) -> dict[str, Any]:
    return {"id": identifier, "object": "chat.completion", "created": int(time.time()), "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": text, "refusal": None}, "logprobs": None, "finish_reason": reason}],
            "usage": usage, "fovea": details}


def chunk(identifier: str, model: str, created: int, delta: dict[str, Any], reason: str | None = None) -> dict[str, Any]:
    return {"id": identifier, "object": "chat.completion.chunk", "created": created, "model": model,
            "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}]}
