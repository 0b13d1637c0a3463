"""A small typed language for "which calls": ``header("x-beta") == "1" and ("internal" in tags or key like "qa-*")``.

=============================================  ====================================================================
text                                           ``key`` ``user`` ``model`` ``door`` ``session``, ``header("name")``,
                                               ``metadata("name")``, ``"a string"``; what is missing is ``""``
list of text                                   ``tags``, ``["a", "b"]``
truth                                          ``stream`` ``tools``, comparisons, ``and`` ``or`` ``not``, brackets
comparisons                                    text ``==`` ``!=`` text; text ``in`` / ``not in`` list; text ``like``
                                               ``"pattern"`` with ``*`` and ``?``
=============================================  ====================================================================

An expression is parsed once, when the configuration is read; its types are checked then, no call can fail on it.
"""

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Final, Literal, Protocol, cast

from msgspec import Struct

Kind = Literal["text", "list", "truth"]
Value = str | tuple[str, ...] | bool

MAX_LENGTH: Final = 2000
_MAX_DEPTH: Final = 32
_TOKEN: Final = re.compile(r'\s*(?:("(?:[^"\\]|\\["\\])*")|([A-Za-z_][A-Za-z_0-9]*)|(==|!=|[()\[\],]))')


class Facts(Protocol):
    """What an expression may ask of a call."""

    def text(self, name: str) -> str: ...
    def header(self, name: bytes) -> str: ...
    def metadata(self, name: str) -> str: ...
    def tags(self) -> tuple[str, ...]: ...
    def truth(self, name: str) -> bool: ...


class BadExpression(ValueError):
    """What is wrong (``reason``), and at which ``column``, counted from 1."""

    def __init__(self, reason: str, column: int) -> None:
        super().__init__(f"column {column}: {reason}")
        self.reason = reason
        self.column = column


class Term(Struct, frozen=True):
    """A part of an expression: its type, and how its value is found."""

    kind: Kind
    value: Callable[[Facts], Value]


TEXTS: Final = ("key", "user", "model", "door", "session")
TRUTHS: Final = ("stream", "tools")
_INSTEAD: Final = {
    "'": "; a string stands in double quotes",
    '"': "; the string does not end",
    "=": "; texts are compared by '==', and by 'like' with a pattern",
    "&": "; write 'and'",
    "|": "; write 'or'",
    "!": "; write 'not'",
    ".": '; write header("name") or metadata("name")',
}
_COMPARING: Final = ("==", "!=", "in", "not", "like")


def parse(text: str) -> Callable[[Facts], bool]:
    """The question that ``text`` asks of a call. Raises BadExpression."""
    if len(text) > MAX_LENGTH:
        raise BadExpression(f"longer than {MAX_LENGTH} characters", MAX_LENGTH)
    parser = _Parser(text)
    term = parser.whole()
    return cast("Callable[[Facts], bool]", term.value)


def words(text: str) -> tuple[str, ...]:
    """The words of an expression: two that have the same ask the same. Raises BadExpression."""
    return tuple(word for word, _ in _tokens(text))


class _Parser:
    """Recursive descent: or → and → not → comparison → value."""

    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Term:
        term = self._either()
        if self._word:
            raise self._error(f"{self._word!r} is too much; parts are joined by 'and' and 'or'")
        return term

    @property
    def _word(self) -> str:
        return self._tokens[self._at][0]

    def _error(self, message: str) -> BadExpression:
        return BadExpression(message, self._tokens[self._at][1])

    def _take(self) -> str:
        word = self._word
        self._at += 1
        return word

    def _expect(self, word: str) -> None:
        if self._word != word:
            raise self._error(
                f"{word!r} is missing" if not self._word else f"{self._word!r} stands where {word!r} must"
            )
        self._at += 1

    def _either(self) -> Term:
        term = self._both()
        while self._word == "or":
            self._at += 1
            term = _joined(term, self._both(), both=False)
        return term

    def _both(self) -> Term:
        term = self._negated()
        while self._word == "and":
            self._at += 1
            term = _joined(term, self._negated(), both=True)
        return term

    def _negated(self) -> Term:
        if self._word != "not":
            return self._compared()
        self._at += 1
        self._deeper()
        term = self._negated()
        self._depth -= 1
        return Term("truth", lambda facts: not term.value(facts))

    def _truth(self, term: Term) -> Term:
        if term.kind != "truth":
            raise self._error(f"a {term.kind} stands where a truth must; compare it with something")
        return term

    def _deeper(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._error("nested too deeply")

    def _compared(self) -> Term:
        left = self._value()
        if self._word not in _COMPARING:
            return self._truth(left)
        operator = self._take()
        if operator == "not":
            self._expect("in")
            operator = "not in"
        if left.kind != "text":
            instead = "; it needs no comparison" if left.kind == "truth" else '; ask whether "a text" is in it'
            raise self._error(f"{operator!r} compares a text, and a {left.kind} stands before it{instead}")
        right = self._list_or_text(operator)
        wanted: Kind = "list" if operator.endswith("in") else "text"
        if right.kind != wanted:
            raise self._error(f"{operator!r} wants a {wanted} after it, not a {right.kind}")
        return Term("truth", _comparison(operator, left.value, right.value))

    def _list_or_text(self, operator: str) -> Term:
        if operator.endswith("in") and self._word == "(":
            raise self._error('a list stands in square brackets: ["a", "b"]')
        return self._value()

    def _value(self) -> Term:
        word = self._take()
        if word == "(":
            self._deeper()
            term = self._either()
            self._depth -= 1
            self._expect(")")
            return term
        if word == "[":
            return self._list()
        if word.startswith('"'):
            return Term("text", _constant(_unquoted(word)))
        return self._named(word)

    def _list(self) -> Term:
        items: list[str] = []
        while self._word != "]":
            if items:
                self._expect(",")
            items.append(self._string())
        self._at += 1
        return Term("list", _constant(tuple(items)))

    def _string(self) -> str:
        if not self._word.startswith('"'):
            raise self._error('a "string" is missing')
        return _unquoted(self._take())

    def _named(self, word: str) -> Term:
        if word in ("header", "metadata"):
            self._expect("(")
            name = self._string()
            self._expect(")")
            if word == "header":
                lowered = name.lower().encode("latin-1", "replace")
                return Term("text", lambda facts: facts.header(lowered))
            return Term("text", lambda facts: facts.metadata(name))
        if word == "tags":
            return Term("list", lambda facts: facts.tags())
        if word in TEXTS:
            return Term("text", lambda facts: facts.text(word))
        if word in TRUTHS:
            return Term("truth", lambda facts: facts.truth(word))
        self._at -= 1
        known = ", ".join((*TEXTS, *TRUTHS, "tags", 'header("…")', 'metadata("…")'))
        raise self._error(f"{word!r} is not known; there are {known}" if word else "the expression breaks off")


def _joined(left: Term, right: Term, *, both: bool) -> Term:
    if both:
        return Term("truth", lambda facts: left.value(facts) and right.value(facts))
    return Term("truth", lambda facts: left.value(facts) or right.value(facts))


def _constant(value: Value) -> Callable[[Facts], Value]:
    return lambda _: value


def _comparison(
    operator: str, left: Callable[[Facts], Value], right: Callable[[Facts], Value]
) -> Callable[[Facts], bool]:
    match operator:
        case "==":
            return lambda facts: left(facts) == right(facts)
        case "!=":
            return lambda facts: left(facts) != right(facts)
        case "in":
            return lambda facts: left(facts) in cast("tuple[str, ...]", right(facts))
        case "not in":
            return lambda facts: left(facts) not in cast("tuple[str, ...]", right(facts))
        case _:
            return lambda facts: fnmatchcase(cast("str", left(facts)), cast("str", right(facts)).replace("[", "[[]"))


def _tokens(text: str) -> list[tuple[str, int]]:
    """Each word with its column; an empty one stands at the end."""
    found: list[tuple[str, int]] = []
    at = 0
    while text[at:].strip():
        token = _TOKEN.match(text, at)
        if token is None:
            start = at + len(text[at:]) - len(text[at:].lstrip())
            hint = _INSTEAD.get(text[start], "")
            raise BadExpression(f"{text[start : start + 10]!r} cannot be read{hint}", start + 1)
        word = token[1] or token[2] or token[3]
        found.append((word, token.end() - len(word) + 1))
        at = token.end()
    return [*found, ("", len(text) + 1)]


def _unquoted(word: str) -> str:
    return re.sub(r"\\(.)", r"\1", word[1:-1])
