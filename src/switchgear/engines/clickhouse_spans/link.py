"""The way to a ClickHouse server: statements go out over its HTTP interface, rows come back.

Its errors become OSError. They never show the password; they show no values either, as far as the server's do not.
"""

import errno
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from msgspec import json

from switchgear.engines.clickhouse_address import ClickHouseAddress
from switchgear.engines.clickhouse_spans.parameters import form
from switchgear.engines.span_sql.dialect import Bound, Rows
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.upstream import Target, Timers, Transport, UpstreamReply

_SETTINGS: Final = {
    # Whether it went well is known before the first byte of the answer.
    "wait_end_of_query": "1",
    "default_format": "JSONCompactEachRow",
    "output_format_json_quote_64bit_integers": "0",
    # A key is in one month alone, so that FINAL need not look through all of them.
    "do_not_merge_across_partitions_select_final": "1",
    "optimize_move_to_prewhere_if_final": "1",
    "use_skip_indexes_if_final": "1",
    "use_skip_indexes_if_final_exact_mode": "1",
    "lightweight_deletes_sync": "2",
    "async_insert": "0",
    # Whoever writes what was deleted before means it.
    "insert_deduplicate": "0",
    "max_partitions_per_insert_block": "0",
}
_TIMERS: Final = Timers(connect_seconds=5.0, first_byte_seconds=120.0, idle_seconds=60.0, total_seconds=300.0)
_MOST_ANSWER_BYTES: Final = 1 << 28
_MOST_ERROR_BYTES: Final = 1 << 16
_SHOWN_CHARACTERS: Final = 300
_NUMBERS: Final = {
    "243": errno.ENOSPC,  # NOT_ENOUGH_SPACE
    "252": errno.EBUSY,  # TOO_MANY_PARTS
    "164": errno.EROFS,  # READONLY
    "497": errno.EACCES,  # ACCESS_DENIED
    "516": errno.EACCES,  # AUTHENTICATION_FAILED
}
_ROW: Final = json.Decoder(list[Any])


class Link:
    """Asks one database of one server; the transport belongs to whoever gave it."""

    def __init__(self, transport: Transport, address: ClickHouseAddress) -> None:
        self._transport = transport
        self._address = address
        self._boundary = secret_hex(16)
        self._ask = self._target({}, f"multipart/form-data; boundary={self._boundary}")
        self._inserts: dict[str, Target] = {}

    async def rows(self, sql: str, bound: Mapping[str, Bound] | None = None) -> Rows:
        """What a statement answers. Raises OSError."""
        body = await self._send(self._ask, form(self._boundary, sql, bound or {}))
        return [_ROW.decode(line) for line in body.split(b"\n") if line]

    async def insert(self, sql: str, lines: bytes) -> None:
        """``INSERT ... FORMAT JSONEachRow`` of lines, which are written when it returns. Raises OSError."""
        target = self._inserts.get(sql)
        if target is None:
            target = self._inserts[sql] = self._target({"query": sql}, "application/x-ndjson")
        await self._send(target, lines)

    def _target(self, asked: dict[str, str], content_type: str) -> Target:
        address = self._address
        settings = urlencode({**_SETTINGS, "database": address.database, **asked})
        return Target(
            origin=address.origin,
            method="POST",
            path=f"/?{settings}",
            headers=(
                ("content-type", content_type),
                ("user-agent", "switchgear-traces"),
                ("x-clickhouse-user", address.user),
                *((("x-clickhouse-key", address.password),) if address.password else ()),
            ),
            dialect="",
        )

    async def _send(self, target: Target, body: bytes) -> bytes:
        try:
            reply = await self._transport.send(target, body, _TIMERS)
            if reply.status == 200:
                return await reply.read_all(_MOST_ANSWER_BYTES)
            told = await reply.read_all(_MOST_ERROR_BYTES)
        except SwitchgearError as error:
            raise OSError(errno.EIO, f"ClickHouse cannot be asked: {error.message}", str(self._address)) from error
        raise self._failure(reply, told)

    def _failure(self, reply: UpstreamReply, told: bytes) -> OSError:
        code = dict(reply.headers).get(b"x-clickhouse-exception-code", b"").decode("latin-1")
        text = " ".join(told.decode(errors="replace").split())[:_SHOWN_CHARACTERS]
        number = _NUMBERS.get(code, errno.EACCES if reply.status in {401, 403} else errno.EIO)
        return OSError(number, f"ClickHouse answered {reply.status}: {text or 'nothing'}", str(self._address))
