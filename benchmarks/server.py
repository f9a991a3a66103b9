"""A shop's server for as long as it is measured."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@contextmanager
def served(shop: Path) -> Iterator[tuple[str, int]]:
    """`launch.py serve` on a free port until the block ends: its address and process id, once it is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "launch.py"), "serve", "--shop", str(shop), "--port", str(port)]
    url = f"http://127.0.0.1:{port}"
    with subprocess.Popen(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=subprocess.DEVNULL) as server:
        try:
            while not _is_ready(url):
                if server.poll() is not None:
                    sys.exit(f"The server ended with {server.returncode}: see launch.py doctor --shop {shop}.")
                time.sleep(0.05)
            yield url, server.pid
        finally:
            server.terminate()
            server.wait(30)


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2):
            return True
    except OSError:
        return False
