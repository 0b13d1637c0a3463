"""LangSmith's SDK: a traced function with a model's call in it, feedback, and both read back."""

import contextlib
import os
import uuid
from threading import Event

os.environ["LANGSMITH_ENDPOINT"] = os.environ["SWITCHGEAR_URL"]
os.environ["LANGSMITH_API_KEY"] = os.environ["SWITCHGEAR_KEY"]
os.environ["LANGSMITH_TRACING"] = "true"
os.environ["LANGSMITH_PROJECT"] = "support"

from langsmith import Client, traceable

client = Client()
RUN = uuid.UUID("018f4a2e-7c11-7abc-8def-0123456789ab")


@traceable(run_type="llm", name="ask", metadata={"ls_provider": "openai", "ls_model_name": "gpt-x"}, client=client)
def ask(messages: list[dict[str, str]]) -> dict[str, object]:
    """Answer like a model."""
    usage = {"input_tokens": 12, "output_tokens": 3, "total_tokens": 15, "input_token_details": {"cache_read": 4}}
    return {"role": "assistant", "content": f"{len(messages)} heard", "usage_metadata": usage}


@traceable(name="answer", tags=["nightly"], client=client)
def reply(question: str) -> str:
    """Answer, or fail."""
    if not question:
        raise ValueError("nothing was asked")
    return str(ask([{"role": "user", "content": question}])["content"])


reply("how are you?", langsmith_extra={"run_id": RUN})
with contextlib.suppress(ValueError):
    reply("", langsmith_extra={"metadata": {"kind": "empty"}})
client.flush()
client.create_feedback(RUN, "correctness", score=0.5, comment="half", trace_id=RUN)
client.flush()
for _ in range(100):
    runs = list(client.list_runs(project_name="support"))
    feedback = list(client.list_feedback(run_ids=[RUN]))
    if len(runs) == 3 and feedback and all(run.end_time for run in runs):
        break
    Event().wait(0.05)
assert client.read_run(RUN).outputs == {"output": "1 heard"}, client.read_run(RUN)
assert feedback[0].score == 0.5
client.update_feedback(feedback[0].id, score=1)
assert client.read_feedback(feedback[0].id).score == 1
print(len(runs))
