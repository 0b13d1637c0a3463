"""A server that answers every request with the same bytes, one by one: the trial of the load generator's parser."""

import socket
import threading
from typing import Self


class ScriptedServer:
    """Listens on loopback for as long as the `with` block; serves one connection at a time."""

    def __init__(self, answer: bytes, *, then_close: bool = False) -> None:
        self._answer = answer
        self._then_close = then_close
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self.port: int = self._listener.getsockname()[1]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._closing.set()
        # Wakes the thread from accept(), which closing the listener does not.
        socket.create_connection(("127.0.0.1", self.port)).close()
        self._thread.join()
        self._listener.close()

    def _serve(self) -> None:
        while not self._closing.is_set():
            client, _ = self._listener.accept()
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with client:
                self._answer_all(client)

    def _answer_all(self, client: socket.socket) -> None:
        """The generator is never quicker than its answer, so whatever one recv brings is one request."""
        try:
            while client.recv(65536):
                for position in range(len(self._answer)):
                    client.sendall(self._answer[position : position + 1])
                if self._then_close:
                    return
        except (BrokenPipeError, ConnectionResetError):
            return
