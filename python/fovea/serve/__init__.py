"""A reader behind the OpenAI chat-completions protocol: `fovea serve`. Needs starlette and uvicorn, which are imported late."""

from fovea.serve.config import ServeConfig
from fovea.serve.run import make_app, serve

__all__ = ["ServeConfig", "make_app", "serve"]
