"""Traceloop's SDK, set up by TRACELOOP_ variables alone: OpenAI's SDK called by a task in a workflow of a user."""

import os

from openai import OpenAI
from traceloop.sdk import Traceloop
from traceloop.sdk.decorators import task, workflow

Traceloop.init(app_name="by-traceloop", disable_batch=True)
client = OpenAI(base_url=f"{os.environ['SWITCHGEAR_URL']}/v1", api_key=os.environ["SWITCHGEAR_KEY"])


@task(name="ask")
def ask(question: str) -> str:
    """Have a model answer."""
    messages = [{"role": "user", "content": question}]
    return str(client.chat.completions.create(model="sim/echo", messages=messages).choices[0].message.content)


@workflow(name="answer")
def reply(question: str) -> str:
    """Answer a user."""
    Traceloop.set_association_properties({"user_id": "grace", "session_id": "flow-1", "team": "north"})
    return ask(question)


assert reply("how are you?") == "how are you?"
