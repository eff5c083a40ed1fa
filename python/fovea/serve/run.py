"""The HTTP side: routes, limits, streaming. Starlette and uvicorn are imported where they are used."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import time
from collections.abc import AsyncIterator
from typing import Any

from fovea import _C, api
from fovea.serve.config import ServeConfig
from fovea.serve.engine import Engine, Job, QueueFull
from fovea.serve.metrics import Metrics
from fovea.serve.protocol import (
    Request,
    RequestError,
    chunk,
    completion,
    finish_reason,
    new_id,
    parse_request,
    picture_bytes,
    prompt_of,
)


def _packages() -> tuple[Any, Any]:
    try:
        import starlette
        import uvicorn
    except ImportError as error:
        raise _C.UnsupportedError(f"[serve] needs the packages starlette and uvicorn ({error.name} is missing): pip install starlette uvicorn") from None
    return starlette, uvicorn


def _fetched(url: str, max_bytes: int, timeout_s: float) -> bytes:
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=min(20.0, timeout_s)) as answer:
            data = answer.read(max_bytes + 1)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise RequestError(400, f"cannot fetch the picture: {error}", param="image_url", code="invalid_image_url") from None
    if len(data) > max_bytes:
        raise RequestError(413, f"a picture may have {max_bytes} bytes", param="image_url", code="image_too_large")
    return data


class _Server:
    def __init__(self, config: ServeConfig, reader: _C.Reader | None = None) -> None:
        config.check()
        self.config = config
        self.reader = reader if reader is not None else api.reader(config.model or None, config.device, config.dtype)
        self.name = config.name or self.reader.config.name
        self.takes_prompt = self.reader.config.sequence == "begin-vision-prompt"
        _C.check_read(self.reader, _C.ReadConfig(mode=config.mode))
        self.metrics = Metrics()
        self.created = int(time.time())
        self.engine = Engine(self.reader, self.metrics, max_batch=config.max_batch, cache_positions=config.cache_positions, max_queue=config.max_queue)

    # What comes in

    def check_key(self, request: Any) -> None:
        if self.config.api_key:
            sent = request.headers.get("authorization", "").removeprefix("Bearer ")
            if not hmac.compare_digest(sent.encode(), self.config.api_key.encode()):
                raise RequestError(401, "the API key is missing or wrong", code="invalid_api_key", kind="authentication_error")

    async def body_of(self, request: Any) -> Any:
        limit = self.config.max_body_bytes
        too_large = RequestError(413, f"a request may have {limit} bytes", code="request_too_large")
        over = request.headers.get("content-length", "").isdecimal() and int(request.headers["content-length"]) > limit
        data, seen = bytearray(), 0
        async with asyncio.timeout(self.config.timeout_s):
            async for part in request.stream():
                seen += len(part)
                over = over or seen > limit
                if not over:
                    data += part
                elif seen > 8 * limit:  # up to here what is too much is read and forgotten: who still sends hears no answer
                    break
        if over:
            raise too_large
        try:
            return json.loads(bytes(data))
        except (ValueError, RecursionError) as error:
            raise RequestError(400, f"the body is not JSON: {error}") from None

    def picture_of(self, asked: Request) -> _C.Image:
        if self.config.allow_urls and asked.image_url.startswith(("http://", "https://")):
            data = _fetched(asked.image_url, self.config.max_body_bytes, self.config.timeout_s)
        else:
            data = picture_bytes(asked.image_url, self.config.max_body_bytes)
        try:
            return _C.decode_image(data, "the picture", self.config.max_pixels)
        except _C.IoError as error:
            raise RequestError(400, str(error), param="image_url", code="invalid_image") from None

    # What goes out

    def usage_of(self, found: dict[str, Any], prompt: str) -> dict[str, int]:
        words = prompt.replace("<image>", "")
        given = found["num_decoder_positions"] + 1 + (len(self.reader.tokenizer.encode(words)) if words else 0)  # 1: the begin token
        return {"prompt_tokens": given, "completion_tokens": found["num_generated_tokens"], "total_tokens": given + found["num_generated_tokens"]}

    def details_of(self, found: dict[str, Any], ignored: bool) -> dict[str, Any]:
        return {k: v for k, v in found.items() if k != "text"} | ({"prompt_ignored": "this model reads without a prompt"} if ignored else {})

    async def chat(self, request: Any) -> Any:
        from starlette.concurrency import run_in_threadpool
        from starlette.responses import JSONResponse, StreamingResponse

        begin = time.monotonic()
        status = 500
        streaming = False
        try:
            self.check_key(request)
            body = await self.body_of(request)
            asked = parse_request(body, self.config.mode, self.config.max_new_tokens)
            wanted = body.get("model")
            if wanted is not None and wanted != self.name:
                raise RequestError(404, f"the model {wanted!r} is not served here; {self.name!r} is", param="model", code="model_not_found")
            prompt, ignored = prompt_of(asked.text, self.takes_prompt)
            try:
                _C.check_read(self.reader, _C.ReadConfig(mode=asked.mode, prompt=prompt))
            except _C.ConfigError as error:
                raise RequestError(400, str(error), param="mode") from None
            asked.generate["ngram_size"] = _C.generate_config(self.reader, _C.ReadConfig(generate=asked.generate)).ngram_size
            picture = await run_in_threadpool(self.picture_of, asked)
            events: asyncio.Queue[tuple[str, Any]] = asyncio.Queue()
            loop = asyncio.get_running_loop()

            def post(kind: str) -> Any:
                def send(value: Any) -> None:
                    with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens
                        loop.call_soon_threadsafe(events.put_nowait, (kind, value))

                return send

            job = Job(picture, prompt, asked.mode, asked.generate, begin + self.config.timeout_s, post("text") if asked.stream else lambda _: None, post("end"), post("error"))
            try:
                self.engine.submit(job)
            except QueueFull as error:
                raise RequestError(429, str(error), code="queue_full", kind="rate_limit_error") from None
            if asked.stream:
                # The first event decides: what goes wrong before any text is an ordinary error.
                first = await self.next_event(events, job, request)
                if first[0] == "error":
                    raise self.told(first[1])
                status, streaming = 200, True
                return StreamingResponse(self.stream(first, events, job, asked, prompt, ignored, begin), media_type="text/event-stream", headers={"Cache-Control": "no-cache"})
            try:
                while True:
                    kind, value = await self.next_event(events, job, request)
                    if kind == "error":
                        raise self.told(value)
                    if kind == "end":
                        break
            finally:
                job.cancelled = True
            status = 200
            answer = completion(new_id(), self.name, value["text"], finish_reason(value["stop_reason"]), self.usage_of(value, prompt), self.details_of(value, ignored))
            return JSONResponse(answer)
        except RequestError as error:
            status = error.status
            return JSONResponse(error.body(), status_code=status, headers={"Retry-After": "1"} if status == 429 else None)
        except TimeoutError:
            status = 408
            return JSONResponse(RequestError(408, "the request did not arrive in time", code="timeout").body(), status_code=408)
        finally:
            self.metrics.add("fovea_requests_total", labels=f'status="{status}"')
            if not streaming:
                self.metrics.observe("fovea_request_seconds", time.monotonic() - begin)

    def told(self, error: Exception) -> RequestError:
        if isinstance(error, TimeoutError):
            return RequestError(504, str(error), code="timeout", kind="timeout_error")
        if isinstance(error, (_C.ConfigError, _C.ShapeError)):
            return RequestError(400, str(error), param="messages")
        return RequestError(500, f"the reader failed: {error}", kind="server_error")

    async def next_event(self, events: asyncio.Queue[tuple[str, Any]], job: Job, request: Any = None) -> tuple[str, Any]:
        """The engine's next word; the time limit holds while the job waits in the queue, too."""
        while True:
            try:
                return await asyncio.wait_for(events.get(), 0.5)
            except TimeoutError:
                if time.monotonic() > job.deadline:
                    job.cancelled = True
                    return "error", TimeoutError("the request took longer than this server allows")
                if request is not None and await request.is_disconnected():
                    job.cancelled = True
                    return "error", RuntimeError("the client is gone")

    async def stream(self, event: tuple[str, Any], events: asyncio.Queue[tuple[str, Any]], job: Job, asked: Request, prompt: str, ignored: bool,
                     begin: float) -> AsyncIterator[str]:
        identifier, created, sent = new_id(), int(time.time()), ""

        def line(value: Any) -> str:
            return f"data: {json.dumps(value, ensure_ascii=False)}\n\n"

        try:
            yield line(chunk(identifier, self.name, created, {"role": "assistant", "content": ""}))
            while True:
                kind, value = event
                if kind == "error":
                    yield line(self.told(value).body())
                    break
                text = value["text"] if kind == "end" else value.rstrip("\ufffd")  # a character may be half written
                if len(text) > len(sent) and text.startswith(sent):
                    yield line(chunk(identifier, self.name, created, {"content": text[len(sent) :]}))
                    sent = text
                if kind == "end":
                    last = chunk(identifier, self.name, created, {}, finish_reason(value["stop_reason"]))
                    yield line(last | {"fovea": self.details_of(value, ignored)})
                    if asked.include_usage:
                        yield line(chunk(identifier, self.name, created, {}) | {"choices": [], "usage": self.usage_of(value, prompt)})
                    break
                event = await self.next_event(events, job)
            yield "data: [DONE]\n\n"
        finally:
            job.cancelled = True
            self.metrics.observe("fovea_request_seconds", time.monotonic() - begin)

    async def models(self, request: Any) -> Any:
        from starlette.responses import JSONResponse

        one = {"id": self.name, "object": "model", "created": self.created, "owned_by": "fovea"}
        try:
            self.check_key(request)
        except RequestError as error:
            return JSONResponse(error.body(), status_code=error.status)
        name = request.path_params.get("name")
        if name is None:
            return JSONResponse({"object": "list", "data": [one]})
        if name == self.name:
            return JSONResponse(one)
        return JSONResponse(RequestError(404, f"the model {name!r} is not served here", param="model", code="model_not_found").body(), status_code=404)

    async def health(self, _request: Any) -> Any:
        from starlette.responses import JSONResponse

        well = self.engine.alive
        return JSONResponse({"status": "ok" if well else "down", "model": self.name, "queue_length": self.engine.queue_length, **self.engine.occupancy}, status_code=200 if well else 503)

    async def metrics_page(self, _request: Any) -> Any:
        from starlette.responses import PlainTextResponse

        return PlainTextResponse(self.metrics.text({"queue_length": self.engine.queue_length, **self.engine.occupancy}), media_type="text/plain; version=0.0.4")


def make_app(config: ServeConfig, reader: _C.Reader | None = None) -> Any:
    """The ASGI application, for any ASGI server; app.state.engine is its engine."""
    _packages()
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    server = _Server(config, reader)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Any) -> AsyncIterator[None]:
        yield
        server.engine.close()

    async def no_such_page(_request: Any, error: Any) -> Any:
        return JSONResponse(RequestError(error.status_code, str(error.detail)).body(), status_code=error.status_code)

    routes = [
        Route("/v1/chat/completions", server.chat, methods=["POST"]),
        Route("/v1/models", server.models),
        Route("/v1/models/{name:path}", server.models),
        Route("/health", server.health),
        Route("/metrics", server.metrics_page),
    ]
    app = Starlette(routes=routes, lifespan=lifespan, exception_handlers={HTTPException: no_such_page})
    app.state.engine = server.engine
    return app


def serve(config: ServeConfig) -> None:
    """Serves until it is stopped. Errors: ConfigError, WeightsError; OSError where the port is taken."""
    _, uvicorn = _packages()
    config.check()
    uvicorn.Server(uvicorn.Config(make_app(config), host=config.host, port=config.port, log_level="info", timeout_graceful_shutdown=10)).run()
