"""Langfuse's SDK reads back what it sent: observations in all versions, traces and sessions in those before 5."""

import json
import os
from datetime import UTC, datetime, timedelta

from langfuse import Langfuse, propagate_attributes
from langfuse.api import NotFoundError
from langfuse.api.core import ApiError

langfuse = Langfuse(
    public_key="pk-of-nobody", secret_key=os.environ["SWITCHGEAR_KEY"], base_url=os.environ["SWITCHGEAR_URL"]
)
began = datetime.now(UTC) - timedelta(minutes=1)
user, session = f"ada-{os.getpid()}", f"chat/{os.getpid()}"
asked = [{"role": "user", "content": "how are you?"}]
with (
    propagate_attributes(
        user_id=user, session_id=session, tags=["a", "b"], trace_name="talk", metadata={"plan": "free"}, version="1.2"
    ),
    langfuse.start_as_current_observation(name="answer", as_type="agent", input={"q": 1}) as top,
):
    with langfuse.start_as_current_observation(
        name="ask", as_type="generation", model="gpt-x", input=asked, model_parameters={"temperature": 0.5}
    ) as inner:
        inner.update(
            output="well", usage_details={"input": 7, "output": 2}, cost_details={"total": 0.25}, level="WARNING"
        )
    top.update(output={"a": 2})
langfuse.create_score(name="good", value=1, trace_id=top.trace_id)
langfuse.flush()

api = langfuse.api
page = api.observations.get_many(trace_id=top.trace_id, limit=1, from_start_time=began)
assert page.meta.cursor
rest = api.observations.get_many(trace_id=top.trace_id, cursor=page.meta.cursor, fields="basic,io,usage,model,metrics")
newest, oldest = page.data[0], rest.data[0]
assert {newest.id, oldest.id} == {top.id, inner.id}
everything = "basic,time,io,metadata,model,usage,prompt,metrics,trace_context"
(ask,) = api.observations.get_many(type="GENERATION", session_id=session, fields=everything, limit=5).data
assert (ask.id, ask.parent_observation_id, ask.level, ask.model) == (inner.id, top.id, "WARNING", "gpt-x"), ask
assert ask.usage_details == {"input": 7, "output": 2, "total": 9}, ask.usage_details
assert (ask.cost_details, ask.total_cost) == ({"total": 0.25}, 0.25)
assert ask.model_parameters == {"temperature": 0.5}, ask.model_parameters
assert json.loads(ask.input) == asked, ask.input
assert ask.output == "well", ask.output
assert (ask.user_id, ask.trace_name, sorted(ask.tags), ask.metadata["plan"]) == (user, "talk", ["a", "b"], "free"), ask
assert ask.latency is not None
(first,) = api.observations.get_many(trace_id=top.trace_id, is_root_observation=True, fields="io").data
assert (first.id, json.loads(first.input), json.loads(first.output)) == (top.id, {"q": 1}, {"a": 2})
assert api.observations.get_many(user_id="nobody").data == []
versions = [api.observations.get_many(user_id=user, version=version, limit=5).data for version in ("1.2", "1")]
assert [len(found) for found in versions] == [2, 0], versions

mine = {"type": "string", "column": "userId", "operator": "=", "value": user}
dear = {"type": "number", "column": "totalCost", "operator": ">=", "value": 0.2}
free = {"type": "stringObject", "column": "metadata", "operator": "=", "key": "plan", "value": "free"}
(found,) = api.observations.get_many(filter=json.dumps([mine, dear, free]), limit=5).data
assert found.id == inner.id, found
question = {
    "view": "observations",
    "metrics": [
        {"measure": "count", "aggregation": "count"},
        {"measure": "totalCost", "aggregation": "sum"},
        {"measure": "totalTokens", "aggregation": "sum"},
        {"measure": "latency", "aggregation": "p95"},
    ],
    "dimensions": [{"field": "providedModelName"}, {"field": "type"}],
    "filters": [mine],
    "timeDimension": {"granularity": "month"},
    "fromTimestamp": began.isoformat(),
    "toTimestamp": (began + timedelta(hours=1)).isoformat(),
    "orderBy": [{"field": "sum_totalCost", "direction": "desc"}],
}
metrics = api.metrics.metrics(query=json.dumps(question)).data
asked_line, agent_line = (line for line in metrics if line["count_count"])
assert (asked_line["providedModelName"], asked_line["type"], asked_line["count_count"]) == ("gpt-x", "GENERATION", 1)
assert (asked_line["sum_totalCost"], asked_line["sum_totalTokens"]) == (0.25, 9), asked_line
assert (agent_line["type"], agent_line["providedModelName"], agent_line["sum_totalTokens"]) == ("AGENT", None, None)
assert agent_line["p95_latency"] > 0, agent_line
refusal = ""
try:
    api.metrics.metrics(query=json.dumps({**question, "view": "scores-numeric"}))
except ApiError as error:
    refusal = error.body["message"]
assert "scores-numeric" in refusal, refusal

if hasattr(api, "legacy"):
    older = {**question, "view": "traces", "dimensions": [{"field": "userId"}], "timeDimension": None, "orderBy": None}
    older |= {"metrics": [{"measure": "count", "aggregation": "count"}, {"measure": "totalCost", "aggregation": "sum"}]}
    told = api.legacy.metrics_v1.metrics(query=json.dumps(older)).data
    assert told == [{"userId": user, "count_count": 1, "sum_totalCost": 0.25}], told
    tagged = {"type": "arrayOptions", "column": "tags", "operator": "all of", "value": ["a", "b"]}
    assert [one.id for one in api.trace.list(filter=json.dumps([mine, tagged])).data] == [top.trace_id]
    whole = api.trace.get(top.trace_id)
    assert (whole.name, whole.user_id, whole.session_id, whole.total_cost) == ("talk", user, session, 0.25), whole
    assert (whole.input, whole.output, whole.tags) == ({"q": 1}, {"a": 2}, ["a", "b"])
    assert [one.name for one in whole.observations] == ["answer", "ask"]
    assert whole.observations[1].usage.total == 9
    assert whole.observations[1].input == asked
    assert [(one.name, one.value) for one in whole.scores] == [("good", 1)], whole.scores
    listed = api.trace.list(user_id=user, name="talk", tags=["a", "b"], from_timestamp=began, order_by="timestamp.asc")
    assert listed.data[-1].id == top.trace_id
    assert set(listed.data[-1].observations) == {top.id, inner.id}
    assert len(listed.data[-1].scores) == 1
    assert api.trace.list(session_id=session, tags="c").data == []
    assert [one.version for one in api.trace.list(session_id=session, version="1.2").data] == ["1.2"]
    assert session in [one.id for one in api.sessions.list(from_timestamp=began).data]
    assert api.sessions.get(session).traces[-1].output == {"a": 2}
    older = api.legacy.observations_v1
    assert [one.id for one in older.get_many(name="ask", level="WARNING").data][:1] == [inner.id]
    assert older.get(inner.id).calculated_total_cost == 0.25
    for missing in (lambda: api.trace.get("nothing"), lambda: api.sessions.get("nothing")):
        try:
            missing()
        except NotFoundError:
            continue
        raise AssertionError("it was found")
langfuse.shutdown()
print("read")
