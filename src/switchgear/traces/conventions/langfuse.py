"""Langfuse's SDKs from 3 on. Usage and cost are objects; the input stands beside the cached tokens, not around them."""

from switchgear.traces.conventions.convention import Accounting, Convention, Family
from switchgear.traces.conventions.reading import Reading
from switchgear.traces.conventions.values import items, opened

VERSION = "langfuse.version"
"""Under which metadata holds the version that a sender gives its spans."""
_METADATA = ("langfuse.trace.metadata", "langfuse.observation.metadata")


def _complete(reading: Reading) -> None:
    # SDKs from 5 on write every value of the metadata as JSON.
    for key, value in tuple(reading.metadata.items()):
        if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
            reading.metadata[key] = items(f"[{value}]")[0] if items(f"[{value}]") else value
    if version := reading.word("version"):
        # Spans are asked for by metadata, and not by their other attributes.
        reading.metadata[VERSION] = version
    reading.say("input", opened(reading.attribute("langfuse.trace.input")), better=False)
    reading.say("output", opened(reading.attribute("langfuse.trace.output")), better=False)


CONVENTION = Convention(
    name="langfuse",
    order=20,
    names={
        "langfuse.observation.type": "kind",
        "langfuse.observation.model.name": "request_model",
        "langfuse.observation.level": "level",
        "langfuse.observation.status_message": "status_message",
        "langfuse.observation.input": "input",
        "langfuse.observation.output": "output",
        "langfuse.observation.completion_start_time": "first_token_at",
        "langfuse.observation.usage_details": "tokens",
        "langfuse.observation.cost_details": "usd",
        "langfuse.observation.prompt.name": "prompt_name",
        "langfuse.observation.prompt.version": "prompt_version",
        "langfuse.observation.prompt.label": "prompt_label",
        "langfuse.observation.metadata": "metadata_object",
        "langfuse.trace.metadata": "metadata_object",
        "langfuse.trace.name": "trace_name",
        "langfuse.trace.tags": "tags",
        "langfuse.user.id": "user",
        "langfuse.session.id": "session",
        "langfuse.environment": "environment",
        "langfuse.release": "release",
        VERSION: "version",
        "langfuse.internal.is_app_root": "is_root",
        "langfuse.internal.as_root": "is_root",
    },
    scopes=frozenset(("langfuse-sdk",)),
    families={
        "langfuse.trace.metadata.": Family("metadata", "metadata"),
        "langfuse.observation.metadata.": Family("metadata", "metadata"),
    },
    accounting=Accounting(input_holds_parts=False, output_holds_parts=False),
    has_one_model=True,
    sums_up=frozenset(),
    complete=_complete,
)
