"""How stores are asked: bounded in time and size, nowhere but at the address that was named, and in silence."""

import socket
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pytest

from switchgear.config.secret_stores.client import MAX_ANSWER_BYTES, Server
from switchgear.config.secret_stores.store import StoreProblem
from tests.config.secret_stores.stand import Stand, Told, always, told
from tests.e2e.tls_front import AUTHORITY, TlsFront

TOKEN = "planted-token"


@contextmanager
def listening(talk: Callable[[socket.socket, threading.Event], None]) -> Generator[str]:
    """The address of a server that says what ``talk`` says, until the event is set."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            talk(connection, over)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            thread.join(10)


def problem_of(url: str, seconds: float = 5.0) -> str:
    with pytest.raises(StoreProblem) as caught:
        Server(url, "VAULT_ADDR", seconds=seconds).ask("GET", "/v1/x", {"x-vault-token": TOKEN})
    assert TOKEN not in str(caught.value)
    return str(caught.value)


def silent(connection: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def dripping(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while not over.wait(0.02):
        try:
            connection.sendall(b"x: y\r\n")
        except OSError:
            return


def endless(connection: socket.socket, over: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not over.wait(0.02):
        try:
            connection.sendall(b"x")
        except OSError:
            return


@pytest.mark.parametrize("talk", [silent, dripping, endless])
def test_who_does_not_finish_in_time_is_not_waited_for(
    talk: Callable[[socket.socket, threading.Event], None],
) -> None:
    with listening(talk) as url:
        assert problem_of(url, seconds=0.3) == f"{url} does not answer within 0.3 s"


def test_who_breaks_off_or_speaks_no_http_is_no_answer() -> None:
    def short(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{}")

    def foreign(connection: socket.socket, over: threading.Event) -> None:
        connection.recv(4096)
        connection.sendall(b"SSH-2.0-planted-answer\r\n")

    with listening(short) as url:
        assert problem_of(url) == f"{url} broke off in the middle of its answer"
    with listening(foreign) as url:
        assert problem_of(url) == f"{url} cannot be asked: it does not speak HTTP as it should (BadStatusLine)"


def test_nobody_there_is_told_as_such() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert problem_of(f"http://127.0.0.1:{port}") == f"http://127.0.0.1:{port} cannot be asked: Connection refused"


def test_a_redirect_is_never_followed() -> None:
    with Stand(always(told(200, {}))) as elsewhere:
        with Stand(always(Told(307, headers={"location": f"{elsewhere.url}/v1/x"}))) as stand:
            told_us = problem_of(stand.url)
        assert told_us == f"{stand.url} answers 307 and sends us to '127.0.0.1', which is not followed"
        assert elsewhere.asked == []


def test_an_answer_is_read_up_to_its_bound() -> None:
    body = b"x" * MAX_ANSWER_BYTES
    with Stand(always(Told(200, body))) as stand:
        assert len(Server(stand.url, "VAULT_ADDR").ask("GET", "/", {}).body) == MAX_ANSWER_BYTES
        stand.answer = always(Told(200, body + b"x"))
        assert problem_of(stand.url) == f"{stand.url} answers with more than {MAX_ANSWER_BYTES} bytes"


def test_a_server_proves_who_it_is_before_anything_is_said() -> None:
    with Stand(always(told(200, {}))) as stand, TlsFront(stand.url) as front:
        assert Server(front.url, "VAULT_ADDR", ca_file=str(AUTHORITY)).ask("GET", "/x", {}).status == 200
        assert stand.asked[0].headers["host"] == front.url.removeprefix("https://")
        assert problem_of(front.url).startswith(f"{front.url}: its certificate is not trusted: ")
        assert len(stand.asked) == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://vault.example:8200", "VAULT_ADDR must begin with https://"),
        ("http://127.0.0.1.example", "VAULT_ADDR must begin with https://"),
        ("ftp://vault.example", "VAULT_ADDR is no address"),
        ("vault.example:8200", "VAULT_ADDR is no address"),
        ("https://", "VAULT_ADDR is no address"),
        ("https://vault.example:99999", "VAULT_ADDR is no address"),
        ("https://vault.example/\r\nx: y", "VAULT_ADDR is no address"),
        ("https://me:word@vault.example", "VAULT_ADDR must hold no user and no password"),
    ],
)
def test_an_address_that_cannot_be_used_is_refused_by_the_name_of_its_setting(url: str, why: str) -> None:
    with pytest.raises(StoreProblem, match=why) as caught:
        Server(url, "VAULT_ADDR")
    assert "word@" not in str(caught.value)


def test_neither_a_server_nor_an_answer_shows_what_it_holds() -> None:
    with Stand(always(Told(200, b"planted-answer"))) as stand:
        server = Server(stand.url, "VAULT_ADDR")
        answer = server.ask("GET", "/", {"x-vault-token": TOKEN})
    assert (repr(server), repr(answer)) == (f"Server({stand.url})", "Answer(200, 14 bytes)")
