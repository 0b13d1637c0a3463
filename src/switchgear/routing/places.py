"""Where a client wrote what an upstream's dialect cannot say.

A refusal while a request is written for an upstream counts the messages of the canonical form. Clients have others: a
system prompt of its own field, tool results of which several are one message, or one is two. Which of the client's
messages became a canonical one is found by reading fewer of them: only calls that are refused pay for it.
"""

import re
from collections.abc import Mapping
from typing import Final

from msgspec import DecodeError, Raw, json

from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, UnsupportedField

_CANONICAL: Final = re.compile(r"messages\[([0-9]+)\]")
_LISTS: Final[Mapping[str, str]] = {"gemini": "contents", "openai_responses": "input"}
"""What a dialect calls its messages, where it is not ``messages``."""
_BEFORE: Final[Mapping[str, tuple[str, ...]]] = {
    "anthropic": ("system",),
    "bedrock_converse": ("system",),
    "gemini": ("systemInstruction", "system_instruction"),
    "openai_responses": ("instructions",),
}
"""Fields that stand before the first message."""


def in_the_clients_words(error: UnsupportedField, call: Call) -> UnsupportedField:
    """``error`` with the place as the client's own request has it; itself where that cannot be told."""
    found = _CANONICAL.match(error.param or "")
    if found is None or error.param is None:
        return error
    try:
        place = _Request(call).place(int(found[1]))
    except (BadRequest, DecodeError):
        return error
    told = error.message.replace(found[0], place)
    return UnsupportedField(told, param=place + error.param[found.end() :])


class _Request:
    """The request of a call, to be read in parts."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._fields = json.decode(call.body, type=dict[str, Raw])
        self._list = _LISTS.get(call.dialect.name, "messages")
        self._before = next((name for name in _BEFORE.get(call.dialect.name, ()) if name in self._fields), "")

    def place(self, at: int) -> str:
        """Where the client wrote the canonical message of that number. Raises BadRequest when parts cannot be read."""
        written = self._fields.get(self._list, Raw(b"null"))
        messages = json.decode(written, type=list[Raw]) if bytes(written).startswith(b"[") else []
        if self._before and at < self._leading(messages):
            return self._before
        if not messages:
            return self._list
        fewest, most = 1, len(messages)
        while fewest < most:
            middle = (fewest + most) // 2
            if self._count(messages[:middle], self._fields) > at:
                most = middle
            else:
                fewest = middle + 1
        return f"{self._list}[{fewest - 1}]"

    def _leading(self, messages: list[Raw]) -> int:
        """How many canonical messages the field before the first message makes."""
        without = {name: value for name, value in self._fields.items() if name != self._before}
        return self._count(messages[:1], self._fields) - self._count(messages[:1], without)

    def _count(self, messages: list[Raw], fields: Mapping[str, Raw]) -> int:
        shortened = json.encode({**fields, self._list: messages}) if messages else json.encode(fields)
        return len(self._call.read(shortened).messages)
