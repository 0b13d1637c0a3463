"""The contract of the dialect seam, for conversations: subclass :class:`DialectContract`, give a fixture ``dialect``.

::

    class TestPlain(DialectContract):
        calls_tools = False
        thinks = False

        @pytest.fixture
        def dialect(self) -> Dialect:
            return Plain()
"""

from collections.abc import Callable
from itertools import pairwise
from typing import ClassVar, Final

from msgspec import Raw
from msgspec.structs import replace

from switchgear.kernel.chat import (
    Chat,
    Choice,
    Completion,
    Done,
    Event,
    Failure,
    Message,
    Part,
    Ping,
    Start,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from switchgear.kernel.dialect import Dialect, StreamOptions
from switchgear.kernel.errors import BadRequest, SwitchgearError, UpstreamError, UpstreamRefused, UpstreamTruncated
from switchgear.kernel.fold import fold, unfold

_OPTIONS: Final = StreamOptions(include_usage=True)
_WIDTHS: Final = (1, 2, 7, 64, 4096)
_NO_ANSWERS: Final = (b"", b" ", b"null", b"[1]", b'"x"', b"<html>", b"\xff", b"{", b"[" * 100_000, b'{"error":7}')
_WORDS: Final = "Grüße ☀ \u2028\n\ndata: [DONE]\n\n"
"""Text that tempts a careless reader."""
_USAGE: Final = Usage(input=11, output=7)
_CALLS: Final = (
    ToolCall(id="call_1", name="weather", arguments='{"city":"Köln"}'),
    ToolCall(id="call_2", name="time", arguments="{}"),
)
_SCHEMA: Final = Raw(b'{"type":"object","properties":{"city":{"type":"string"}}}')


class DialectContract:
    """What the doors, routing and every other dialect rely on; for the families that know streams."""

    calls_tools: ClassVar[bool] = True
    thinks: ClassVar[bool] = True
    tells_usage: ClassVar[bool] = True

    def test_a_request_that_is_written_is_read_back_the_same(self, dialect: Dialect) -> None:
        for chat in self._chats():
            found = dialect.read_request(dialect.write_request(chat))
            # Some leave the model and the wish for a stream to the path, or must say that a tool is not strict.
            unsaid = replace(found, model=chat.model, stream=chat.stream, include_usage=chat.include_usage, echo=())
            tools = tuple(replace(tool, strict=tool.strict or None) for tool in found.tools)
            assert replace(unsaid, tools=tools) == chat

    def test_an_answer_that_is_written_is_read_back_the_same(self, dialect: Dialect) -> None:
        for completion in self._completions():
            assert _kept(dialect.read_reply(dialect.write_reply(completion))) == self._told(completion)

    def test_a_glance_sees_what_accounting_needs(self, dialect: Dialect) -> None:
        for completion in self._completions():
            tally = dialect.glance(dialect.write_reply(completion))
            assert tally.complete
            assert tally.finish == completion.choices[0].finish
            assert tally.usage is None or not self.tells_usage or _totals(tally.usage) == _totals(_USAGE)

    def test_a_stream_tells_the_same_as_the_answer_however_it_is_cut(self, dialect: Dialect) -> None:
        for completion in self._completions():
            stream = _written(dialect, completion)
            whole = _read(dialect, stream)
            assert _kept(fold(whole)) == self._told(completion)
            assert all(_read(dialect, *_cut(stream, width)) == whole for width in _WIDTHS)

    def test_a_stream_that_breaks_off_never_looks_complete(self, dialect: Dialect) -> None:
        stream = _written(dialect, self._completions()[0])
        for at in range(0, len(stream) // 2, 5):
            events = _read(dialect, stream[:at])
            assert isinstance(events[-1], Failure)
            assert isinstance(events[-1].error, UpstreamTruncated)
            assert Done() not in events

    def test_bytes_that_are_no_stream_are_a_failure_and_never_an_exception(self, dialect: Dialect) -> None:
        for body in _NO_ANSWERS:
            assert isinstance(_read(dialect, body, b"\n\n")[-1], Failure)

    def test_a_sign_of_life_changes_nothing(self, dialect: Dialect) -> None:
        stream = _written(dialect, self._completions()[0])
        events = _read(dialect, dialect.keepalive, stream, dialect.keepalive)
        assert [event for event in events if not isinstance(event, Ping)] == _read(dialect, stream)

    def test_a_relay_passes_every_byte_and_counts_what_passes(self, dialect: Dialect) -> None:
        for completion in self._completions():
            stream = _written(dialect, completion)
            for width in _WIDTHS:
                splitter, relay = dialect.splitter(), dialect.relay(_OPTIONS)
                frames = [splitter.feed(piece) for piece in _cut(stream, width)]
                assert b"".join(relay.forward(frame) for frame in frames if frame) == stream
                assert relay.tally.finish == completion.choices[0].finish
                assert relay.tally.complete or relay.tally.complete_at_end
                assert relay.tally.content_frames > 0

    def test_a_prepared_request_differs_in_its_model_alone(self, dialect: Dialect) -> None:
        for chat in self._chats():
            body = dialect.write_request(chat)
            before = dialect.read_request(body)
            after = dialect.read_request(dialect.prepare(body, "other", stream=False))
            assert after.model in ("other", before.model)
            assert replace(after, model=before.model) == before

    def test_a_body_that_is_no_request_is_refused(self, dialect: Dialect) -> None:
        for body in _NO_ANSWERS[:-1]:
            assert isinstance(_error(dialect.read_request, body), BadRequest)

    def test_a_body_that_is_no_answer_is_the_upstreams_mistake(self, dialect: Dialect) -> None:
        for body in _NO_ANSWERS:
            assert isinstance(_error(dialect.read_reply, body), UpstreamError)
            assert isinstance(_error(dialect.glance, body), UpstreamError)

    def test_any_error_answer_is_read(self, dialect: Dialect) -> None:
        for body in _NO_ANSWERS:
            error = dialect.read_error(503, body, 2.5)
            assert (error.status, error.retry_after_seconds) == (503, 2.5)
            assert error.message

    def test_an_error_that_is_written_is_read_back_with_its_message(self, dialect: Dialect) -> None:
        for status in (400, 401, 404, 429, 500, 503):
            body = dialect.write_error(UpstreamRefused("It said why.", status=status), "r")
            found = dialect.read_error(status, body, None)
            assert (found.status, found.message) == (status, "It said why.")

    def test_a_failure_ends_a_stream_and_no_end_mark_follows(self, dialect: Dialect) -> None:
        begun = dialect.writer(_OPTIONS).write(Start(id="a", model="m"))
        events = _read(dialect, begun, dialect.write_failure(UpstreamRefused("It said why.", status=500), "r"))
        assert isinstance(events[-1], Failure)
        assert "It said why." in events[-1].error.message

    def _chats(self) -> list[Chat]:
        asked = Chat(
            model="m",
            messages=(Message(role="user", parts=(Text(text=_WORDS),)),),
            max_output_tokens=9,
        )
        if not self.calls_tools:
            return [asked]
        calling = Message(role="assistant", parts=(Text(text="Looking."), *_CALLS))
        results = tuple(ToolResult(call_id=call.id, content=(Text(text=f"of {call.name}"),)) for call in _CALLS)
        tools = tuple(Tool(name=call.name, parameters=_SCHEMA) for call in _CALLS)
        answered = (*asked.messages, calling, Message(role="tool", parts=results))
        return [asked, replace(asked, messages=answered, tools=tools)]

    def _completions(self) -> list[Completion]:
        said: list[tuple[Part, ...]] = [(Text(text=_WORDS),)]
        if self.thinks:
            said.append((Thinking(text="Hm.", signature="c2ln"), Text(text=_WORDS)))
        if self.calls_tools:
            said.append((Text(text="Looking."), *_CALLS))
        return [
            Completion(
                id="a",
                model="m",
                choices=(Choice(parts=parts, finish="tool_calls" if isinstance(parts[-1], ToolCall) else "stop"),),
                usage=_USAGE,
            )
            for parts in said
        ]

    def _told(self, completion: Completion) -> tuple[object, ...]:
        parts, finish, totals = _kept(completion)
        return parts, finish, totals if self.tells_usage else None


def _kept(completion: Completion) -> tuple[object, ...]:
    """What an answer must say: its parts in order, the finish, and its tokens in all."""
    (choice,) = completion.choices
    return choice.parts, choice.finish, None if completion.usage is None else _totals(completion.usage)


def _totals(usage: Usage) -> tuple[int, int]:
    return usage.total_input, usage.total_output


def _written(dialect: Dialect, completion: Completion) -> bytes:
    writer = dialect.writer(_OPTIONS)
    return b"".join(writer.write(event) for event in unfold(completion))


def _read(dialect: Dialect, *pieces: bytes) -> list[Event]:
    reader = dialect.events()
    return [*(event for piece in pieces for event in reader.feed(piece)), *reader.close()]


def _cut(data: bytes, width: int) -> list[bytes]:
    edges = [*range(0, len(data), width), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def _error(act: Callable[[bytes], object], body: bytes) -> SwitchgearError | None:
    try:
        act(body)
    except SwitchgearError as error:
        return error
    return None
