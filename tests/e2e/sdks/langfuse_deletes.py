"""Langfuse's SDK deletes traces, one and several, under a key that may, and not under the one that sent them."""

import os

from langfuse import Langfuse
from langfuse.api import AccessDeniedError, LangfuseAPI

url = os.environ["SWITCHGEAR_URL"]
langfuse = Langfuse(public_key="pk-of-nobody", secret_key=os.environ["SWITCHGEAR_KEY"], base_url=url)
shredder = LangfuseAPI(base_url=url, username="pk-of-nobody", password=os.environ["DELETING_KEY"])
traces: list[str] = []
for step in range(3):
    with langfuse.start_as_current_observation(name=f"step {step}") as span:
        traces.append(span.trace_id)
langfuse.flush()


def left() -> list[str]:
    """Those that are still there."""
    return [trace for trace in traces if langfuse.api.observations.get_many(trace_id=trace).data]


assert left() == traces
for refused in (
    lambda: langfuse.api.trace.delete(traces[0]),
    lambda: langfuse.api.trace.delete_multiple(trace_ids=traces),
):
    try:
        refused()
    except AccessDeniedError:
        continue
    raise AssertionError("it was deleted")
assert left() == traces
assert "traces 1, spans 1" in shredder.trace.delete(traces[0]).message
assert left() == traces[1:]
assert "traces 2, spans 2" in shredder.trace.delete_multiple(trace_ids=traces).message
assert left() == []
langfuse.shutdown()
