"""Models on their way out: clients are warned in headers, the record says it, and once they are gone others answer."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import DeploymentEntry, FallbacksEntry, ModelEntry, RetriesEntry, SplitEntry
from switchgear.config.secret import Secret
from switchgear.kernel.clock import SystemClock
from switchgear.models.card import ModelCard, Stages
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import Fittings, House, chat, configured, serving

ECHO = (DeploymentEntry(model="sim/echo"),)
DEPRECATED = ModelCard(
    stage="deprecated", dates=Stages(deprecated="2026-03-01", retired="2026-09-30"), redirect_to="new"
)
BEFORE = datetime(2026, 2, 1, tzinfo=UTC)
BETWEEN = datetime(2026, 6, 1, tzinfo=UTC)
AFTER = datetime(2026, 10, 1, tzinfo=UTC)


class Calendar(SystemClock):
    """The system's clock, on another day."""

    def __init__(self, now: datetime) -> None:
        self._now_ns = int(now.timestamp()) * 1_000_000_000

    def wall_ns(self) -> int:
        return self._now_ns


@asynccontextmanager
async def on(now: datetime, **cards: ModelCard) -> AsyncGenerator[House]:
    models = {name: ModelEntry(deployments=ECHO, card=card) for name, card in cards.items()}
    models["new"] = ModelEntry(deployments=(DeploymentEntry(model="sim/lorem"),))
    async with serving(configured(models=models), fittings=Fittings(clock=Calendar(now))) as house:
        yield house


async def ask(house: House, model: str = "old", **more: object) -> tuple[int, Mapping[str, str], bytes]:
    return await house.post("/v1/chat/completions", {**chat(model), **more})


async def test_a_deprecated_model_answers_and_warns() -> None:
    async with on(BETWEEN, old=DEPRECATED) as house:
        status, headers, _ = await ask(house)
        assert status == 200
        assert headers["deprecation"] == f"@{int(datetime(2026, 3, 1, tzinfo=UTC).timestamp())}"
        assert headers["sunset"] == "Wed, 30 Sep 2026 00:00:00 GMT"
        warning = "model old is deprecated and will be retired on 30 Sep 2026; use new"
        assert headers["x-switchgear-model-warning"] == warning
        assert headers["x-switchgear-deployment"] == "sim/echo"
        assert house.journal.records[0].findings == (warning,)


async def test_a_stream_and_a_refusal_warn_too() -> None:
    async with on(BETWEEN, old=DEPRECATED) as house:
        _, streamed, _ = await ask(house, stream=True)
        status, refused, _ = await ask(house, messages=[{"role": "user", "content": [{"type": "nonsense"}]}])
        assert "deprecation" in streamed
        assert status in (200, 400)
        assert "deprecation" in refused


async def test_before_its_day_only_the_dates_are_told() -> None:
    announced = ModelCard(dates=DEPRECATED.dates)
    async with on(BEFORE, old=announced) as house:
        _, headers, _ = await ask(house)
        assert "deprecation" in headers
        assert "sunset" in headers
        assert "x-switchgear-model-warning" not in headers
        assert house.journal.records[0].findings == ()


async def test_what_was_announced_begins_by_itself() -> None:
    announced = ModelCard(dates=DEPRECATED.dates)
    async with on(BETWEEN, old=announced) as house:
        _, headers, _ = await ask(house)
        assert headers["x-switchgear-model-warning"].startswith("model old is deprecated")


async def test_a_retired_model_is_refused() -> None:
    for now, card in ((AFTER, ModelCard(dates=DEPRECATED.dates)), (BEFORE, ModelCard(stage="retired"))):
        async with on(now, old=card) as house:
            status, _, answer = await ask(house)
            error = json.loads(answer)["error"]
            assert (status, error["code"], error["param"]) == (404, "model_retired", "model")
            assert house.journal.records[0].outcome == "refused"


async def test_another_model_answers_in_the_place_of_a_retired_one_and_says_so() -> None:
    async with on(AFTER, old=DEPRECATED) as house:
        status, headers, _ = await ask(house)
        assert (status, headers["x-switchgear-deployment"]) == (200, "sim/lorem")
        assert headers["x-switchgear-model-redirect"] == "new"
        record = house.journal.records[0]
        assert (record.model, record.attempts[0].deployment) == ("old", "sim/lorem")
        assert record.findings == ("model old is retired; new answered in its place",)


async def test_redirects_are_followed_and_the_last_one_may_warn() -> None:
    oldest = ModelCard(stage="retired", redirect_to="old")
    async with on(BETWEEN, oldest=oldest, old=DEPRECATED) as house:
        status, headers, _ = await ask(house, "oldest")
        assert (status, headers["x-switchgear-deployment"]) == (200, "sim/echo")
        assert len(house.journal.records[0].findings) == 2


async def test_a_model_that_nothing_is_declared_of_says_nothing() -> None:
    async with on(AFTER, old=DEPRECATED) as house:
        _, headers, _ = await ask(house, "new")
        told = {"deprecation", "sunset", "x-switchgear-model-warning", "x-switchgear-model-redirect"}
        assert not told & set(headers)


async def test_lists_show_the_stage_and_leave_out_what_is_retired() -> None:
    cards = {"old": DEPRECATED, "lab": ModelCard(stage="experimental", version="7")}
    for now, names in ((BETWEEN, {"echo", "old", "lab", "new"}), (AFTER, {"echo", "lab", "new"})):
        async with on(now, **cards) as house:
            _, _, answer = await house.ask("GET", "/v1/models")
            listed = {model["id"]: model for model in json.loads(answer)["data"]}
            assert {name for name in listed if "/" not in name} == names
            assert listed["lab"]["switchgear"] == {"stage": "experimental", "version": "7", "capabilities": {}}
            assert listed["lab"]["lifecycle"] == "active"


async def test_a_model_that_is_asked_for_by_name_is_shown_as_what_it_is() -> None:
    async with on(AFTER, old=DEPRECATED) as house:
        _, _, answer = await house.ask("GET", "/v1/models/old")
        shown = json.loads(answer)
        assert shown["lifecycle"] == "retired"
        assert shown["retires_at"] == "2026-09-30T00:00:00Z"


async def test_other_names_are_the_same_model() -> None:
    models = {"new": ModelEntry(deployments=ECHO, aliases=("newest", "default"), card=ModelCard(version="2"))}
    async with serving(configured(models=models)) as house:
        assert (await ask(house, "newest"))[0] == 200
        _, _, answer = await house.ask("GET", "/v1/models")
        listed = {model["id"]: model["switchgear"] for model in json.loads(answer)["data"]}
        assert listed["newest"] == listed["default"] == listed["new"]


async def picture(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")


async def test_what_is_passed_through_heeds_it_too() -> None:
    async with ScriptedUpstream(picture) as upstream:
        url = f"http://127.0.0.1:{upstream.origin.port}/v1"
        providers = {"up": ProviderEntry(kind="openai", base_url=url, api_key=Secret("sk-up"))}
        new = ModelEntry(deployments=(DeploymentEntry(model="up/new-model"),))
        old = ModelEntry(deployments=(DeploymentEntry(model="up/old-model"),), card=DEPRECATED)
        config = configured(providers, {"old": old, "new": new})
        async with serving(config, fittings=Fittings(clock=Calendar(AFTER))) as house:
            body = {"model": "old", "prompt": "a cat"}
            status, headers, _ = await house.post("/v1/images/generations", body)
            assert (status, headers["x-switchgear-model-redirect"]) == (200, "new")
            assert house.journal.records[0].attempts[0].deployment == "up/new-model"


def failing_over_to(*names: str) -> ModelEntry:
    broken = (DeploymentEntry(model="sim/error-500"),)
    return ModelEntry(deployments=broken, fallbacks=FallbacksEntry(any=names), retries=RetriesEntry(attempts=1))


@pytest.mark.parametrize(("now", "answering"), [(BETWEEN, "sim/echo"), (AFTER, "sim/lorem")])
async def test_a_fallback_to_a_model_that_has_ended_goes_where_that_redirects_to(now: datetime, answering: str) -> None:
    models = {
        "first": failing_over_to("old"),
        "old": ModelEntry(deployments=ECHO, card=DEPRECATED),
        "new": ModelEntry(deployments=(DeploymentEntry(model="sim/lorem"),)),
    }
    async with serving(configured(models=models), fittings=Fittings(clock=Calendar(now))) as house:
        status, headers, _ = await ask(house, "first")
        assert (status, headers["x-switchgear-deployment"]) == (200, answering)


async def test_a_fallback_to_a_model_that_has_ended_for_good_is_passed_over() -> None:
    gone = ModelCard(dates=Stages(retired="2026-09-30"))
    models = {
        "first": failing_over_to("old", "new"),
        "old": ModelEntry(deployments=ECHO, card=gone),
        "new": ModelEntry(deployments=(DeploymentEntry(model="sim/lorem"),)),
    }
    async with serving(configured(models=models), fittings=Fittings(clock=Calendar(AFTER))) as house:
        status, headers, _ = await ask(house, "first")
        assert (status, headers["x-switchgear-deployment"]) == (200, "sim/lorem")


async def test_a_split_to_a_model_that_has_ended_for_good_stays_where_it_was() -> None:
    models = {
        "first": ModelEntry(deployments=(DeploymentEntry(model="sim/lorem"),), splits=(SplitEntry(to={"old": 100}),)),
        "old": ModelEntry(deployments=ECHO, card=ModelCard(dates=Stages(retired="2026-09-30"))),
    }
    for now, answering in ((BETWEEN, "sim/echo"), (AFTER, "sim/lorem")):
        async with serving(configured(models=models), fittings=Fittings(clock=Calendar(now))) as house:
            status, headers, _ = await ask(house, "first")
            assert (status, headers["x-switchgear-deployment"]) == (200, answering)
