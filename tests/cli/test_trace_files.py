"""Spans in files of every form, whole and compressed; what is broken costs itself alone."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from msgspec import json

from switchgear.cli.trace_files import Found, spans_in
from switchgear.wire import otlp_json, otlp_protobuf
from tests.traces.spans import told

PARTS = ("span", "input", "output", "attributes", "resource", "events")
LINES = b"".join(b'{"span":{"name":"%d"}}\n' % number for number in range(2))
MESSAGE = otlp_protobuf.write([told(1), told(2)])
BOMB = zstandard.compress(bytes(8_000_000))


def framed(*messages: bytes) -> bytes:
    return b"".join(len(each).to_bytes(4, "big") + each for each in messages)


def parquet(folder: Path) -> bytes:
    """Two rows as an export has them."""
    library = pytest.importorskip("switchgear.ledger.parquet", reason="needs DuckDB, the extra 'duckdb'")
    rows = [",".join(['"{""name"":""%d""}"' % number, *["\\N"] * 5]) for number in range(2)]  # noqa: UP031
    (folder / "rows.csv").write_text("\n".join([",".join(PARTS), *rows, ""]))
    library.write_parquet(folder / "rows.csv", folder / "rows.parquet", dict.fromkeys(PARTS, "VARCHAR"))
    return (folder / "rows.parquet").read_bytes()


FORMS: dict[str, Callable[[Path], bytes]] = {
    "lines": lambda _: LINES,
    "lines of OTLP": lambda _: otlp_json.write([told(1)]) + b"\n" + otlp_json.write([told(2)]),
    "one message": lambda _: MESSAGE,
    "messages": lambda _: framed(otlp_protobuf.write([told(1)]), zstandard.compress(otlp_json.write([told(2)]))),
    "Parquet": parquet,
}
COMPRESSED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "gzip in members": lambda content: gzip.compress(content[:3]) + gzip.compress(content[3:]),
    "zstd": zstandard.compress,
    "zstd in frames": lambda content: b"".join(zstandard.compress(each) for each in (content[:3], content[3:])),
}


def said(found: Found) -> object:
    """What a span says, without where it stood."""
    if found.told is not None:
        return found.told.span_id
    return found.unreadable or json.decode(found.line)["span"]


@pytest.mark.parametrize("compress", COMPRESSED)
@pytest.mark.parametrize("form", FORMS)
def test_a_file_of_any_form_may_be_compressed_as_a_whole(tmp_path: Path, form: str, compress: str) -> None:
    content = FORMS[form](tmp_path)
    plain, packed = tmp_path / "plain", tmp_path / "packed"
    plain.write_bytes(content)
    packed.write_bytes(COMPRESSED[compress](content))
    found = [said(each) for each in spans_in(packed)]
    assert found == [said(each) for each in spans_in(plain)]
    assert found in ([{"name": "0"}, {"name": "1"}], [f"{1:016x}", f"{2:016x}"])


@pytest.mark.parametrize(
    ("broken", "reason", "told_of"),
    [
        (BOMB[:4] + b"\xff" * 20, "unreadable", "begins as zstd, and is broken"),
        (BOMB, "too_large", f"{len(BOMB)} bytes of zstd become is too large"),
        (b"\x0a\xff", "unreadable", ""),
    ],
    ids=["no zstd", "a bomb", "no protobuf"],
)
def test_a_broken_message_among_others_is_refused_with_its_place_and_the_others_are_taken(
    tmp_path: Path, broken: bytes, reason: str, told_of: str
) -> None:
    file = tmp_path / "many.binpb"
    file.write_bytes(framed(MESSAGE, broken, MESSAGE))
    found = list(spans_in(file))
    assert [said(each) for each in found if each.told] == [f"{1:016x}", f"{2:016x}"] * 2
    refused = [each for each in found if each.unreadable]
    assert [(each.place, each.reason) for each in refused] == [(f"{file}, message 2", reason)]
    assert told_of in refused[0].unreadable


def test_a_line_without_an_end_is_refused_before_it_is_held_and_the_next_is_read(tmp_path: Path) -> None:
    file = tmp_path / "lines.jsonl"
    with file.open("wb") as written:
        # What is jumped over is zeros, and takes no room.
        written.write(b'{"span":')
        written.seek(150 * 1024 * 1024)
        written.write(b"\n" + LINES)
    found = list(spans_in(file))
    assert [(each.place, each.reason) for each in found if each.unreadable] == [(f"{file}:1", "too_large")]
    assert [each.place for each in found[1:]] == [f"{file}:2", f"{file}:3"]


def test_a_parquet_file_that_becomes_far_more_than_it_is_does_not_fill_the_disk(tmp_path: Path) -> None:
    file = tmp_path / "bomb"
    file.write_bytes(zstandard.compress(b"PAR1" + bytes(100_000_000)))
    with pytest.raises(Exception, match=r"bomb cannot be read: it becomes more than 6[0-9]{7} bytes"):
        list(spans_in(file))
