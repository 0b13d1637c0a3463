"""Values that are bound, in the text that ClickHouse reads them from (TSV), and the form that brings them.

A form has no bound on its length as a URL has; its fields may have 128 KiB each (``http_max_field_value_size``).
"""

from collections.abc import Iterator, Mapping
from typing import Final

from switchgear.engines.span_sql.dialect import Bound

_ESCAPED: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r", "\0": "\\0"})


def text_of(value: Bound) -> str:
    """What a parameter's field says."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value.translate(_ESCAPED)
    return f"[{','.join(map(_quoted, value))}]" if isinstance(value, list) else str(value)


def form(boundary: str, sql: str, bound: Mapping[str, Bound]) -> bytes:
    """A body of ``multipart/form-data`` with one statement and its parameters."""
    lines = "".join(_field(boundary, name, text) for name, text in _fields(sql, bound))
    return f"{lines}--{boundary}--\r\n".encode()


def _fields(sql: str, bound: Mapping[str, Bound]) -> Iterator[tuple[str, str]]:
    yield "query", sql
    for name, value in bound.items():
        yield f"param_{name}", text_of(value)


def _field(boundary: str, name: str, text: str) -> str:
    return f'--{boundary}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{text}\r\n'


def _quoted(text: str) -> str:
    escaped = text.translate(_ESCAPED).replace("'", "\\'")
    return f"'{escaped}'"
