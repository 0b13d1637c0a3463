"""The clients of Langfuse, LangSmith and Phoenix ask for what their key may not read; what each of them then says."""

import os
from collections.abc import Callable

from langfuse import Langfuse
from langsmith import Client as LangSmith
from phoenix.client import Client as Phoenix

url, key = os.environ["SWITCHGEAR_URL"], os.environ["SWITCHGEAR_KEY"]
langfuse = Langfuse(public_key="pk-of-nobody", secret_key=key, base_url=url)
langsmith = LangSmith(api_url=url, api_key=key)
phoenix = Phoenix(base_url=url, api_key=key)
ASKING: dict[str, Callable[[], object]] = {
    "langfuse": langfuse.api.observations.get_many,
    "langsmith": lambda: langsmith.read_run("018f4a2e-7c11-7abc-8def-0123456789ab"),
    "phoenix": lambda: phoenix.spans.get_spans(project_identifier="shop"),
}
for name, ask in ASKING.items():
    try:
        ask()
    except Exception as error:  # noqa: BLE001 (what is told matters, not its class)
        told = getattr(getattr(error, "response", None), "text", "") if name == "phoenix" else str(error)
        print(name, type(error).__name__, told.replace("\n", " "))
