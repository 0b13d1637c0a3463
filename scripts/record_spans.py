"""Records what a tracing SDK really sends, as golden cases: run with the Python that has that SDK, see `record-spans`.

python scripts/record_spans.py SDK URL FOLDER

SDK is a name in ``RECORDERS`` (recorders.py); URL a Switchgear that runs (its simulator answers, no key is needed);
FOLDER takes ``{SDK}-{version}.json``: ``{"sdk", "version", "spans": [spans as they were told]}``, with times and ids
made even. ``written_by_hand`` in such a file says why it was not recorded.
"""

import base64
import importlib.metadata
import json
import platform
import sys
import uuid
from pathlib import Path
from typing import Any

from recorders import RECORDERS


def version_of(package: str) -> str:
    """Of a package for Python, or else for Node."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return str(json.loads(Path("node_modules", package, "package.json").read_bytes())["version"])


def plain(value: Any) -> Any:
    """What JSON can hold; bytes as ``{"base64"}``."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if hasattr(value, "items"):
        return {str(key): plain(held) for key, held in value.items()}
    return [plain(held) for held in value] if type(value) in {list, tuple} else value


def told(spans: list[Any], url: str) -> list[dict[str, Any]]:
    """Spans in the fields of ``ToldSpan``, with ids counted from 1, even times, and nothing of this machine."""
    # Langfuse tells a provider's own exporter as well: each span is kept once.
    spans = sorted({span.context.span_id: span for span in spans}.values(), key=lambda span: span.start_time)
    traces: dict[int, str] = {}
    ids: dict[int, str] = {span.context.span_id: f"{number:016x}" for number, span in enumerate(spans, 1)}
    rows: list[dict[str, Any]] = []
    for number, span in enumerate(spans):
        trace = traces.setdefault(span.context.trace_id, f"{len(traces) + 1:032x}")
        started = 1_790_000_000_000_000_000 + number * 1_000_000
        events = [
            {"name": event.name, "at_ns": started + 1000, "attributes": plain(event.attributes)}
            for event in span.events
        ]
        row: dict[str, Any] = {
            "trace_id": trace,
            "span_id": ids[span.context.span_id],
            "parent_id": ids.get(span.parent.span_id, "") if span.parent else "",
            "name": span.name,
            "started_ns": started,
            "ended_ns": started + 500_000,
            "status": span.status.status_code.name.lower(),
            "status_message": span.status.description or "",
            "attributes": plain(span.attributes),
            "events": events,
            "resource": plain(span.resource.attributes),
            "scope_name": span.instrumentation_scope.name,
            "scope_version": span.instrumentation_scope.version or "",
        }
        rows.append(row)
    text = json.dumps(rows, ensure_ascii=False).replace(url, "http://switchgear.test")
    for folder in (Path.cwd(), Path(__file__).parent):
        text = text.replace(folder.as_uri(), "/app").replace(str(folder), "/app")
    text = text.replace(platform.platform(), "Linux").replace(f"{uuid.getnode():012x}", "0" * 12)
    return json.loads(text)


def main() -> None:
    """Record one SDK."""
    name, url, folder = sys.argv[1:]
    package, record = RECORDERS[name]
    version = version_of(package)
    case = {"sdk": package, "version": version, "spans": told(record(url), url)}
    path = Path(folder, f"{name}-{version}.json")
    path.write_text(json.dumps(case, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
