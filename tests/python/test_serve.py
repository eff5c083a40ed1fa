"""`fovea serve` under the public OpenAI client and under ours: answers, streams, batches, limits, errors."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from published import write_published

import fovea
import fovea.serve
from fovea.endpoints import OpenAIReader

pytest.importorskip("starlette")
uvicorn = pytest.importorskip("uvicorn")

TEXT = "The quick brown fox jumps over the lazy dog.\nPack my box with five dozen liquor jugs, please; it is late."


@contextlib.contextmanager
def running(config: fovea.serve.ServeConfig) -> Iterator[tuple[str, Any]]:
    from fovea.serve import make_app

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = make_app(config)
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{port}", app.state.engine
    finally:
        server.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def server(shipped: Path) -> Iterator[tuple[str, Any]]:
    with running(fovea.serve.ServeConfig(model=str(shipped), mode="256", max_queue=50, max_pixels=10**6, max_body_bytes=2**20)) as found:
        yield found


@pytest.fixture(scope="module")
def page() -> np.ndarray:
    return np.array(fovea.render(TEXT, width_px=256, height_px=256, font_size_px=14).pixels)


def data_url(page: np.ndarray) -> str:
    from fovea.endpoints import _png

    return "data:image/png;base64," + base64.b64encode(_png(page)).decode()


def message(page: np.ndarray, text: str = "") -> list[dict[str, Any]]:
    return [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": data_url(page)}}, {"type": "text", "text": text}]}]


def post(url: str, body: Any, path: str = "/v1/chat/completions") -> tuple[int, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, data, {"Content-Type": "application/json"}), timeout=60) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def words(text: str) -> str:
    return " ".join(text.split())


def test_public_client_reads_and_streams(server: tuple[str, Any], page: np.ndarray) -> None:
    openai = pytest.importorskip("openai")
    client = openai.OpenAI(base_url=server[0] + "/v1", api_key="none", max_retries=0)
    assert [m.id for m in client.models.list()] == ["reader-tiny"]
    whole = client.chat.completions.create(model="reader-tiny", messages=message(page))
    assert fovea.score(words(TEXT), words(whole.choices[0].message.content)).char_edit_distance < 0.05
    assert whole.choices[0].finish_reason == "stop"
    assert whole.usage.prompt_tokens == 22 and whole.usage.completion_tokens > 20
    assert whole.model_extra["fovea"]["num_vision_tokens"] == 16
    parts, reasons, usage = [], [], None
    for event in client.chat.completions.create(model="reader-tiny", messages=message(page), stream=True, stream_options={"include_usage": True}):
        if event.choices:
            parts.append(event.choices[0].delta.content or "")
            reasons.append(event.choices[0].finish_reason)
        usage = event.usage or usage
    assert "".join(parts) == whole.choices[0].message.content and len([p for p in parts if p]) > 1, "not streamed piece by piece"
    assert reasons[-1] == "stop" and usage.completion_tokens == whole.usage.completion_tokens
    short = client.chat.completions.create(model="reader-tiny", messages=message(page), max_tokens=5)
    assert short.choices[0].finish_reason == "length" and short.usage.completion_tokens == 5
    with pytest.raises(openai.NotFoundError, match="is not served here"):
        client.chat.completions.create(model="gpt-4", messages=message(page))


def test_what_was_streamed_is_not_taken_back() -> None:
    from fovea.serve.protocol import parse_request

    body = {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}]}
    assert parse_request(body | {"stream": True}, "auto", 10).generate["loop_retries"] == 0  # a loop ends it: text that is taken back has been sent
    assert "loop_retries" not in parse_request(body, "auto", 10).generate


def test_requests_are_read_together(server: tuple[str, Any], page: np.ndarray) -> None:
    url, engine = server
    before = engine.metrics.value("fovea_pages_read_total")
    answers: list[Any] = [None] * 6

    def ask(i: int) -> None:
        answers[i] = post(url, {"messages": message(page), "max_tokens": 30})

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {status for status, _ in answers} == {200}
    assert len({body["choices"][0]["message"]["content"] for _, body in answers}) == 1
    assert engine.metrics.value("fovea_pages_read_total") == before + 6
    lines = dict(line.rsplit(" ", 1) for line in get(url + "/metrics").splitlines() if not line.startswith("#"))
    assert float(lines["fovea_batch_pages_sum"]) > float(lines["fovea_batch_pages_count"]), "no two pages were decoded together"
    assert float(lines['fovea_requests_total{status="200"}']) >= 6
    assert int(lines["fovea_running"]) == 0 and int(lines["fovea_blocks_free"]) == int(lines["fovea_blocks_total"]) > 0
    health = json.loads(get(url + "/health"))
    assert health.pop("blocks_free") == health.pop("blocks_total") > 0
    assert health == {"status": "ok", "model": "reader-tiny", "queue_length": 0, "running": 0, "waiting": 0}


def test_a_page_joins_those_in_work(server: tuple[str, Any], page: np.ndarray) -> None:
    """A short reading that comes while a long one is written ends before it."""
    url, engine = server
    dense = np.array(fovea.render(TEXT * 12, width_px=640, height_px=640, font_size_px=13).pixels)
    ends: list[str] = []

    def ask(name: str, picture: np.ndarray, mode: str, tokens: int) -> None:
        assert post(url, {"messages": message(picture), "mode": mode, "max_tokens": tokens})[0] == 200
        ends.append(name)

    long = threading.Thread(target=ask, args=("long", dense, "640", 400))
    long.start()
    until = time.monotonic() + 20
    while engine.occupancy["running"] == 0 and time.monotonic() < until:
        time.sleep(0.002)
    assert engine.occupancy["running"] == 1
    ask("short", page, "256", 2)
    long.join()
    assert ends == ["short", "long"]


@pytest.mark.parametrize(
    ("body", "status", "code", "text"),
    [
        (b"{no json", 400, None, "not JSON"),
        ({"messages": []}, 400, None, "at least one message"),
        ({"messages": [{"role": "user", "content": "words only"}]}, 400, "image_count", "exactly one image, got 0"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}] * 2}]}, 400, "image_count", "got 2"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://127.0.0.1/x.png"}}]}]}, 400, "invalid_image_url", "fetches no pictures"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,A$"}}]}]}, 400, "invalid_base64", "base64"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]}]}, 400, "invalid_image", "none of PNG"),
        ({"messages": [{"role": "user", "content": [{"type": "input_audio"}]}]}, 400, None, "must be of type text or image_url"),
        ({"messages": [{"role": "user", "content": "x"}], "n": 2}, 400, "unsupported_parameter", "n is not supported"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:,"}}]}], "temperature": 9}, 400, None, "temperature must be"),
        (b"x" * (2**20 + 1), 413, "request_too_large", "1048576 bytes"),
    ],
)
def test_errors_have_openais_form(server: tuple[str, Any], body: Any, status: int, code: str | None, text: str) -> None:
    found, answer = post(server[0], body)
    assert found == status
    assert answer["error"]["code"] == code and text in answer["error"]["message"] and answer["error"]["type"] == "invalid_request_error"


def test_pictures_and_modes_have_limits(server: tuple[str, Any], page: np.ndarray) -> None:
    status, answer = post(server[0], {"messages": message(np.zeros((1001, 1000), np.uint8))})
    assert status == 400 and "limit of 1000000" in answer["error"]["message"]
    status, answer = post(server[0], {"messages": message(page), "mode": "300"})
    assert status == 400 and "multiple of 64" in answer["error"]["message"]
    status, answer = post(server[0], {"messages": message(page), "mode": "auto"})
    assert status == 200 and answer["fovea"]["attempts"]
    status, answer = post(server[0], {"messages": message(page, "read it"), "max_tokens": 3})
    assert status == 200 and "without a prompt" in answer["fovea"]["prompt_ignored"]
    with pytest.raises(urllib.error.HTTPError) as error:
        get(server[0] + "/nowhere")
    assert error.value.code == 404


def test_time_and_queue_have_limits(miniature: Path, page: np.ndarray) -> None:
    config = fovea.serve.ServeConfig(model=str(miniature), mode="256", timeout_s=0.6, max_queue=1, api_key="secret")
    with running(config) as (url, engine):
        assert post(url, {"messages": message(page)})[0] == 401
        headers = {"Authorization": "Bearer secret", "Content-Type": "application/json"}

        def ask() -> int:
            body = json.dumps({"messages": message(page), "max_tokens": 2}).encode()
            try:
                with urllib.request.urlopen(urllib.request.Request(url + "/v1/chat/completions", body, headers), timeout=30) as answer:
                    return answer.status
            except urllib.error.HTTPError as error:
                return error.code

        assert ask() == 200
        release = threading.Event()
        real = engine.reader
        engine.reader = type("Slow", (), {"encode_views": lambda self, views: (release.wait(20), real.encode_views(views))[1], "__getattr__": lambda self, name: getattr(real, name)})()
        found: list[int] = []
        threads = [threading.Thread(target=lambda: found.append(ask())) for _ in range(3)]
        for thread in threads:
            thread.start()
            time.sleep(0.1)
        for thread in threads:
            thread.join()
        assert sorted(found) == [429, 504, 504]  # one in work, one waiting, one refused
        release.set()
        engine.reader = real
        time.sleep(0.2)
        assert ask() == 200


def test_prompts_reach_a_model_that_takes_them(tmp_path: Path, page: np.ndarray) -> None:
    folder = write_published(tmp_path / "model")
    with running(fovea.serve.ServeConfig(model=str(folder), mode="tiny")) as (url, _):
        seen = {}
        for text in ("markdown", "<|grounding|>Convert the document to markdown.", "<image>\nFree OCR.", "<image><image>"):
            status, answer = post(url, {"messages": message(page, text), "max_tokens": 3})
            seen[text] = answer["usage"]["prompt_tokens"] if status == 200 else status
        assert seen["markdown"] == seen["<|grounding|>Convert the document to markdown."] and seen["<image><image>"] == 400
        status, answer = post(url, {"messages": message(page, "x y z " * 9000), "max_tokens": 3})
        assert status == 400 and "positions" in answer["error"]["message"]
        assert post(url, {"messages": message(page, "ocr"), "max_tokens": 3})[0] == 200  # the engine lives on


def request(page: np.ndarray, **more: Any) -> dict[str, Any]:
    return {"sample": "a", "pages": [page], "text": None, "prompt": "", "max_tokens": 400, "mode": "256", "budget": 0, **more}


def test_our_client_reads_through_our_server(server: tuple[str, Any], page: np.ndarray, tmp_path: Path) -> None:
    reader = OpenAIReader(server[0], cache=tmp_path / "cache", send_mode=True)
    assert reader.name == f"{server[0]}/v1 reader-tiny"
    first = reader([request(page), request(page[:, ::-1], max_tokens=4), request(page, pages=[])])
    assert fovea.score(words(TEXT), words(first[0]["text"])).char_edit_distance < 0.05
    assert (first[0]["vision_tokens"], first[0]["positions"], first[0]["stop_reason"]) == (16, 21, "end")
    assert first[1]["stop_reason"] == "length" and first[1]["num_tokens"] == 4
    assert "one picture a request" in first[2]["error"]
    assert len(list((tmp_path / "cache").rglob("*.json"))) == 2
    again = OpenAIReader(server[0], "reader-tiny", cache=tmp_path / "cache", send_mode=True)([request(page)])
    assert again[0]["cached"] and again[0]["text"] == first[0]["text"]
    document = fovea.read_stream
    from PIL import Image

    Image.fromarray(page).save(tmp_path / "p.png")
    assert next(document(tmp_path / "p.png", reader=reader, mode="256")).text == first[0]["text"].strip()


def test_command_reads_through_an_endpoint(server: tuple[str, Any], page: np.ndarray, tmp_path: Path) -> None:
    from click.testing import CliRunner
    from PIL import Image

    from fovea.cli import cli

    Image.fromarray(page).save(tmp_path / "p.png")
    result = CliRunner().invoke(cli, ["read", str(tmp_path / "p.png"), "--reader", server[0], "--out", str(tmp_path / "out"), "--format", "md"])
    assert result.exit_code == 0, result.output
    assert "lazy dog" in (tmp_path / "out/p.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "out/p.json").read_text(encoding="utf-8"))["pages"][0]["num_vision_tokens"] == 16


class _Flaky(http.server.BaseHTTPRequestHandler):
    script: ClassVar[list[Any]] = []
    seen = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        type(self).seen += 1
        what = self.script.pop(0) if self.script else 200
        if what == "slow":
            time.sleep(1.0)
            return
        if what == "rubbish":
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"choices": []}')
            return
        body = json.dumps({"choices": [{"message": {"content": "read"}, "finish_reason": "stop"}]} if what == 200 else {"error": {"message": f"status {what}"}}).encode()
        self.send_response(what)
        self.send_header("Content-Length", str(len(body)))
        if what == 429:
            self.send_header("Retry-After", "0")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def flaky() -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Flaky)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    _Flaky.seen = 0
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


@pytest.mark.parametrize(
    ("script", "text", "tries"),
    [([503, 429, 200], "read", 3), (["slow", 200], "read", 2), ([400], "HTTP 400: status 400", 1), ([500, 500, 500, 500], r"status 500 (3 tries)", 3), (["rubbish"], "no text", 1)],
)
def test_endpoints_that_fail_are_tried_again_and_then_named(flaky: str, page: np.ndarray, script: list[Any], text: str, tries: int, tmp_path: Path) -> None:
    _Flaky.script = list(script)
    reader = OpenAIReader(flaky, "m", retries=2, backoff_s=0.01, timeout_s=0.4, cache=tmp_path)
    answer = reader([request(page)])[0]
    assert text in (answer.get("text") or answer["error"]) and _Flaky.seen == tries
    assert len(list(tmp_path.rglob("*.json"))) == int("text" in answer)  # errors are not kept


def test_a_dead_endpoint_is_given_up(page: np.ndarray) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    reader = OpenAIReader(url, "m", retries=1, backoff_s=0.01, concurrency=1)
    answers = reader([request(page)] * 6)
    assert all("error" in a for a in answers) and "cannot be reached" in answers[0]["error"] and "nobody answers" in answers[5]["error"]
    with pytest.raises(ValueError, match="must begin with http"):
        OpenAIReader("localhost:8000")


def test_transformers_models_are_readers(page: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The calls that TransformersReader makes, against a stand-in for the package: real models need their weights."""
    import sys
    import types

    import torch

    from fovea.endpoints import TransformersReader

    seen: dict[str, Any] = {}

    class Batch(dict):
        def to(self, _device: str) -> Batch:
            return self

    class Processor:
        @staticmethod
        def from_pretrained(name: str, **options: Any) -> Processor:
            seen["name"], seen["trust"] = name, options["trust_remote_code"]
            return Processor()

        def apply_chat_template(self, messages: list[dict[str, Any]], **_: Any) -> Batch:
            seen["content"] = messages[0]["content"]
            return Batch(input_ids=torch.tensor([[5, 6, 7]]))

        def decode(self, ids: torch.Tensor, **_: Any) -> str:
            return " ".join(str(int(i)) for i in ids)

    class Model(torch.nn.Module):
        device = "cpu"

        @staticmethod
        def from_pretrained(name: str, **_: Any) -> Model:
            if name == "absent":
                raise OSError("no such model")
            return Model()

        def generate(self, input_ids: torch.Tensor, max_new_tokens: int, do_sample: bool) -> torch.Tensor:
            assert not do_sample
            return torch.cat([input_ids, torch.arange(min(4, max_new_tokens))[None]], 1)

    monkeypatch.setitem(sys.modules, "transformers", types.SimpleNamespace(AutoProcessor=Processor, AutoModelForImageTextToText=Model))
    reader = TransformersReader("some/model")
    answers = reader([request(page), request(page, max_tokens=2, prompt="<image>\nRead this.")])
    assert answers[0]["text"] == "0 1 2 3" and answers[0]["stop_reason"] == "end" and answers[0]["positions"] == 3
    assert answers[1]["text"] == "0 1" and answers[1]["stop_reason"] == "length"
    assert [part["type"] for part in seen["content"]] == ["image", "text"] and seen["content"][1]["text"] == "Read this."
    assert seen["content"][0]["image"].size == (256, 256) and seen["trust"] is False
    with pytest.raises(RuntimeError, match="cannot load absent"):
        TransformersReader("absent")
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(NotImplementedError, match="pip install transformers"):
        TransformersReader("some/model")
