"""Many streams held open at once by clients that do nothing but wait."""

import socket
from collections.abc import Generator
from contextlib import ExitStack, contextmanager

from bench.payloads import chat_body
from bench.programs import Target

FIRST_CHUNK_SECONDS = 10.0


@contextmanager
def open_streams(target: Target, count: int, wishes: str) -> Generator[int]:
    """Open `count` streams, each up to its first chunk, and yield how many came so far; the block's end closes them."""
    request = _request(target, chat_body(target.model, wishes, stream=True))
    with ExitStack() as clients:
        opened = 0
        for _ in range(count):
            client = clients.enter_context(socket.create_connection(("127.0.0.1", target.port), FIRST_CHUNK_SECONDS))
            client.sendall(request)
            if not _first_chunk_comes(client):
                break
            opened += 1
        yield opened


def _first_chunk_comes(client: socket.socket) -> bool:
    seen = b""
    try:
        while b"data:" not in seen:
            received = client.recv(4096)
            if not received:
                return False
            seen += received
    except TimeoutError:
        return False
    return True


def _request(target: Target, body: bytes) -> bytes:
    headers = [("Host", "127.0.0.1"), ("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    lines = [f"{name}: {value}" for name, value in [*headers, *target.headers]]
    head = "\r\n".join([f"POST {target.path} HTTP/1.1", *lines, "", ""])
    return head.encode() + body
