"""Golden cases: one file holds an input, a line ``---``, and what a dialect must make of it.

A case stands at ``cases/<dialect>/<kind>-<name>.case``; adding a case is adding a file. Lines at the top that
begin with ``#`` say what the case is about. The kinds, with their input and output:

=============  =============================================  ==============================================
request        a client's body                                the canonical Chat (or Embed)
write-request  a canonical Chat (or Embed)                    the body for an upstream
reply          an upstream's body                             the canonical Completion (or Embeddings)
write-reply    a canonical Completion (or Embeddings)         the body for a client
glance         an upstream's body                             the Tally
stream         the bytes of a stream                          the canonical events, one to a line
write-stream   ``options`` line, canonical events by line     the bytes for the client
relay          ``options`` line, the bytes of a stream        the bytes for the client, a line ``===``, the Tally
prepare        ``model`` line (``model stream``), a body      the body with the declared splices
error          ``status [retry-after]`` line, a body          the UpstreamRefused
write-error    an error                                       the body for the client
write-failure  an error                                       the last frame for the client
events         the pieces of a stream, by line                name and data of its events, then what is unfinished
=============  =============================================  ==============================================

Streams stand in a file as :mod:`tests.wire.framing` says. ``events`` are those of ``sse``, which is no dialect but
what most of them stream by: each piece is a JSON text, and each of its characters a byte.
The canonical Embed that a reply answers may stand above it, in a line ``asked``.
An exception is an output as well. Only what differs from a field's default is shown.
"""

import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Union, cast, get_args, get_origin

import msgspec
from msgspec import Struct

from switchgear.kernel import errors
from switchgear.kernel.chat import Chat, Completion, Event
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.kernel.retrieval import Embed, Embeddings
from switchgear.wire.registry import discover
from switchgear.wire.sse import FrameSplitter, read_events
from tests.wire.framing import framing_of

CASES = Path(__file__).parent / "cases"
REQUEST_ID = "req_1"
EVENTS = "events"
_DIVIDER = re.compile(r"^---\n", re.MULTILINE)


@dataclass(frozen=True)
class Case:
    """One file."""

    path: Path
    about: str
    given: str
    expected: str

    @property
    def dialect(self) -> str:
        return self.path.parent.name

    @property
    def kind(self) -> str:
        fitting = [kind for kind in (*RUNS, EVENTS) if self.path.name.startswith(f"{kind}-")]
        return max(fitting, key=len)

    def outcome(self) -> str:
        """What the dialect makes of the input."""
        try:
            if self.kind == EVENTS:
                return _events(self.given)
            return RUNS[self.kind](dialect_named(self.dialect), self.given).rstrip("\n") + "\n"
        except SwitchgearError as error:
            return f"! {pretty(shown(error))}\n"

    def text(self, outcome: str) -> str:
        return f"{self.about}{self.given}---\n{outcome}"


def load(path: Path) -> Case:
    text = path.read_bytes().decode()
    about = "".join(line for line in re.findall(r"\A(?:#.*\n)*", text)[:1])
    parts = _DIVIDER.split(text[len(about) :], maxsplit=1)
    return Case(path, about, parts[0], parts[1] if len(parts) > 1 else "")


def all_cases() -> list[Case]:
    return [load(path) for path in sorted(CASES.glob("*/*.case"))]


def dialect_named(name: str) -> Dialect:
    """The dialect whose cases stand in the folder ``name``."""
    return _dialects()[name]


@cache
def _dialects() -> Mapping[str, Dialect]:
    return discover()


def shown(value: object) -> object:
    """Plain JSON values, without the fields that hold their default."""
    if isinstance(value, SwitchgearError):
        return shown_error(value)
    if isinstance(value, msgspec.Raw):
        return json.loads(bytes(value))
    if isinstance(value, Struct):
        fields = {field.name: field for field in msgspec.structs.fields(value)}
        tag = value.__struct_config__.tag
        said = {name: item for name in fields if (item := getattr(value, name)) != fields[name].default}
        return ({"type": tag} if tag else {}) | {name: shown(item) for name, item in said.items()}
    if isinstance(value, tuple | list):
        return [shown(item) for item in cast("list[object]", value)]
    return value


def shown_error(error: SwitchgearError) -> dict[str, object]:
    said: dict[str, object] = {"class": type(error).__name__, "message": error.message}
    own = {"param": error.param, "retry_after_seconds": error.retry_after_seconds}
    if isinstance(error, UpstreamRefused):
        own |= {"status": error.status, "code": error.code, "kind": error.kind}
    return said | {name: value for name, value in own.items() if value is not None}


def error_from(fields: dict[str, Any]) -> SwitchgearError:
    """The inverse of :func:`shown_error`."""
    kind: Callable[..., SwitchgearError] = getattr(errors, fields["class"])
    return kind(**{name: value for name, value in fields.items() if name != "class"})


def pretty(value: object) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False)


def canonical(kind: Any, text: str) -> Any:
    """Build canonical values from JSON; errors are objects as :func:`shown_error` writes them."""
    return built(kind, json.loads(text))


def built(kind: Any, value: Any) -> Any:
    """``value`` as ``kind``: what msgspec does, but for ``Raw | None``, which it cannot decode."""
    options = get_args(kind) if get_origin(kind) in {Union, UnionType} else (kind,)
    if value is None or Any in options:
        return value
    if msgspec.Raw in options:
        return msgspec.Raw(msgspec.json.encode(value))
    if SwitchgearError in options:
        return error_from(value)
    structs = [option for option in options if inspect.isclass(option) and issubclass(option, Struct)]
    if structs:
        return built_struct(structs, value)
    if get_origin(options[0]) is tuple:
        items = get_args(options[0])
        return tuple(built(items[0] if items[-1] is Ellipsis else items[at], item) for at, item in enumerate(value))
    return msgspec.convert(value, kind)


def built_struct(kinds: list[Any], value: dict[str, Any]) -> Any:
    """The struct whose tag is the value's ``type``; the only one there is, when it has none."""
    kind = next((kind for kind in kinds if kind.__struct_config__.tag == value.get("type")), kinds[0])
    fields = {field.name: field.type for field in msgspec.structs.fields(kind)}
    given = {name: item for name, item in value.items() if name != "type"}
    return kind(**{name: built(fields[name], item) for name, item in given.items()})


def _first_line(given: str) -> tuple[str, str]:
    line, _, rest = given.partition("\n")
    return line, rest


def _request(dialect: Dialect, given: str) -> str:
    return pretty(shown(dialect.read_request(_one_body(given))))


def _write_request(dialect: Dialect, given: str) -> str:
    asked = Embed if dialect.family == "embeddings" else Chat
    return _body(dialect.write_request(canonical(asked, given)))


def _reply(dialect: Dialect, given: str) -> str:
    return pretty(shown(dialect.read_reply(_one_body(given))))


def _write_reply(dialect: Dialect, given: str) -> str:
    if dialect.family != "embeddings":
        return _body(dialect.write_reply(canonical(Completion, given)))
    line, rest = _first_line(given) if given.startswith("asked ") else ("", given)
    asked = canonical(Embed, line.removeprefix("asked ")) if line else None
    return _body(dialect.write_reply(canonical(Embeddings, rest), asked))


def _glance(dialect: Dialect, given: str) -> str:
    return pretty(shown(dialect.glance(_one_body(given))))


def _stream(dialect: Dialect, given: str) -> str:
    reader = dialect.events()
    stream = b"".join(framing_of(dialect).frames(given))
    events = [*reader.feed(stream), *reader.close()]
    return "\n".join(json.dumps(shown(event), ensure_ascii=False) for event in events)


def _options(line: str) -> StreamOptions:
    return msgspec.json.decode(line.removeprefix("options "), type=StreamOptions)


def _write_stream(dialect: Dialect, given: str) -> str:
    line, rest = _first_line(given)
    writer = dialect.writer(_options(line))
    events = [canonical(Event, event) for event in rest.splitlines() if event]
    return framing_of(dialect).text(b"".join(writer.write(event) for event in events))


def _relay(dialect: Dialect, given: str) -> str:
    line, rest = _first_line(given)
    relay = dialect.relay(_options(line))
    framing = framing_of(dialect)
    sent = framing.text(b"".join(relay.forward(frame) for frame in framing.frames(rest)))
    return f"{sent}===\n{pretty(shown(relay.tally))}"


def _prepare(dialect: Dialect, given: str) -> str:
    line, rest = _first_line(given)
    model, _, stream = line.partition(" ")
    return dialect.prepare(_one_body(rest), model, stream=bool(stream)).decode()


def _error(dialect: Dialect, given: str) -> str:
    line, rest = _first_line(given)
    status, _, retry_after = line.partition(" ")
    return pretty(shown(dialect.read_error(int(status), _one_body(rest), float(retry_after) if retry_after else None)))


def _write_error(dialect: Dialect, given: str) -> str:
    return _body(dialect.write_error(error_from(json.loads(given)), REQUEST_ID))


def _write_failure(dialect: Dialect, given: str) -> str:
    return framing_of(dialect).text(dialect.write_failure(error_from(json.loads(given)), REQUEST_ID))


def _events(given: str) -> str:
    splitter = FrameSplitter()
    lines: list[str] = []
    for piece in filter(None, given.splitlines()):
        found = read_events(splitter.feed(json.loads(piece).encode("latin-1")))
        lines += [json.dumps([name.decode(), data.decode()]) for name, data in found]
    rest = splitter.unfinished
    return "\n".join([*lines, *([f"unfinished {json.dumps(rest.decode('latin-1'))}"] if rest else [])]) + "\n"


def _one_body(given: str) -> bytes:
    """A body without the line end that the file's format adds."""
    return given.removesuffix("\n").encode()


def _body(body: bytes) -> str:
    return pretty(json.loads(body))


RUNS: dict[str, Callable[[Dialect, str], str]] = {
    "request": _request,
    "write-request": _write_request,
    "reply": _reply,
    "write-reply": _write_reply,
    "glance": _glance,
    "stream": _stream,
    "write-stream": _write_stream,
    "relay": _relay,
    "prepare": _prepare,
    "error": _error,
    "write-error": _write_error,
    "write-failure": _write_failure,
}
