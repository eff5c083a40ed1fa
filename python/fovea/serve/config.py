"""What a server may be told."""

from __future__ import annotations

from dataclasses import dataclass

from fovea import _C


@dataclass
class ServeConfig:
    model: str = ""  # model folder; empty: the reader that ships
    name: str = ""  # as clients call it; empty: the model's own
    device: str = "cpu"
    dtype: str = "auto"
    mode: str = "small"  # unless a request names one
    host: str = "127.0.0.1"
    port: int = 8000
    max_batch: int = 16  # pages that are decoded together
    cache_positions: int = 0  # that the key-value cache holds; 0: as memory allows
    max_queue: int = 256  # waiting requests; more are refused with 429
    max_body_bytes: int = 64 * 2**20
    max_pixels: int = 100_000_000
    max_new_tokens: int = 8192
    timeout_s: float = 300.0  # of one request, waiting included
    allow_urls: bool = False  # fetch http and https pictures: the server then asks any host that a client names
    api_key: str = ""  # clients must send it; empty: all may

    def check(self) -> None:
        """Errors: ConfigError naming the first value that cannot be."""
        for field, least in {"max_batch": 1, "max_queue": 1, "max_body_bytes": 1, "max_pixels": 1, "max_new_tokens": 1, "port": 0, "cache_positions": 0}.items():
            if getattr(self, field) < least:
                raise _C.ConfigError(f"[serve] {field} must be at least {least}, got {getattr(self, field)}")
        if not self.timeout_s > 0:
            raise _C.ConfigError(f"[serve] timeout_s must be above 0, got {self.timeout_s}")
