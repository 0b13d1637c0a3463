"""Alerts over the management API: seen by whose project's they are, silenced, tried and told once more, all audited."""

from collections.abc import AsyncGenerator

import httpx
import pytest

from switchgear.app.alert_rules import rules_in_force
from switchgear.app.database import ControlDatabase
from switchgear.config import Config
from switchgear.config.alerts import AlertRuleEntry, AlertsEntry, ReceiverEntry
from switchgear.config.secret import Secret
from switchgear.kernel.query import Compare, Every, StartsWith
from switchgear.rest.objects import Objects
from switchgear.traces.alerts.rule import Spans
from tests.management import application, as_, bind, client
from tests.traces.alerts.stand import Stand, rule, spans

ADA, EVE = as_("user:ada"), as_("user:eve")
DECLARED = Config(
    alerts=AlertsEntry(
        rules={"of-file": AlertRuleEntry(measure="calls", above=1.0)},
        receivers={"here": ReceiverEntry(kind="slack", url=Secret("https://example.com/a-secret"))},
    )
)


@pytest.fixture
async def api(database: ControlDatabase) -> AsyncGenerator[httpx.AsyncClient]:
    """As the operator; ada is an engineer of project a, eve one of project b."""
    async with client(application(database, DECLARED)) as made:
        for project in ("a", "b"):
            assert (await made.post("/projects", json={"name": project, "spec": {}})).status_code == 201
        await bind(made, "ada", "user:ada", "engineer", project="a")
        await bind(made, "eve", "user:eve", "engineer", project="b")
        yield made


@pytest.fixture
async def stand(database: ControlDatabase) -> Stand:
    """An alert of each project fires, and one of none."""
    made = Stand(database)
    made.rules = [rule(name=f"of-{project or 'none'}", project=project) for project in ("a", "b", "")]
    made.rules[0] = rule(name="of-a", project="a", measure=spans(by="model"))
    for project in ("a", "b", ""):
        made.calls(1, status="error", project=project or "default")
    await made.turn()
    return made


async def names(api: httpx.AsyncClient, path: str, headers: dict[str, str] | None = None, **query: str) -> list[str]:
    """All pages of a list, one item at a time: their rules."""
    found: list[str] = []
    cursor = ""
    while True:
        answer = await api.get(path, params={"limit": "1", "cursor": cursor, **query}, headers=headers)
        assert answer.status_code == 200, answer.text
        found += [one["rule"] for one in answer.json()["data"]]
        cursor = answer.json()["next"]
        if cursor is None:
            return sorted(found)


async def test_each_sees_the_alerts_of_their_own_project(api: httpx.AsyncClient, stand: Stand) -> None:
    for path in ("/alerts", "/alerts/history", "/alerts/notices"):
        assert await names(api, path) == ["of-a", "of-b", "of-none"]
        assert await names(api, path, dict(ADA)) == ["of-a"]
        assert await names(api, path, dict(EVE), rule="of-a") == []
    assert await names(api, "/alerts", state="firing", rule="of-b") == ["of-b"]
    told = (await api.get("/alerts", headers=ADA)).json()["data"][0]
    assert (told["state"], told["knowledge"], told["labels"], told["value"]) == ("firing", "met", "model=small", 1.0)
    notice = (await api.get("/alerts/notices", headers=ADA)).json()["data"][0]
    assert (notice["event"], notice["state"]) == ("firing", "sent")
    assert [(one["number"], one["outcome"], one["status"]) for one in notice["tries"]] == [(1, "sent", 200)]


async def test_a_silence_is_made_by_whose_project_it_is_and_ended_once(api: httpx.AsyncClient, stand: Stand) -> None:
    wish = {"rule": "of-a", "why": "we know", "for_seconds": 3600}
    assert (await api.post("/alerts/silences", json=wish, headers=ADA)).status_code == 403
    assert (await api.post("/alerts/silences", json={**wish, "project": "a"}, headers=EVE)).status_code == 403
    made = await api.post("/alerts/silences", json={**wish, "project": "a"}, headers=ADA)
    assert (made.status_code, made.json()["made_by"], made.json()["in_force"]) == (201, "ada", True)
    name = made.json()["id"]
    assert (await api.get("/alerts", headers=ADA)).json()["data"][0]["silence"] == name
    assert (await api.get("/alerts/silences", headers=EVE)).json()["data"] == []
    assert (await api.post(f"/alerts/silences/{name}/end", headers=EVE)).status_code == 404
    ended = await api.post(f"/alerts/silences/{name}/end", headers=ADA)
    assert (ended.status_code, ended.json()["in_force"], ended.json()["ended_by"]) == (200, False, "ada")
    again = await api.post(f"/alerts/silences/{name}/end", headers=ADA)
    assert (again.status_code, again.json()["code"]) == (409, "silence_over")
    rows = (await api.get("/audit", params={"kind": "alert"})).json()["data"]
    assert [(row["action"], row["name"], row["who"]) for row in rows] == [
        ("unsilence", name, "ada"),
        ("silence", name, "ada"),
    ]


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"until": "2020-01-01T00:00:00Z"},
        {"until": "tomorrow"},
        {"until": "2099-01-01T00:00:00"},
        {"for_seconds": 60, "until": "2099-01-01T00:00:00Z"},
        {"for_seconds": 0},
    ],
)
async def test_a_silence_without_a_sensible_end_is_refused(api: httpx.AsyncClient, said: dict[str, object]) -> None:
    answer = await api.post("/alerts/silences", json={"why": "x", **said})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"


async def test_a_receiver_is_tried_by_who_may_and_what_became_of_it_is_told(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    assert (await api.post("/alerts/receivers/here/test", headers=ADA)).status_code == 403
    assert (await api.post("/alerts/receivers/nobody/test")).status_code == 404
    made = await api.post("/alerts/receivers/here/test")
    assert (made.status_code, made.json()["state"], made.json()["event"]) == (202, "waiting", "test")
    waiting = await api.post(f"/alerts/notices/{made.json()['id']}/replay")
    assert (waiting.status_code, waiting.json()["code"]) == (409, "notice_waiting")
    stand = Stand(database)
    await stand.sending.send_due()
    assert stand.receiver.events == ["test"]
    again = await api.post(f"/alerts/notices/{made.json()['id']}/replay")
    assert (again.status_code, again.json()["state"]) == (200, "waiting")
    await stand.sending.send_due()
    assert [notice.id for notice in stand.receiver.told] == [made.json()["id"]] * 2
    tries = (await api.get("/alerts/notices")).json()["data"][0]["tries"]
    assert [one["outcome"] for one in tries] == ["sent", "replay", "sent"]


async def test_what_was_told_of_a_foreign_project_is_not_told_again(api: httpx.AsyncClient, stand: Stand) -> None:
    name = (await api.get("/alerts/notices", headers=ADA)).json()["data"][0]["id"]
    assert (await api.post(f"/alerts/notices/{name}/replay", headers=EVE)).status_code == 404
    assert (await api.post(f"/alerts/notices/{name}/replay", headers=ADA)).status_code == 200
    await stand.sending.send_due()
    assert len(stand.receiver.told) == 4


async def test_rules_of_the_database_are_looked_at_beside_those_of_the_file(
    api: httpx.AsyncClient, database: ControlDatabase
) -> None:
    spec = {"project": "a", "measure": "tokens", "above": 10, "where": {"model": "sm*"}, "notify": ["here"]}
    made = await api.post("/alert-rules", json={"name": "mine", "spec": spec}, headers=ADA)
    assert made.status_code == 201, made.text
    assert (await api.get("/alert-rules/mine", headers=EVE)).status_code == 404
    taken = await api.put("/alert-rules/of-file", json={"spec": spec}, headers={"if-match": "*"})
    assert (taken.status_code, taken.json()["code"]) == (409, "owned_by_file")
    stand = Stand(database)
    async with database.read() as connection:
        found = await rules_in_force(Objects(stand.clock), lambda: DECLARED)(connection)
    assert [(one.name, one.project, one.receivers) for one in found] == [("of-file", "", ()), ("mine", "a", ("here",))]
    wheres = [one.measure.where for one in found if isinstance(one.measure, Spans)]
    of_models = Compare(field="kind", value="llm")
    assert wheres == [of_models, Every(filters=(of_models, StartsWith(field="model", prefix="sm")))]
    assert found[1].condition == "tokens of 300 s above 10"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({}, "watches nothing"),
        ({"measure": "calls"}, "is never an alarm"),
        ({"measure": "calls", "above": 1, "notify": ["nobody"]}, "is not declared under 'alerts.receivers'"),
        ({"measure": "calls", "above": 1, "project": "c"}, "is not declared under 'projects'"),
        ({"limit": "none", "above": 0.5}, "is not declared under 'limits'"),
        ({"measure": "calls", "abov": 1}, "abov"),
    ],
)
async def test_a_rule_that_cannot_be_is_refused_with_the_reason(
    api: httpx.AsyncClient, spec: dict[str, object], said: str
) -> None:
    answer = await api.post("/alert-rules", json={"name": "mine", "spec": spec})
    assert answer.status_code == 422
    assert said in answer.text
