"""A body in pieces: its head goes out with the first of them, or alone where there is none yet."""

from collections.abc import Callable

from switchgear.doors.response import BodyWriter
from switchgear.kernel.outbox import Outbox

HEAD = b"HTTP/1.1 200 OK\r\n\r\n"


class Client:
    """A transport that keeps each write; the loop's round ends when :meth:`end_round` is called."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.closing = False
        self._soon: list[Callable[[], None]] = []
        self.outbox = Outbox(self._soon.append)

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.closing

    def end_round(self) -> None:
        while self._soon:
            self._soon.pop()()


def test_a_head_goes_out_with_the_first_piece_in_one_write() -> None:
    client = Client()
    out = BodyWriter(client.outbox, client, HEAD, chunked=True)
    assert client.written == []
    out.send(b"hello")
    client.end_round()
    out.send(b"you")
    client.end_round()
    out.end()
    assert client.written == [HEAD + b"5\r\nhello\r\n", b"3\r\nyou\r\n", b"0\r\n\r\n"]


def test_where_no_piece_is_at_hand_the_head_does_not_wait_for_it() -> None:
    client = Client()
    out = BodyWriter(client.outbox, client, HEAD, chunked=True)
    out.flush()
    client.end_round()
    assert client.written == [HEAD]
    out.flush()
    out.send(b"late")
    assert client.written == [HEAD, b"4\r\nlate\r\n"]


def test_a_body_without_chunks_has_no_end_of_its_own() -> None:
    client = Client()
    out = BodyWriter(client.outbox, client, HEAD, chunked=False)
    out.send(b"hello")
    out.end()
    client.end_round()
    assert client.written == [HEAD + b"hello"]


def test_a_body_of_nothing_has_its_head_and_its_end() -> None:
    client = Client()
    BodyWriter(client.outbox, client, HEAD, chunked=True).end()
    client.end_round()
    assert b"".join(client.written) == HEAD + b"0\r\n\r\n"


def test_nothing_is_written_to_a_client_that_is_gone() -> None:
    client = Client()
    out = BodyWriter(client.outbox, client, HEAD, chunked=True)
    client.closing = True
    out.send(b"hello")
    out.end()
    client.end_round()
    assert client.written == []
