"""/metrics of a live server, in both forms: whatever it tells is documented."""

import asyncio
import re
from collections.abc import Mapping
from urllib.request import Request, urlopen

from scripts.reference import exposed_metrics
from tests.e2e.live import LiveServer
from tests.e2e.load import Load

OPENMETRICS = {"accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"}


def scraped(server: LiveServer, headers: Mapping[str, str]) -> tuple[str, str]:
    """The content type, and the text."""
    with urlopen(Request(f"{server.url}/metrics", headers=dict(headers)), timeout=10) as answer:
        return answer.headers["content-type"], answer.read().decode()


async def test_a_live_server_tells_what_the_docs_say_in_the_form_that_was_asked_for(live: LiveServer) -> None:
    load = Load(live.url)
    running = asyncio.get_running_loop().create_task(load.run(1))
    while not load.answered:
        await asyncio.sleep(0.01)
    load.stop()
    await running
    while "switchgear_process_calls_total{" not in (await asyncio.to_thread(scraped, live, {}))[1]:
        await asyncio.sleep(0.05)
    plain, text = await asyncio.to_thread(scraped, live, {})
    strict, told = await asyncio.to_thread(scraped, live, OPENMETRICS)
    assert plain == "text/plain; version=0.0.4; charset=utf-8"
    assert strict == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert told.endswith("\n# EOF\n")
    assert re.search(r'_bucket\{.*\} \d+ # \{trace_id="[0-9a-f]{32}"\} ', told)
    assert set(re.findall(r"^# TYPE (\S+) ", text, re.MULTILINE)) <= exposed_metrics()
    assert 'process="g0"' in text
    assert 'gen_ai_operation_name="chat",gen_ai_provider_name="simulator"' in text
    assert "switchgear_gateway_journal_failing{" in text
