"""LangSmith's language of filters, as its SDK's ``list_runs(filter=...)`` sends it: ``and(eq(name, "x"), ...)``.

Understood are ``and``, ``or``, ``not``, ``eq``, ``neq``, ``gt``, ``gte``, ``lt``, ``lte``, ``has(tags, "x")``,
``has(metadata, '{"k": "v"}')``, ``exists(metadata, "k")`` and ``search("words")``; what else that language has is
refused by name, because a filter that is passed over shows what was not asked for.
"""

import re
from collections.abc import Callable, Iterator
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, cast

from msgspec import DecodeError, Struct, ValidationError, json

from switchgear.kernel.errors import BadRequest
from switchgear.traces.doors.langsmith_runs import is_pending, metadata_of, tokens_of
from switchgear.traces.doors.reading import as_text, moment_ns, text
from switchgear.traces.drafts import Draft

Test = Callable[[Draft], bool]
Value = str | int | float | bool | None
_UNDERSTOOD: Final = (
    'and, or, not, eq, neq, gt, gte, lt, lte, has(tags, "x"), has(metadata, \'{"k": "v"}\'), exists(metadata, "k") and '
    'search("words")'
)
_MOST_CHARACTERS: Final = 8_192
_MOST_DEPTH: Final = 8
_TOKEN: Final = re.compile(
    r"""\s*(?:(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')|(?P<word>[A-Za-z_][A-Za-z0-9_.]*)"""
    r"""|(?P<number>-?[0-9]+(?:\.[0-9]+)?)|(?P<mark>[(),]))\s*"""
)
_WORDS: Final = {"true": True, "false": False, "null": None, "none": None}
_COMPARISONS: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "eq": eq, "neq": ne, "gt": gt, "gte": ge, "lt": lt, "lte": le,
}  # fmt: skip
_MOMENTS: Final = ("start_time", "end_time")
_LATENCY: Final = "latency"
_SPAN: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|h)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class _Call(Struct, frozen=True):
    name: str
    arguments: tuple["_Call | _Name | Value", ...]


class _Name(Struct, frozen=True):
    name: str


def read_filter(said: str) -> Test:
    """Which runs a filter lets through. Raises BadRequest, naming what is not understood."""
    if len(said) > _MOST_CHARACTERS:
        raise _no(f"it has more than {_MOST_CHARACTERS} characters")
    tokens = list(_tokens(said))
    call, at = _read(tokens, 0, 1)
    if at != len(tokens) or not isinstance(call, _Call):
        raise _no('it is one call such as eq(name, "x"), and nothing behind it')
    return _test(call)


def _tokens(said: str) -> Iterator[tuple[str, str]]:
    at = 0
    while at < len(said):
        found = _TOKEN.match(said, at)
        if found is None or found.lastgroup is None:
            raise _no(f"{said[at : at + 20]!r} cannot be read")
        yield found.lastgroup, found[found.lastgroup]
        at = found.end()


def _read(tokens: list[tuple[str, str]], at: int, depth: int) -> tuple["_Call | _Name | Value", int]:
    """A value or a call, and where it ends."""
    if depth > _MOST_DEPTH:
        raise _no(f"calls stand in each other more than {_MOST_DEPTH} deep")
    if at >= len(tokens):
        raise _no("it is cut off")
    kind, token = tokens[at]
    if kind == "text":
        return _unquoted(token), at + 1
    if kind == "number":
        return (float(token) if "." in token else int(token)), at + 1
    if kind == "mark":
        raise _no(f"{token!r} stands where a value must")
    if tokens[at + 1 : at + 2] != [("mark", "(")]:
        return (_WORDS[token.lower()] if token.lower() in _WORDS else _Name(token)), at + 1
    arguments: list[_Call | _Name | Value] = []
    at += 2
    while tokens[at : at + 1] != [("mark", ")")]:
        argument, at = _read(tokens, at, depth + 1)
        arguments.append(argument)
        if tokens[at : at + 1] == [("mark", ",")]:
            at += 1
        elif tokens[at : at + 1] != [("mark", ")")]:
            raise _no(f"{token}(...) is not closed")
    return _Call(token.lower(), tuple(arguments)), at + 1


def _unquoted(token: str) -> str:
    if token[0] == "'":
        inner = token[1:-1].replace("\\'", "'").replace('"', '\\"')
        token = f'"{inner}"'
    try:
        return json.decode(token, type=str)
    except DecodeError:
        raise _no(f"{token[:40]} is no text") from None


def _test(call: _Call) -> Test:
    match call.name, call.arguments:
        case (("and" | "or"), arguments) if arguments and all(isinstance(each, _Call) for each in arguments):
            tests = [_test(cast("_Call", each)) for each in arguments]
            together = all if call.name == "and" else any
            return lambda draft: together(test(draft) for test in tests)
        case "not", (_Call() as inner,):
            test = _test(inner)
            return lambda draft: not test(draft)
        case "has", (_Name("tags"), str() as tag):
            return lambda draft: tag in _tags(draft)
        case "has", (_Name("metadata"), str() as said):
            pairs = _pairs(said)
            return lambda draft: pairs.items() <= _noted(draft).items()
        case "exists", (_Name("metadata"), str() as key):
            return lambda draft: key in _noted(draft)
        case "search", (str() as words,):
            wanted = words.casefold().split()
            return lambda draft: _says(draft, wanted)
        case name, (_Name(field), value) if name in _COMPARISONS and not isinstance(value, _Call | _Name):
            return _comparison(name, field, value)
        case _:
            raise _no(f"{call.name}(...) is not understood so; there are {_UNDERSTOOD}")


def _comparison(name: str, field: str, value: Value) -> Test:
    read = _FIELDS.get(field)
    if read is None:
        raise _no(f"there is no field {field[:60]!r} here: there are {', '.join(_FIELDS)}")
    if field in _MOMENTS and value is not None:
        value = moment_ns(value)
        if value is None:
            raise _no(f"{field} is compared with what is no moment")
    if field == _LATENCY and isinstance(value, str):
        value = _seconds(value)
    compare = _COMPARISONS[name]
    if name in ("eq", "neq"):
        return lambda draft: compare(read(draft), value)
    is_text = isinstance(value, str)
    if value is None or isinstance(value, bool):
        raise _no(f"{name} of {field} needs a number, a text or a moment")

    def ordered(draft: Draft) -> bool:
        found = read(draft)
        return found is not None and isinstance(found, str) == is_text and compare(found, value)

    return ordered


def _tags(draft: Draft) -> list[object]:
    tags = draft.fields.get("tags")
    return cast("list[object]", tags) if isinstance(tags, list) else []


def _pairs(said: str) -> dict[str, str]:
    """What must be noted, each value as text."""
    try:
        pairs = json.decode(said, type=dict[str, object])
    except (DecodeError, ValidationError, RecursionError):
        raise _no(f"metadata has an object in JSON, not {said[:40]!r}") from None
    return {key: as_text(value) for key, value in pairs.items()}


def _noted(draft: Draft) -> dict[str, str]:
    return {key: as_text(value) for key, value in metadata_of(draft.fields).items()}


def _seconds(said: str) -> float:
    found = _SPAN.fullmatch(said.strip())
    if found is None:
        raise _no(f"{said[:40]!r} is no length of time: write 2.5, or '2.5s', '300ms', '2m', '1h'")
    return float(found[1]) * _SECONDS[found[2]]


def _says(draft: Draft, words: list[str]) -> bool:
    run = draft.fields
    told = json.encode([run.get("name"), run.get("inputs"), run.get("outputs"), run.get("error")])
    said = told.decode(errors="replace").casefold()
    return all(word in said for word in words)


def _latency(draft: Draft) -> float | None:
    began, ended = (moment_ns(draft.fields.get(name)) for name in _MOMENTS)
    return None if began is None or ended is None else (ended - began) / 1e9


def _status(draft: Draft) -> str:
    return "pending" if is_pending(draft.fields) else "error" if text(draft.fields, "error") else "success"


def _text_of(field: str) -> Callable[[Draft], Value]:
    return lambda draft: text(draft.fields, field) or None


def _count_of(field: str) -> Callable[[Draft], Value]:
    def count(draft: Draft) -> Value:
        found = tokens_of(draft.fields)[field]
        return found if isinstance(found, int) else None

    return count


def _moment_of(field: str) -> Callable[[Draft], Value]:
    return lambda draft: moment_ns(draft.fields.get(field))


_FIELDS: Final[dict[str, Callable[[Draft], Value]]] = {
    "id": lambda draft: draft.id,
    "trace_id": lambda draft: draft.trace or draft.id,
    "is_root": lambda draft: not text(draft.fields, "parent_run_id"),
    "status": _status,
    _LATENCY: _latency,
    **{name: _text_of(name) for name in ("name", "run_type", "error", "parent_run_id", "session_name")},
    **{name: _moment_of(name) for name in _MOMENTS},
    **{name: _count_of(name) for name in ("prompt_tokens", "completion_tokens", "total_tokens")},
}


def _no(why: str) -> BadRequest:
    return BadRequest(f"the filter cannot be read: {why}", param="filter")
