"""The runner of a control process, from the configuration to a webhook, over a real socket."""

import asyncio
import json
from collections.abc import AsyncGenerator

import pytest

from switchgear.app.alerts import AlertParts, alert_runner
from switchgear.app.database import ControlDatabase
from switchgear.config import Config, parse
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids, seeded_bits
from switchgear.kernel.limit_report import LimitReport
from switchgear.kernel.query import Aggregate, Group
from switchgear.rest.objects import Objects
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from switchgear.traces.alerts import store
from switchgear.traces.alerts.deliver.webhook import is_genuine
from switchgear.traces.alerts.jobs import Runner
from switchgear.upstream.client import HttpTransport
from tests.traces.alerts.stand import ListOfSpans, call

SECRET = "a-secret-of-some-length"
YAML = """
providers: {{sim: {{kind: simulator}}}}
projects: {{shop: {{}}}}
alerts:
  every_seconds: 5
  rules:
    errors: {{measure: error_rate, above: 0.5, by: model, project: shop, where: {{model: sm*}}, notify: [hook]}}
  receivers:
    hook: {{kind: webhook, url: "{url}", secret: {secret}}}
"""


@pytest.fixture
async def transport() -> AsyncGenerator[HttpTransport]:
    made = HttpTransport()
    yield made
    await made.aclose()


class Hook:
    """Takes every notice."""

    def __init__(self) -> None:
        self.told: list[bytes] = []
        self.heads: list[str] = []
        self.server = ScriptedUpstream(self._script)
        self.came = asyncio.Event()

    async def _script(self, peer: Peer) -> None:
        while True:
            head, body = await peer.request()
            self.told.append(body)
            self.heads.append(head.decode())
            await peer.send(b"HTTP/1.1 204 No Content\r\n\r\n")
            self.came.set()


def no_limits() -> list[LimitReport]:
    return []


def runner(database: ControlDatabase, config: Config, transport: HttpTransport, clock: FrozenClock) -> Runner:
    spans = ListOfSpans()
    spans.spans = [call(clock.wall_ns() - 1, 1, project="shop", status="error"), call(clock.wall_ns() - 1, 2)]
    parts = AlertParts(
        database=database,
        objects=Objects(clock),
        config=lambda: config,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
        owner="here",
    )
    return alert_runner(parts, transport, spans, no_limits)


async def test_a_rule_of_the_file_reaches_its_webhook_signed_and_once(
    database: ControlDatabase, transport: HttpTransport
) -> None:
    hook, clock = Hook(), FrozenClock()
    async with hook.server:
        url = f"http://{hook.server.origin.authority}/hook"
        config = parse(YAML.format(url=url, secret=SECRET), "file", {})
        made = runner(database, config, transport, clock)
        made.pause_seconds = 0.001
        running = asyncio.create_task(made.run())
        await hook.came.wait()
        running.cancel()
        await asyncio.wait([running])
        clock.advance(5)
        await made.turn()
    assert len(hook.told) == 1
    told = json.loads(hook.told[0])
    assert (told["rule"], told["labels"], told["project"], told["value"]) == ("errors", "model=small", "shop", 1.0)
    headers = dict(line.split(": ", 1) for line in hook.heads[0].split("\r\n")[1:] if line)
    said, timestamp = headers["x-switchgear-signature"], headers["x-switchgear-timestamp"]
    assert is_genuine(SECRET, said, timestamp, hook.told[0])


async def test_rules_are_looked_at_no_sooner_than_the_configuration_says(
    database: ControlDatabase, transport: HttpTransport
) -> None:
    hook, clock = Hook(), FrozenClock()
    async with hook.server:
        url = f"http://{hook.server.origin.authority}/hook"
        made = runner(database, parse(YAML.format(url=url, secret=SECRET), "file", {}), transport, clock)
        turns: list[int] = []
        for seconds in (0, 4, 1, 4, 1):
            clock.advance(seconds)
            await made.turn()
            async with database.read() as connection:
                turns.append((await store.lease(connection)).turn)
    assert turns == [1, 1, 2, 2, 3]


class Unreachable:
    """A store of spans that does not answer."""

    async def aggregate(self, question: Aggregate) -> list[Group]:
        raise FileNotFoundError("this store is gone")


async def test_where_the_store_of_spans_does_not_answer_a_rule_is_unanswered(
    database: ControlDatabase, transport: HttpTransport
) -> None:
    clock = FrozenClock()
    config = parse(YAML.format(url="http://127.0.0.1:1/", secret=SECRET), "file", {})
    parts = AlertParts(
        database=database,
        objects=Objects(clock),
        config=lambda: config,
        clock=clock,
        ids=Ids(clock, seeded_bits()),
        owner="here",
    )
    await alert_runner(parts, transport, Unreachable(), no_limits).turn()
    async with database.read() as connection:
        found = await store.standings(connection)
    assert [(one.state, one.knowledge) for one in found] == [("inactive", "unanswered")]
