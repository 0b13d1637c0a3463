"""Records what a tracing SDK really sends, as golden cases: run with the Python that has that SDK, see `record-spans`.

python scripts/record_spans.py SDK URL FOLDER

SDK is a name in ``RECORDERS``; URL a Switchgear that runs (its simulator answers, no key is needed); FOLDER takes
``{SDK}-{version}.json``: ``{"sdk", "version", "spans": [spans as they were told]}``, with times and ids made even.
"""

import base64
import importlib
import importlib.metadata
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

QUESTION = "Which is the oldest lighthouse that still shines?"
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "look_up",
            "description": "Looks a word up.",
            "parameters": {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]},
        },
    }
]
MESSAGES = [{"role": "system", "content": "Answer in one line."}, {"role": "user", "content": QUESTION}]


def telemetry() -> tuple[Any, Any]:
    """A tracer provider, and the exporter in memory that it tells everything."""
    sdk = importlib.import_module("opentelemetry.sdk.trace")
    export = importlib.import_module("opentelemetry.sdk.trace.export")
    memory = importlib.import_module("opentelemetry.sdk.trace.export.in_memory_span_exporter")
    resource = importlib.import_module("opentelemetry.sdk.resources").Resource({"service.name": "recorder"})
    exporter = memory.InMemorySpanExporter()
    provider = sdk.TracerProvider(resource=resource)
    provider.add_span_processor(export.SimpleSpanProcessor(exporter))
    importlib.import_module("opentelemetry.trace").set_tracer_provider(provider)
    return provider, exporter


def talk(client: Any) -> None:
    """A plain call, a streamed one, one with tools and their results, one that fails, and an embedding."""
    chat = client.chat.completions
    chat.create(model="sim/echo", messages=MESSAGES, temperature=0.5, max_tokens=50)
    options = {"include_usage": True}
    for _ in chat.create(model="sim/echo", messages=MESSAGES, stream=True, stream_options=options):
        pass
    called = chat.create(model="sim/tools", messages=MESSAGES, tools=TOOLS)
    asked = called.choices[0].message.model_dump(exclude_none=True)
    found = {"role": "tool", "tool_call_id": asked["tool_calls"][0]["id"], "content": "A tower with a light."}
    chat.create(model="sim/tools", messages=[*MESSAGES, asked, found], tools=TOOLS)
    fails(lambda: chat.create(model="sim/error-400", messages=MESSAGES))
    client.embeddings.create(model="sim/embed", input=["one lighthouse", "two lighthouses"], dimensions=4)


def fails(call: Callable[[], object]) -> None:
    """Make a call of which the SDK is to tell that it failed."""
    try:
        call()
    except Exception as failure:  # noqa: BLE001  (each SDK has a class of its own for it)
        sys.stderr.write(f"as planned: {failure}\n")


def openai(url: str) -> Any:
    """OpenAI's client, told not to try again."""
    return importlib.import_module("openai").OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)


def instrumented(module: str) -> Callable[[str], list[Any]]:
    """A recorder of OpenAI's client under the instrumentor of ``module``."""

    def record(url: str) -> list[Any]:
        provider, exporter = telemetry()
        importlib.import_module(module).OpenAIInstrumentor().instrument(tracer_provider=provider)
        talk(openai(url))
        return list(exporter.get_finished_spans())

    return record


def langfuse(url: str) -> list[Any]:
    """Langfuse's own client: a trace with a generation, a tool and a score of nothing."""
    _, exporter = telemetry()
    sdk = importlib.import_module("langfuse")
    client = sdk.Langfuse(
        public_key="pk", secret_key="sk", base_url=url, environment="staging", release="r1", span_exporter=exporter
    )
    shared = {
        "user_id": "ada",
        "session_id": "s-1",
        "tags": ["blue", "new"],
        "trace_name": "ask",
        "metadata": {"a": "b"},
    }
    with sdk.propagate_attributes(**shared), client.start_as_current_observation(name="ask", input=QUESTION) as root:
        with client.start_as_current_observation(
            name="answer",
            as_type="generation",
            model="gpt-4o",
            model_parameters={"temperature": 0.5},
            input=MESSAGES,
            metadata={"team": "north", "count": 3},
        ) as generation:
            generation.update(
                output={"role": "assistant", "content": "The Tower of Hercules."},
                usage_details={"input": 20, "input_cached_tokens": 5, "output": 7, "total": 32},
                cost_details={"input": 0.00002, "output": 0.00007, "total": 0.00009},
            )
        with client.start_as_current_observation(name="look_up", as_type="tool", input={"word": "light"}) as tool:
            tool.update(output="found", level="WARNING", status_message="slow")
        root.update(output="The Tower of Hercules.")
    client.flush()
    return list(exporter.get_finished_spans())


def langsmith(url: str) -> list[Any]:
    """LangSmith's client in its OpenTelemetry mode, around a model, a tool and a chain."""
    provider, exporter = telemetry()
    sdk = importlib.import_module("langsmith")
    client = sdk.Client(api_url=url, api_key="none", tracing_mode="otel", otel_tracer_provider=provider)
    wrapped = importlib.import_module("langsmith.wrappers").wrap_openai(openai(url))

    @sdk.traceable(run_type="tool", client=client)
    def look_up(word: str) -> str:
        return f"{word}: a tower"

    @sdk.traceable(run_type="chain", client=client, tags=["blue"], metadata={"session_id": "s-1", "user_id": "ada"})
    def ask(question: str) -> str:
        look_up(question)
        answer = wrapped.chat.completions.create(model="sim/echo", messages=MESSAGES)
        for _ in wrapped.chat.completions.create(model="sim/echo", messages=MESSAGES, stream=True):
            pass
        return str(answer.choices[0].message.content)

    with sdk.tracing_context(enabled=True, client=client):
        ask(QUESTION)
    client.flush()
    return list(exporter.get_finished_spans())


def pydantic_ai(url: str) -> list[Any]:
    """An agent of Pydantic AI that calls one tool."""
    provider, exporter = telemetry()
    sdk = importlib.import_module("pydantic_ai")
    models = importlib.import_module("pydantic_ai.models.openai")
    providers = importlib.import_module("pydantic_ai.providers.openai")
    model = models.OpenAIChatModel("sim/tools", provider=providers.OpenAIProvider(f"{url}/v1", api_key="none"))
    instrumented = importlib.import_module("pydantic_ai.models.instrumented")
    settings = instrumented.InstrumentationSettings(tracer_provider=provider)
    agent = sdk.Agent(model, name="keeper", instructions="Answer in one line.")
    agent.instrument = settings

    @agent.tool_plain
    def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{word}: a tower"

    _ = look_up
    agent.run_sync(QUESTION)
    return list(exporter.get_finished_spans())


RECORDERS: dict[str, tuple[str, Callable[[str], list[Any]]]] = {
    "langfuse": ("langfuse", langfuse),
    "langsmith": ("langsmith", langsmith),
    "openai-v2": (
        "opentelemetry-instrumentation-openai-v2",
        instrumented("opentelemetry.instrumentation.openai_v2"),
    ),
    "openinference-openai": (
        "openinference-instrumentation-openai",
        instrumented("openinference.instrumentation.openai"),
    ),
    "pydantic-ai": ("pydantic-ai-slim", pydantic_ai),
    "traceloop-openai": (
        "opentelemetry-instrumentation-openai",
        instrumented("opentelemetry.instrumentation.openai"),
    ),
}


def plain(value: Any) -> Any:
    """What JSON can hold; bytes as ``{"base64"}``."""
    if isinstance(value, bytes):
        return {"base64": base64.b64encode(value).decode()}
    if hasattr(value, "items"):
        return {str(key): plain(held) for key, held in value.items()}
    return [plain(held) for held in value] if type(value) in {list, tuple} else value


def told(spans: list[Any], url: str) -> list[dict[str, Any]]:
    """Spans in the fields of ``ToldSpan``, with ids counted from 1, even times, and a host of no machine."""
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
    text = json.dumps(rows).replace(url, "http://switchgear.test")
    return json.loads(text)


def main() -> None:
    """Record one SDK."""
    name, url, folder = sys.argv[1:]
    package, record = RECORDERS[name]
    version = importlib.metadata.version(package)
    case = {"sdk": package, "version": version, "spans": told(record(url), url)}
    path = Path(folder, f"{name}-{version}.json")
    path.write_text(json.dumps(case, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    sys.stdout.write(f"{path}\n")


if __name__ == "__main__":
    main()
