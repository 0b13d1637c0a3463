"""How many requests a model server runs and holds back, as its ``/metrics`` tells it (Prometheus text format 0.0.4).

The text of a busy server has thousands of lines, of which three or four matter: they are searched for, never parsed
whole. Which server it is shows in the names. Series of the same name are engines, ranks or models of one server.
"""

import re
from collections.abc import Iterator
from typing import Final

from msgspec import Struct


class QueueReading(Struct, frozen=True, kw_only=True):
    """What one server said at one moment."""

    running: int
    """Requests it works on."""
    waiting: int
    """Requests it has taken in and not begun."""
    cache_usage: float | None = None
    """How full its cache of keys and values is, between 0 and 1; None where it does not say."""


class _Names(Struct, frozen=True, kw_only=True):
    """What one kind of server calls them."""

    running: bytes
    waiting: bytes
    cache_usage: tuple[bytes, ...] = ()
    """Of newer versions first."""


SERVERS: Final = (
    _Names(
        running=b"vllm:num_requests_running",
        waiting=b"vllm:num_requests_waiting",
        cache_usage=(b"vllm:kv_cache_usage_perc", b"vllm:gpu_cache_usage_perc"),
    ),
    _Names(running=b"sglang:num_running_reqs", waiting=b"sglang:num_queue_reqs", cache_usage=(b"sglang:token_usage",)),
    _Names(running=b"tgi_batch_current_size", waiting=b"tgi_queue_size"),
    _Names(
        running=b"llamacpp:requests_processing",
        waiting=b"llamacpp:requests_deferred",
        cache_usage=(b"llamacpp:kv_cache_usage_ratio",),
    ),
)

_REST: Final = re.compile(rb'(?P<labels>\{(?:[^"{}\n]|"(?:[^"\\\n]|\\.)*")*\})?[ \t]+(?P<value>[^ \t\r\n]+)')
"""What follows a name: labels, whose quoted values may hold anything, and a value; a time may come after it."""
_MOST: Final = 1e9
"""More is no count of requests."""
_OF_ONE_PRIORITY: Final = re.compile(rb'[{,] *priority="[^"]')
"""SGLang tells the whole under an empty priority, and each priority's part of it beside that."""


def read_queue(text: bytes) -> QueueReading | None:
    """What ``text`` says of the queue; None when it holds none of the names that are known here."""
    for names in SERVERS:
        running, waiting = list(_values(text, names.running)), list(_values(text, names.waiting))
        if running or waiting:
            usage = next(filter(None, (list(_values(text, name)) for name in names.cache_usage)), None)
            return QueueReading(
                running=round(sum(running)), waiting=round(sum(waiting)), cache_usage=max(usage) if usage else None
            )
    return None


def _values(text: bytes, name: bytes) -> Iterator[float]:
    """The values of the series ``name``; what is no count is passed over."""
    at = text.find(name)
    while at >= 0:
        end = at + len(name)
        found = _REST.match(text, end) if at == 0 or text[at - 1 : at] == b"\n" else None
        value = None if found is None or _OF_ONE_PRIORITY.search(found["labels"] or b"") else _number(found["value"])
        if value is not None:
            yield value
        at = text.find(name, end)


def _number(text: bytes) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 <= value <= _MOST else None
