"""Phoenix' own set-up of OpenTelemetry around OpenAI's SDK; its client finds the span. Both read PHOENIX_ variables.

Where PROTOCOL names none, the set-up takes gRPC.
"""

import os

from openai import OpenAI
from phoenix.client import Client
from phoenix.otel import register

project = f"shop-{os.getpid()}"
provider = register(
    protocol=os.environ.get("PROTOCOL"), project_name=project, auto_instrument=True, set_global_tracer_provider=False
)
client = OpenAI(base_url=f"{os.environ['SWITCHGEAR_URL']}/v1", api_key=os.environ["SWITCHGEAR_KEY"])
with provider.get_tracer("by-hand").start_as_current_span("ask") as span:
    client.chat.completions.create(model="sim/echo", messages=[{"role": "user", "content": "how are you?"}])
provider.shutdown()
trace = f"{span.get_span_context().trace_id:032x}"
found = {each["name"]: each for each in Client().spans.get_spans(project_identifier=project, trace_ids=[trace])}
assert found.keys() == {"ask", "ChatCompletion"}, found
call = found["ChatCompletion"]
assert call["span_kind"] == "LLM", call
assert call["parent_id"] == found["ask"]["context"]["span_id"], call
assert call["attributes"]["llm.token_count.prompt"] == 3, call
print(project)
