"""The toy count: a token is a word with the white space before it, so that the tokens of a text join to the text."""

import re
from collections.abc import Iterable
from typing import Final

from switchgear.kernel.chat import Chat, Message, Part, Refusal, Text, Thinking, ToolCall, ToolResult

_TOKEN: Final = re.compile(r"\s*\S+(?:\s+\Z)?|\s+")


def split_tokens(text: str) -> list[str]:
    """The tokens of ``text``, in order."""
    return _TOKEN.findall(text)


def count_tokens(parts: Iterable[Part]) -> int:
    """Tokens in message parts; media and whatever else is no text count one apiece."""
    return sum(_count(part) for part in parts)


def count_chat(chat: Chat) -> int:
    """Input tokens of a request: its messages, not its tools."""
    return sum(count_tokens(message.parts) for message in chat.messages)


def text_of(message: Message) -> str:
    """The text parts of a message, one to a line."""
    return "\n".join(part.text for part in message.parts if isinstance(part, Text))


def _count(part: Part) -> int:
    match part:
        case Text() | Thinking() | Refusal():
            return len(split_tokens(part.text))
        case ToolCall():
            return len(split_tokens(part.arguments))
        case ToolResult():
            return count_tokens(part.content)
        case _:
            return 1
