"""ClickHouse's own engine (chdb) behind as much of its HTTP interface as Switchgear speaks; run by scripts/clickhouse's
Python with a folder as argument. It prints its port, and serves until its input ends.
"""

import re
import sys
import threading
from email.parser import BytesParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qsl, urlsplit

from chdb import session

NO_SETTINGS = frozenset(("database", "default_format", "query", "wait_end_of_query"))
PASSWORD = "open sesame"
"""Of the user ``default``."""
CODE = re.compile(r"Code: (\d+)")


class Front(BaseHTTPRequestHandler):
    """One request after the other: the engine has one session."""

    protocol_version = "HTTP/1.1"
    # Head and body are two writes: the second would wait for the client's acknowledgement of the first.
    disable_nagle_algorithm = True
    engine: session.Session
    lock = threading.Lock()
    known: ClassVar[dict[str, str]] = {}
    """What the session was told before."""

    def do_POST(self) -> None:
        """Run a statement: of the form, or of the URL with the body as its data."""
        body = self.rfile.read(int(self.headers["content-length"]))
        asked = dict(parse_qsl(urlsplit(self.path).query))
        if (self.headers["x-clickhouse-user"], self.headers["x-clickhouse-key"]) != ("default", PASSWORD):
            self._answer(403, b"Code: 516. DB::Exception: Authentication failed (AUTHENTICATION_FAILED)", "516")
            return
        try:
            with self.lock:
                answer = self._run(asked, body)
        except RuntimeError as error:
            code = CODE.search(str(error))
            self._answer(500, str(error).encode(), code.group(1) if code else "0")
        else:
            self._answer(200, answer)

    def _run(self, asked: dict[str, str], body: bytes) -> bytes:
        engine = self.engine
        settings = {name: value for name, value in asked.items() if name not in NO_SETTINGS}
        fields = self._form(body) if "query" not in asked else {}
        engine.query(f"USE {asked['database']}")
        told = {name: value for name, value in {**settings, **fields}.items() if name != "query"}
        news = {name: value for name, value in told.items() if self.known.get(name) != value}
        if news:
            engine.query(f"SET {', '.join(f'{name} = {literal(value)}' for name, value in news.items())}")
            self.known.update(news)
        sql = fields["query"] if fields else f"{asked['query']}\n{body.decode()}"
        return engine.query(sql, asked["default_format"]).bytes() or b""

    def _form(self, body: bytes) -> dict[str, str]:
        head = f"content-type: {self.headers['content-type']}\r\n\r\n".encode()
        parts = BytesParser().parsebytes(head + body).get_payload()
        names = [part.get_param("name", header="content-disposition") for part in parts]
        return {name: part.get_payload(decode=True).decode() for name, part in zip(names, parts, strict=True)}

    def _answer(self, status: int, body: bytes, code: str = "") -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        if code:
            self.send_header("x-clickhouse-exception-code", code)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


def literal(text: str) -> str:
    """Text in SQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def main() -> None:
    """Serve."""
    Front.engine = session.Session(sys.argv[1])
    with ThreadingHTTPServer(("127.0.0.1", 0), Front) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        print(server.server_port, flush=True)
        sys.stdin.read()
        server.shutdown()


if __name__ == "__main__":
    main()
