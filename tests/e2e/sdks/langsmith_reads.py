"""LangSmith's SDK reads what it sent by the second version of its API: ``client.runs`` and ``client.traces``."""

import asyncio
import os
import uuid
from datetime import UTC, datetime, timedelta

os.environ["LANGSMITH_ENDPOINT"] = os.environ["SWITCHGEAR_URL"]
os.environ["LANGSMITH_API_KEY"] = os.environ["SWITCHGEAR_KEY"]
os.environ["LANGSMITH_TRACING"] = "true"
os.environ["LANGSMITH_PROJECT"] = f"shop-{os.getpid()}"

from langsmith import BadRequestError, Client, NotFoundError, traceable

client = Client()
RUN = uuid.uuid4()
BEGAN = datetime.now(UTC) - timedelta(minutes=1)
NOBODY = str(uuid.uuid4())


@traceable(run_type="llm", name="ask", metadata={"ls_provider": "openai", "ls_model_name": "gpt-x"}, client=client)
def ask(messages: list[dict[str, str]]) -> dict[str, object]:
    """Answer like a model."""
    usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15, "input_token_details": {"cache_read": 4}}
    return {"role": "assistant", "content": f"{len(messages)} heard", "usage_metadata": usage}


@traceable(name="answer", tags=["nightly"], client=client)
def reply(question: str) -> str:
    """Answer."""
    return str(ask([{"role": "user", "content": question}])["content"])


reply("how are you?", langsmith_extra={"run_id": RUN, "metadata": {"thread_id": "chat-7"}})
reply("and now?")
client.flush()
project_id = client.read_project(project_name=os.environ["LANGSMITH_PROJECT"]).id
client.create_feedback(RUN, "correctness", score=0.5, comment="half", trace_id=RUN, session_id=project_id)
client.flush()


async def listed(project: str) -> list[object]:
    """All of the project, page by page, once all have ended."""
    for _ in range(100):
        asked = client.runs.query_v2(project_ids=[project], selects=["END_TIME"], page_size=1, min_start_time=BEGAN)
        runs = [run async for run in asked]
        if len(runs) == 4 and all(run.end_time for run in runs):
            return runs
        await asyncio.sleep(0.05)
    raise AssertionError(runs)


async def read(project: str) -> None:
    """What the SDK has for reading."""
    runs = await listed(project)
    assert len({run.id for run in runs}) == 4
    fields = ["NAME", "RUN_TYPE", "STATUS", "INPUTS", "OUTPUTS", "TAGS", "THREAD_ID", "IS_ROOT", "FEEDBACK_STATS"]
    one = await client.runs.retrieve_v2(str(RUN), project_id=project, selects=[*fields, "LATENCY_SECONDS"])
    assert (one.name, one.run_type, one.status, one.is_root) == ("answer", "CHAIN", "SUCCESS", True), one
    assert (one.inputs, one.outputs) == ({"question": "how are you?"}, {"output": "1 heard"}), one
    assert (one.tags, one.thread_id) == (["nightly"], "chat-7"), one
    assert (one.feedback_stats["correctness"].avg, one.feedback_stats["correctness"].n) == (0.5, 1), one
    assert one.latency_seconds > 0
    asked = client.runs.query_v2(
        project_ids=[project],
        trace_id=str(RUN),
        run_type="LLM",
        filter='has(metadata, \'{"ls_provider": "openai"}\')',
        trace_filter='has(tags, "nightly")',
        min_start_time=BEGAN,
        selects=["PROMPT_TOKENS", "TOTAL_TOKENS", "PROMPT_TOKEN_DETAILS", "PARENT_RUN_IDS", "PROJECT_ID", "TOTAL_COST"],
    )
    (inner,) = [run async for run in asked]
    assert (inner.prompt_tokens, inner.total_tokens, inner.prompt_token_details.raw) == (12, 15, {"cache_read": 4})
    assert (inner.parent_run_ids, inner.project_id) == ([str(RUN)], project), inner
    streamed = client.runs.streaming.query_v2_items(
        project_ids=[project], is_root=False, selects=["NAME"], page_size=1, min_start_time=BEGAN
    )
    assert [run.name async for run in streamed] == ["ask", "ask"]
    asked = client.traces.query(project_id=project, selects=["NAME", "TOTAL_TOKENS"], min_start_time=BEGAN)
    traces = [trace async for trace in asked]
    assert [trace.root_run.name for trace in traces] == ["answer", "answer"], traces
    assert {trace.trace_aggregates.total_tokens for trace in traces} == {15}, traces
    inside = await client.traces.list_runs(str(RUN), project_id=project, selects=["NAME"])
    assert [run.name for run in inside.items] == ["answer", "ask"], inside
    url = (await client.runs.get_url(str(RUN), project_id=project, trace_id=str(RUN))).url
    assert url.startswith(os.environ["SWITCHGEAR_URL"]), url
    await refused(project)


async def refused(project: str) -> None:
    """What is not there, and what is not served."""
    try:
        await client.runs.retrieve_v2(NOBODY, project_id=project)
    except NotFoundError:
        pass
    else:
        raise AssertionError("it was found")
    await client.runs.share.delete(str(RUN), session_id=project)
    for asking, told in (
        (lambda: client.runs.query_v2(project_ids=[project], ai_search="whales"), "ai_search"),
        (lambda: client.runs.share.create(str(RUN), session_id=project, trace_id=str(RUN)), "not shared"),
    ):
        answer = ""
        try:
            await asking()
        except BadRequestError as error:
            answer = error.body["message"]
        assert told in answer, answer


asyncio.run(read(str(project_id)))
