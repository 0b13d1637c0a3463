"""Hypothesis strategies for the canonical form, in the normal form that every dialect can say.

What only one dialect can say is added by that one's own tests.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import TypeVar

from hypothesis import strategies as st
from msgspec import Raw, json

from switchgear.kernel.chat import (
    Chat,
    Choice,
    Completion,
    Delta,
    Event,
    Finish,
    Image,
    Media,
    Message,
    Part,
    Refusal,
    ResponseFormat,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
    Usage,
)
from switchgear.kernel.fold import unfold

T = TypeVar("T")

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
said_texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20)
words = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=10)
base64_texts = st.binary(min_size=1, max_size=12).map(lambda data: json.encode(data).decode().strip('"'))
counts = st.integers(0, 1_000_000)
caches = st.sampled_from([None, None, "5m", "1h"])
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
json_objects = st.dictionaries(words, json_values, max_size=3)
raws = json_objects.map(lambda value: Raw(json.encode(value)))


def maybe(strategy: st.SearchStrategy[T]) -> st.SearchStrategy[T | None]:
    """None, or a value."""
    return st.none() | strategy


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """``data`` in pieces that end at ``places`` (taken modulo its length)."""
    bounds = sorted({place % (len(data) + 1) for place in places} | {0, len(data)})
    return [data[start:end] for start, end in pairwise(bounds)]


cut_places = st.lists(st.integers(0, 1_000_000), max_size=12)

text_parts = st.builds(Text, text=texts, cache=caches)
media = st.one_of(
    st.builds(Media, url=words.map(lambda word: f"https://example.com/{word}.png")),
    st.builds(Media, data=base64_texts, media_type=st.sampled_from(["image/png", "image/jpeg"])),
)
image_parts = st.builds(Image, source=media, cache=caches)
thinking_parts = st.builds(Thinking, text=said_texts, signature=maybe(said_texts))
tool_names = words
call_ids = words.map(lambda word: f"call_{word}")
argument_texts = json_objects.map(lambda value: json.encode(value).decode())
tool_calls = st.builds(ToolCall, id=call_ids, name=tool_names, arguments=argument_texts)
tool_results = st.builds(
    ToolResult, call_id=call_ids, content=st.lists(text_parts, min_size=1, max_size=2).map(tuple), cache=caches
)


def unique_calls(calls: Sequence[ToolCall]) -> bool:
    return len({call.id for call in calls}) == len(calls)


def joined(*groups: Sequence[Part]) -> tuple[Part, ...]:
    return tuple(part for group in groups for part in group)


assistant_parts = st.builds(
    joined,
    st.lists(thinking_parts, max_size=2),
    st.lists(text_parts, max_size=2),
    st.lists(tool_calls, max_size=3).filter(unique_calls),
).filter(bool)
system_messages = st.builds(
    Message, role=st.just("system"), parts=st.lists(text_parts, min_size=1, max_size=2).map(tuple)
)
user_messages = st.builds(
    Message, role=st.just("user"), parts=st.lists(text_parts | image_parts, min_size=1, max_size=3).map(tuple)
)
assistant_messages = st.builds(Message, role=st.just("assistant"), parts=assistant_parts)
tool_messages = st.builds(
    Message, role=st.just("tool"), parts=st.lists(tool_results, min_size=1, max_size=2).map(tuple)
)


def turns(system: Sequence[Message], rest: Sequence[tuple[Message, Message, Message]]) -> tuple[Message, ...]:
    return (*system, *(message for turn in rest for message in turn))


conversations = st.builds(
    turns,
    st.lists(system_messages, max_size=1),
    st.lists(st.tuples(user_messages, assistant_messages, tool_messages), min_size=1, max_size=2),
)
tools = st.builds(
    Tool, name=tool_names, description=maybe(texts), parameters=raws, strict=maybe(st.booleans()), cache=caches
)
tool_choices = st.builds(ToolChoice, mode=st.sampled_from(["auto", "none", "required"])) | st.builds(
    ToolChoice, mode=st.just("named"), name=tool_names
)
response_formats = st.builds(ResponseFormat, kind=st.sampled_from(["text", "json_object"])) | st.builds(
    ResponseFormat,
    kind=st.just("json_schema"),
    name=words,
    schema=raws,
    strict=maybe(st.booleans()),
    description=maybe(texts),
)
shared_chats = st.builds(
    Chat,
    model=words,
    messages=conversations,
    stream=st.booleans(),
    max_output_tokens=maybe(st.integers(1, 10_000)),
    temperature=maybe(st.floats(0, 1)),
    top_p=maybe(st.floats(0, 1)),
    top_k=maybe(st.integers(1, 100)),
    stop=st.lists(said_texts, max_size=3).map(tuple),
    tools=st.lists(tools, max_size=2).map(tuple),
    tool_choice=maybe(tool_choices),
)
"""Requests that any chat dialect can say; widen with ``msgspec.structs.replace`` for one dialect's own fields."""

usages = st.builds(
    Usage,
    input=counts,
    cache_read=counts,
    cache_write_5m=counts,
    cache_write_1h=counts,
    output=counts,
)
answer_parts = st.builds(
    joined,
    st.lists(thinking_parts, max_size=1),
    st.lists(st.builds(Text, text=said_texts) | st.builds(Refusal, text=said_texts), max_size=1),
    st.lists(tool_calls, max_size=3).filter(unique_calls),
)


def numbered(choices: Sequence[Choice]) -> tuple[Choice, ...]:
    return tuple(
        Choice(index=index, parts=choice.parts, finish=ended(choice), logprobs=choice.logprobs)
        for index, choice in enumerate(choices)
    )


def ended(choice: Choice) -> Finish | None:
    """How the choice ends: in calls, and in no mere stop, where it holds any."""
    calls = any(isinstance(part, ToolCall) for part in choice.parts)
    return "tool_calls" if calls and choice.finish == "stop" else choice.finish


def completions(
    choice_count: int = 3, finishes: Sequence[str] = ("stop", "length", "tool_calls")
) -> st.SearchStrategy[Completion]:
    """Whole answers with at most ``choice_count`` choices, each of which has ended."""
    choices = st.builds(Choice, parts=answer_parts, finish=st.sampled_from(finishes))
    return st.builds(
        Completion,
        id=words,
        model=words,
        created_seconds=st.integers(0, 2**31),
        choices=st.lists(choices, min_size=1, max_size=choice_count).map(numbered),
        usage=usages,
    )


def in_pieces(event: Event, size: int) -> list[Event]:
    """A delta as several that say the same; signatures and citations come whole."""
    if not isinstance(event, Delta) or event.kind in {"signature", "citation"}:
        return [event]
    pieces = [event.text[start : start + size] for start in range(0, len(event.text), size)]
    return [Delta(part=event.part, kind=event.kind, text=piece, choice=event.choice) for piece in pieces]


def streamed(completion: Completion, size: int) -> list[Event]:
    """The events of an answer in deltas of at most ``size`` characters."""
    return [piece for event in unfold(completion) for piece in in_pieces(event, size)]
