"""Exports hold every row, exactly, and nothing that a spreadsheet would run."""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, json, structs

from switchgear.ledger.export import columns_of, write_csv, write_jsonl, write_parquet
from switchgear.ledger.row import Row, rows_of
from switchgear.ledger.statement import Line
from tests.ledger.samples import attempt, record


async def pieces(*found: Sequence[Struct]) -> AsyncIterator[Sequence[Struct]]:
    for piece in found:
        yield piece


def some(count: int, **changes: object) -> list[Row]:
    return [row for number in range(count) for row in rows_of(record(number, **changes))]


async def test_csv_has_a_head_and_a_line_for_each_row() -> None:
    rows, buffer = some(3, tags=("a,b", 'c"d')), io.BytesIO()
    assert await write_csv(Row, pieces(rows[:2], rows[2:]), buffer.write) == 3
    read = list(csv.DictReader(io.StringIO(buffer.getvalue().decode())))
    assert [line["call_id"] for line in read] == [row.call_id for row in rows]
    assert read[0]["tags"] == rows[0].tags
    assert tuple(read[0]) == Row.__struct_fields__


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
async def test_csv_has_no_formulas(name: str) -> None:
    buffer = io.BytesIO()
    await write_csv(Row, pieces(some(1, user=name)), buffer.write)
    (line,) = csv.DictReader(io.StringIO(buffer.getvalue().decode(), newline=""))
    assert line["end_user"] == f"'{name}"


async def test_json_lines_are_read_back_the_same() -> None:
    rows, buffer = some(3, user="=1\n2"), io.BytesIO()
    assert await write_jsonl(pieces(rows), buffer.write) == 3
    assert [json.decode(line, type=Row) for line in buffer.getvalue().splitlines()] == rows


def parquet(path: Path) -> list[tuple[object, ...]]:
    with duckdb.connect() as connection:
        return connection.execute("SELECT * FROM read_parquet(?)", [str(path)]).fetchall()


async def test_parquet_is_read_back_the_same_absent_bounds_and_empty_texts_too(tmp_path: Path) -> None:
    rows = some(2) + some(1, user="a\nb,'\"=", attempts=[attempt(cost="unknown", reason="unanswered")])
    target = tmp_path / "it's.parquet"
    assert await write_parquet(Row, pieces(rows), target) == 3
    assert parquet(target) == [structs.astuple(row) for row in rows]
    assert list(tmp_path.iterdir()) == [target]


async def test_statements_are_exported_too(tmp_path: Path) -> None:
    lines = [Line(period="2026-11", scope="key", name="bot", model="", calls=3, highest_nano_usd=None)]
    await write_parquet(Line, pieces(lines), tmp_path / "lines.parquet")
    assert parquet(tmp_path / "lines.parquet") == [structs.astuple(lines[0])]
    assert columns_of(Line)["calls"] == "BIGINT"


async def test_nothing_to_export_is_a_file_without_rows(tmp_path: Path) -> None:
    assert await write_parquet(Row, pieces(), tmp_path / "none.parquet") == 0
    assert parquet(tmp_path / "none.parquet") == []


async def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "taken.parquet").mkdir()
    with pytest.raises(OSError, match="cannot be written"):
        await write_parquet(Row, pieces(some(1)), tmp_path / "taken.parquet")


@settings(max_examples=30, deadline=None)
@given(name=st.text(max_size=20).filter(lambda text: "\x00" not in text and text != "\\N"))
async def test_any_name_survives_parquet(tmp_path_factory: pytest.TempPathFactory, name: str) -> None:
    target = tmp_path_factory.mktemp("any") / "rows.parquet"
    rows = some(1, user=name)
    await write_parquet(Row, pieces(rows), target)
    assert parquet(target) == [structs.astuple(row) for row in rows]
