"""``switchgear traces import``: spans in files go to a running gateway, some in each call; known ones stay."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import typer
from msgspec import Struct, field, json

from switchgear.cli.output import Grid, note, show_blocks, show_json
from switchgear.cli.trace_asking import TRACES, Asking
from switchgear.cli.trace_files import Found, spans_in
from switchgear.cli.trace_options import ImportTracesOptions
from switchgear.kernel.errors import SwitchgearError, UpstreamRefused
from switchgear.wire import otlp_json

_PATH: Final = f"{TRACES}/import"
_MOST_SPANS: Final = 500
_ENOUGH_BYTES: Final = 4 * 1024 * 1024
_MOST_BYTES: Final = 16 * 1024 * 1024
"""Of one call."""
_WRAPPED_BYTES: Final = 64
"""What a call holds around a span."""
_TOO_LARGE: Final = 413
_BUSY: Final = 503
_PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""While a gateway's store is behind."""


class Refused(Struct):
    """A span that the gateway did not take."""

    place: int
    reason: str
    message: str


class Imported(Struct):
    """What became of the spans of one call."""

    new: int
    known: int
    refused: list[Refused]


class Reason(Struct):
    """Why spans were refused."""

    count: int = 0
    first: str = ""
    """Where the first of them is, and what is wrong with it."""


class Tally(Struct):
    """What became of all spans until now."""

    new: int = 0
    known: int = 0
    refused: dict[str, Reason] = field(default_factory=dict[str, Reason])

    @property
    def count(self) -> int:
        """How many these are."""
        return self.new + self.known + sum(each.count for each in self.refused.values())

    def refuse(self, reason: str, first: str, count: int = 1) -> None:
        """Note some that were refused."""
        told = self.refused.setdefault(reason, Reason(first=first))
        told.count += count


def import_files(options: ImportTracesOptions) -> None:
    """Send the spans of all files, and say what became of them; exit status 1 where some were refused."""
    tally = Tally()
    sender = Sender(Asking(options.url, options.key, options.config), options.project)
    try:
        for file in options.files:
            for some in batches(spans_in(file), tally):
                sender.send(some, tally)
                _progress(tally)
    except SwitchgearError:
        note(f"{tally.new} spans are new and {tally.known} were known until here: import again, none is kept twice.")
        raise
    if options.as_json:
        show_json(tally)
    else:
        _show(tally)
    if tally.refused:
        raise typer.Exit(1)


class Sender:
    """Sends spans to one project of one gateway; ``pause`` waits while that is behind."""

    def __init__(self, asking: Asking, project: str, pause: Callable[[float], object] = time.sleep) -> None:
        self._asking = asking
        self._path = _PATH
        self._project = project
        self._pause = pause

    def send(self, spans: Sequence[Found], tally: Tally) -> None:
        """Send some of one form, fewer at once where that is too much. Raises SwitchgearError where none are taken."""
        try:
            answer = self._answer(_body(spans))
        except UpstreamRefused as error:
            if error.status != _TOO_LARGE:
                raise
            if len(spans) == 1:
                tally.refuse("too_large", f"{spans[0].place}: {error.message}")
                return
            half = len(spans) // 2
            self.send(spans[:half], tally)
            self.send(spans[half:], tally)
            return
        done = json.decode(answer, type=Imported)
        tally.new += done.new
        tally.known += done.known
        for each in done.refused:
            of = spans[each.place if 0 <= each.place < len(spans) else 0]
            tally.refuse(each.reason, f"{of.place}: {each.message}")

    def _answer(self, body: bytes) -> bytes:
        asked = {"project": self._project}
        for seconds in _PAUSES_SECONDS:
            try:
                return self._asking.answer("POST", self._path, asked, body)[0]
            except UpstreamRefused as error:
                if error.status != _BUSY:
                    raise
                self._pause(seconds)
        return self._asking.answer("POST", self._path, asked, body)[0]


def batches(found: Iterator[Found], tally: Tally) -> Iterator[list[Found]]:
    """Spans of one form, as many as one call takes; those that cannot be read or sent are noted."""
    some: list[Found] = []
    size_bytes = 0
    for each in found:
        if each.unreadable:
            tally.refuse(each.reason, f"{each.place}: {each.unreadable}", each.count)
            continue
        size = _size(each)
        if size > _MOST_BYTES - _WRAPPED_BYTES:
            tally.refuse("too_large", f"{each.place}: the span is over {_MOST_BYTES} bytes")
            continue
        is_other = bool(some) and (some[0].told is None) != (each.told is None)
        if some and (is_other or len(some) == _MOST_SPANS or size_bytes + size > _ENOUGH_BYTES):
            yield some
            some, size_bytes = [], 0
        some.append(each)
        size_bytes += size
    if some:
        yield some


def _size(found: Found) -> int:
    return len(found.line) if found.told is None else len(otlp_json.write([found.told]))


def _body(spans: Sequence[Found]) -> bytes:
    told = [each.told for each in spans if each.told is not None]
    if told:
        return b'{"otlp":%b}' % otlp_json.write(told)
    return b'{"spans":[%b]}' % b",".join(each.line for each in spans)


def _progress(tally: Tally) -> None:
    if sys.stderr.isatty():
        typer.echo(f"\r{tally.count} spans", nl=False, err=True)


def _show(tally: Tally) -> None:
    if sys.stderr.isatty():
        typer.echo("\r", nl=False, err=True)
    show_blocks([f"{tally.new} spans are new, {tally.known} were known."])
    if tally.refused:
        rows = [(reason, str(told.count), told.first) for reason, told in sorted(tally.refused.items())]
        show_blocks([Grid(headings=("refused", "spans", "the first of them"), rows=rows)])
