"""How each tracing SDK is used where its spans are recorded; the spans as they were told, in Python's form."""

import asyncio
import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

QUESTION = "Which is the oldest lighthouse that still shines?"
TOOLS: list[dict[str, Any]] = [
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


def traceloop(url: str) -> list[Any]:
    """Traceloop's SDK: a workflow of a user, whose task calls Anthropic's client with a tool, and OpenAI's."""
    _, exporter = telemetry()
    sdk, decorators = importlib.import_module("traceloop.sdk"), importlib.import_module("traceloop.sdk.decorators")
    kinds = importlib.import_module("traceloop.sdk.instruments").Instruments
    sdk.Traceloop.init(
        app_name="recorder",
        exporter=exporter,
        disable_batch=True,
        telemetry_enabled=False,
        instruments={kinds.ANTHROPIC, kinds.OPENAI},
    )
    anthropic = importlib.import_module("anthropic").Anthropic(base_url=url, api_key="none", max_retries=0)
    shared = {"max_tokens": 50, "system": MESSAGES[0]["content"], "messages": MESSAGES[1:]}
    function = TOOLS[0]["function"]
    tool = {"name": "look_up", "description": function["description"], "input_schema": function["parameters"]}

    @decorators.task(name="look")
    def look(question: str) -> str:
        anthropic.messages.create(model="sim/tools", tools=[tool], **shared)
        anthropic.messages.create(model="sim/think", thinking={"type": "enabled", "budget_tokens": 1024}, **shared)
        for _ in anthropic.messages.create(model="sim/echo", stream=True, **shared):
            pass
        asked = [{"role": "user", "content": question}]
        return str(openai(url).chat.completions.create(model="sim/echo", messages=asked).choices[0].message.content)

    @decorators.workflow(name="ask")
    def ask(question: str) -> str:
        sdk.Traceloop.set_association_properties({"user_id": "ada", "session_id": "s-1", "team": "north"})
        return look(question)

    ask(QUESTION)
    return list(exporter.get_finished_spans())


def azure_inference(url: str) -> list[Any]:
    """Azure's client for inference, which tells messages as events."""
    _, exporter = telemetry()
    os.environ["AZURE_TRACING_GEN_AI_CONTENT_RECORDING_ENABLED"] = "true"  # noqa: TID251 (its own switch)
    importlib.import_module("azure.core.settings").settings.tracing_implementation = "opentelemetry"
    importlib.import_module("azure.ai.inference.tracing").AIInferenceInstrumentor().instrument()
    credential = importlib.import_module("azure.core.credentials").AzureKeyCredential("none")
    client = importlib.import_module("azure.ai.inference").ChatCompletionsClient(f"{url}/v1", credential)
    models = importlib.import_module("azure.ai.inference.models")
    tools = [models.ChatCompletionsToolDefinition(function=models.FunctionDefinition(**TOOLS[0]["function"]))]
    client.complete(model="sim/length", messages=MESSAGES, temperature=0.5)
    for _ in client.complete(model="sim/echo", messages=MESSAGES, stream=True):
        pass
    called = client.complete(model="sim/tools", messages=MESSAGES, tools=tools).choices[0].message.tool_calls
    asked = models.AssistantMessage(tool_calls=called)
    found = models.ToolMessage(tool_call_id=called[0].id, content="A tower with a light.")
    client.complete(model="sim/tools", messages=[*MESSAGES, asked, found], tools=tools)
    fails(lambda: client.complete(model="sim/error-400", messages=MESSAGES))
    return list(exporter.get_finished_spans())


def strands(url: str) -> list[Any]:
    """An agent of Strands that calls one tool."""
    _, exporter = telemetry()
    sdk = importlib.import_module("strands")
    model = importlib.import_module("strands.models.openai").OpenAIModel(
        client_args={"base_url": f"{url}/v1", "api_key": "none"}, model_id="sim/tools"
    )

    @sdk.tool
    def look_up(word: str) -> str:
        """Looks a word up."""
        return f"{word}: a tower"

    told = {"session.id": "s-1", "user.id": "ada"}
    agent = sdk.Agent(
        model,
        name="keeper",
        tools=[look_up],
        system_prompt=MESSAGES[0]["content"],
        callback_handler=None,
        trace_attributes=told,
    )
    agent(QUESTION)
    return list(exporter.get_finished_spans())


def genai_util(url: str) -> list[Any]:
    """OpenTelemetry's library below its instrumentations: what it tells of spans that have all that it knows."""
    _ = url
    os.environ["OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"] = "SPAN_ONLY"  # noqa: TID251 (its own switch)
    provider, exporter = telemetry()
    sdk = importlib.import_module("opentelemetry.util.genai.handler").TelemetryHandler(tracer_provider=provider)
    types = importlib.import_module("opentelemetry.util.genai.types")
    with sdk.workflow("ask"), sdk.invoke_local_agent(agent_name="keeper", conversation_id="s-1") as agent:
        with sdk.retrieval(data_source_id="docs") as found:
            found.query_text, found.top_k = QUESTION, 3
            found.documents = [types.RetrievalDocument(id="d1", score=0.5)]
        with sdk.tool("look_up", tool_type="function") as tool:
            tool.tool_call_id, tool.arguments, tool.tool_result = "c1", {"word": "light"}, {"content": "a tower"}
        picture = types.UriPart(mime_type="image/png", modality="image", uri="https://switchgear.test/a.png")
        with sdk.inference("openai", request_model="gpt", conversation_id="s-1") as call:
            call.input_messages = [types.InputMessage("user", [types.TextPart(QUESTION), picture])]
            thought, said = types.ReasoningPart("It is old."), types.TextPart("The Tower of Hercules.")
            call.output_messages = [types.OutputMessage("assistant", [thought, said])]
            call.system_instruction = [types.TextPart(MESSAGES[0]["content"])]
            call.response_model_name, call.response_id, call.finish_reasons = "gpt-x", "r1", ["stop"]
            call.prompt_name, call.prompt_version, call.temperature = "keeper", "3", 0.5
            call.input_tokens, call.output_tokens, call.thinking_tokens = 100, 50, 30
            call.cache_read_input_tokens, call.cache_write_input_tokens = 20, 10
            call.set_input_tokens([("text", 80), ("audio", 15), ("image", 5)])
            call.set_cache_read_input_tokens([("text", 15), ("audio", 5)])
            call.set_output_tokens([("text", 45), ("audio", 5)])
        agent.input_tokens, agent.output_tokens = 100, 50

    def break_off() -> None:
        with sdk.embedding("openai", request_model="embed"):
            raise TimeoutError("no answer came")

    fails(break_off)
    return list(exporter.get_finished_spans())


def fastmcp(url: str) -> list[Any]:
    """A client of FastMCP that calls tools of a server in its own process; one of them fails."""
    _ = url
    _, exporter = telemetry()
    sdk = importlib.import_module("fastmcp")
    server = sdk.FastMCP("tower")

    @server.tool
    def look_up(word: str) -> str:
        """Looks a word up."""
        if not word:
            raise ValueError("no word")
        return f"{word}: a tower"

    async def call() -> None:
        async with sdk.Client(server) as client:
            await client.list_tools()
            await client.call_tool("look_up", {"word": "light"})
            await client.call_tool("look_up", {"word": ""}, raise_on_error=False)

    _ = look_up
    asyncio.run(call())
    return list(exporter.get_finished_spans())


def vercel(url: str) -> list[Any]:
    """Vercel's AI SDK, in a program of Node."""
    program = ["node", "record_vercel.mjs", url]
    rows = json.loads(subprocess.run(program, check=True, stdout=subprocess.PIPE).stdout)
    return [of_node(row) for row in rows]


def of_node(row: dict[str, Any]) -> SimpleNamespace:
    """A span that a program told in JSON, in the form that Python's has."""
    seconds, nanoseconds = row["began"]
    trace, span, parent = (int(row[name] or "0", 16) for name in ("trace_id", "span_id", "parent_id"))
    return SimpleNamespace(
        context=SimpleNamespace(trace_id=trace, span_id=span),
        parent=SimpleNamespace(span_id=parent),
        name=row["name"],
        start_time=seconds * 10**9 + nanoseconds,
        status=SimpleNamespace(status_code=SimpleNamespace(name=row["status"]), description=row["status_message"]),
        attributes=row["attributes"],
        events=[SimpleNamespace(**event) for event in row["events"]],
        resource=SimpleNamespace(attributes=row["resource"]),
        instrumentation_scope=SimpleNamespace(name=row["scope_name"], version=row["scope_version"]),
    )


RECORDERS: dict[str, tuple[str, Callable[[str], list[Any]]]] = {
    "azure-inference": ("azure-ai-inference", azure_inference),
    "fastmcp": ("fastmcp", fastmcp),
    "genai-util": ("opentelemetry-util-genai", genai_util),
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
    "strands": ("strands-agents", strands),
    "traceloop": ("traceloop-sdk", traceloop),
    "traceloop-openai": (
        "opentelemetry-instrumentation-openai",
        instrumented("opentelemetry.instrumentation.openai"),
    ),
    "vercel": ("ai", vercel),
}
