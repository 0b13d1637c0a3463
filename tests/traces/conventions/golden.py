"""The golden rows of what SDKs sent; ``python -m tests.traces.conventions.golden`` writes them anew."""

import json
from pathlib import Path
from typing import Any

import msgspec

from switchgear.kernel.span import Content, Span, ToldSpan
from switchgear.traces.intake import Origin
from switchgear.traces.normaliser import Normaliser

CASES = Path(__file__).parent / "cases"
ORIGIN = Origin(project="lighthouse", door="otlp")


def cases() -> list[Path]:
    """The payloads, without the rows."""
    return [path for path in sorted(CASES.glob("*.json")) if not path.name.endswith(".rows.json")]


def spans_of(case: Path) -> list[ToldSpan]:
    """The spans of a payload."""
    return msgspec.convert(json.loads(case.read_text(encoding="utf-8"))["spans"], list[ToldSpan])


def rows_of(case: Path) -> list[dict[str, Any]]:
    """Rows as JSON shows them best: content opened, what was told beside it left out."""
    normalise = Normaliser()
    return [shown(normalise(told, ORIGIN)) for told in spans_of(case)]


def shown(span: Span) -> dict[str, Any]:
    """A row without what stands in the payload already."""
    row: dict[str, Any] = json.loads(msgspec.json.encode(span))
    for told in ("project", "trace_id", "started_ns", "ended_ns", "resource", "events"):
        row.pop(told, None)
    row["attributes"] = sorted(span.attributes)
    for side, content in (("input", span.input), ("output", span.output)):
        row[side] = content_shown(content)
    if span.usage is not None:
        row["usage"] = {part: count for part, count in row["usage"].items() if count}
    return row


def content_shown(content: Content) -> dict[str, Any]:
    """Content with its parts as values."""
    parts = [json.loads(part) for part in content.parts]
    return {"is_messages": content.is_messages, "preview": content.preview, "parts": parts}


def rows_beside(case: Path) -> Path:
    """Where the golden rows of a payload are."""
    return case.with_suffix(".rows.json")


def main() -> None:
    """Write all rows."""
    for case in cases():
        text = json.dumps(rows_of(case), indent=1, ensure_ascii=False, sort_keys=True)
        rows_beside(case).write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
