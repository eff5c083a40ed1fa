"""`fovea serve`: the reader behind the OpenAI chat-completions protocol."""

from __future__ import annotations

import os
from typing import Any

import click

from fovea.cli import cli


@cli.command()
@click.option("--model", default="", type=click.Path(), help="model folder; empty: the reader that ships")
@click.option("--name", default="", help="as clients call it; empty: the model's own name")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda or cuda:N")
@click.option("--dtype", default="auto", show_default=True, help="arithmetic: auto, float32, bfloat16, float16")
@click.option("--mode", default="small", show_default=True, help="unless a request names one (field `mode`): tiny ... gundam-m, a side in px, auto")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8000, show_default=True, type=int)
@click.option("--max-batch", default=16, show_default=True, type=int, help="pages that are decoded together; one that comes joins the next step")
@click.option("--cache-positions", default=0, show_default=True, type=int, help="positions that the key-value cache holds, 0 as memory allows")
@click.option("--max-queue", default=256, show_default=True, type=int, help="requests that may wait; more are refused (429)")
@click.option("--max-body-bytes", default=64 * 2**20, show_default=True, type=int)
@click.option("--max-pixels", default=100_000_000, show_default=True, type=int, help="larger pictures are refused")
@click.option("--max-new-tokens", default=8192, show_default=True, type=int, help="most text tokens a page, whatever a request asks")
@click.option("--timeout-s", default=300.0, show_default=True, type=float, help="of one request, waiting included")
@click.option("--allow-urls/--no-allow-urls", default=False, show_default=True, help="fetch pictures from http and https URLs: only where every client is trusted")
@click.option("--api-key-env", default="", help="environment variable with the key that clients must send; empty: all may")
def serve(api_key_env: str, **values: Any) -> None:
    """Serves a reader: POST /v1/chat/completions (with stream), /v1/models, /health, /metrics.

    A request holds one picture as a data: URL and the prompt as text: a published prompt's name (markdown, free-ocr, ...) or any text.
    """
    from fovea import _C
    from fovea.serve import ServeConfig
    from fovea.serve import serve as run

    if api_key_env and not os.environ.get(api_key_env):
        raise _C.ConfigError(f"[serve] the environment variable {api_key_env} holds no key")
    config = ServeConfig(**values, api_key=os.environ.get(api_key_env, "") if api_key_env else "")
    run(config)
