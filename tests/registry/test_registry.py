"""Models of the control database: versioned, checked like the file's, moved from stage to stage and back."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

import pytest
from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.database import ControlDatabase
from switchgear.app.registry.service import Move, Registry, entry_of
from switchgear.models.card import ModelCard, Stage
from switchgear.rest.problem import Refused
from tests.registry.stand import AUTHOR, FILE, TODAY, entry, registry

Step = Callable[[AsyncConnection], Coroutine[Any, Any, object]]


async def put(database: ControlDatabase, models: Registry, name: str, **more: object) -> None:
    async with database.write() as connection:
        await models.put(connection, name, entry(**more), AUTHOR)


async def card(database: ControlDatabase, models: Registry, name: str) -> ModelCard:
    async with database.read() as connection:
        return entry_of(await models.find(connection, name)).card


async def refusal(database: ControlDatabase, step: Step) -> Refused:
    with pytest.raises(Refused) as refused:
        async with database.write() as connection:
            await step(connection)
    return refused.value


async def test_every_version_is_kept_and_any_can_be_gone_back_to(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m", card={"owner": "ann"})
    await put(database, models, "m", card={"owner": "ben"})
    async with database.write() as connection:
        stored = await models.revert(connection, "m", 1, AUTHOR)
        versions = await models.history(connection, "m")
    assert (entry_of(stored).card.owner, stored.version) == ("ann", 3)
    assert [(one.version, one.action, one.made_by) for one in versions] == [
        (3, "revert", "ann"),
        (2, "replace", "ann"),
        (1, "create", "ann"),
    ]


async def test_a_deleted_model_can_be_brought_back(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m")
    async with database.write() as connection:
        await models.delete(connection, "m", AUTHOR)
    assert (await refusal(database, lambda connection: models.find(connection, "m"))).status == 404
    async with database.write() as connection:
        assert (await models.revert(connection, "m", 1, AUTHOR)).version == 3
    assert (await refusal(database, lambda connection: models.revert(connection, "m", 2, AUTHOR))).code == (
        "deleted_version"
    )


async def test_what_the_file_declares_is_read_only_here_and_says_so(database: ControlDatabase) -> None:
    models = registry()
    steps: list[Step] = [
        lambda connection: models.put(connection, "house", entry(), AUTHOR),
        lambda connection: models.promote(connection, "house", AUTHOR),
        lambda connection: models.delete(connection, "house", AUTHOR),
        lambda connection: models.history(connection, "house"),
    ]
    for step in steps:
        refused = await refusal(database, step)
        assert (refused.status, refused.code) == (409, "owned_by_file")
        assert "can be changed only there" in refused.message


@pytest.mark.parametrize(
    ("name", "said", "complaint"),
    [
        ("m", {"model": "acme/m"}, "unknown provider 'acme'"),
        ("m", {"model": "house"}, "'house' is an alias"),
        ("m", {"fallbacks": {"any": ["nobody"]}}, "unknown model 'nobody'"),
        ("m", {"card": {"redirect_to": "nobody"}}, "unknown model 'nobody'"),
        ("m", {"aliases": ["home"]}, "the name 'home' is taken"),
        ("home", {}, "the name 'home' is taken"),
        ("sim/m", {}, "would hide a model of the provider 'sim'"),
        ("m", {"card": {"dates": {"production": "2026-02-30"}}}, "no calendar has the day"),
        ("m", {"splits": [{"to": {"house": 50}}]}, "the shares sum to 50"),
        ("m", {"hedging": {}}, "hedging asks a second deployment"),
        ("m", {"splits": [{"to": {"m": 100}, "when": "nonsense ="}]}, "this expression cannot be used"),
    ],
)
async def test_a_model_is_checked_as_if_it_stood_in_the_file(
    database: ControlDatabase, name: str, said: dict[str, object], complaint: str
) -> None:
    models = registry()
    refused = await refusal(database, lambda connection: models.put(connection, name, entry(**said), AUTHOR))
    assert (refused.status, refused.code) == (422, "disagreement")
    assert complaint in refused.message
    async with database.read() as connection:
        assert set(await models.all(connection)) == {"house"}


async def test_a_model_that_others_lead_to_is_not_deleted(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "end")
    await put(database, models, "start", fallbacks={"any": ["end"]})
    refused = await refusal(database, lambda connection: models.delete(connection, "end", AUTHOR))
    assert "in 'start': unknown model 'end'" in refused.message


RETIRED: Mapping[str, object] = {"stage": "retired"}
LEADING: list[dict[str, object]] = [
    {"fallbacks": {"any": ["end"]}},
    {"fallbacks": {"timeout": ["house", "last"]}},
    {"splits": [{"to": {"end": 10, "start": 90}}]},
    {"shadow": {"to": "end"}},
    {"card": {"stage": "deprecated", "redirect_to": "end"}},
]


@pytest.mark.parametrize("leading", LEADING, ids=",".join)
async def test_no_model_leads_to_one_that_is_retired(database: ControlDatabase, leading: dict[str, object]) -> None:
    models = registry()
    await put(database, models, "end", card=RETIRED, aliases=["last"])
    refused = await refusal(database, lambda connection: models.put(connection, "start", entry(**leading), AUTHOR))
    assert (refused.status, refused.code) == (422, "disagreement")
    assert "is retired" in refused.message


async def test_a_model_is_retired_too_when_its_announced_day_has_come(database: ControlDatabase) -> None:
    models = registry()
    ended = {"stage": "deprecated", "dates": {"retired": TODAY}, "redirect_to": "house"}
    await put(database, models, "end", card=ended)
    changed = entry(fallbacks={"any": ["end"]})
    refused = await refusal(database, lambda connection: models.put(connection, "start", changed, AUTHOR))
    assert "the model 'end' is retired; lead to 'house' instead" in refused.message
    await put(database, models, "start", card={"redirect_to": "end"})


@pytest.mark.parametrize("leading", LEADING, ids=",".join)
async def test_a_model_that_others_lead_to_is_not_retired_and_they_are_named(
    database: ControlDatabase, leading: dict[str, object]
) -> None:
    models = registry()
    await put(database, models, "end", card={"stage": "deprecated"}, aliases=["last"])
    await put(database, models, "start", **leading)
    retire = Move(stage="retired")
    refused = await refusal(database, lambda connection: models.move(connection, "end", retire, AUTHOR))
    assert "in 'start': the model" in refused.message
    assert (await card(database, models, "end")).stage == "deprecated"


async def test_a_retired_model_holds_no_other_one_back(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "end", card={"stage": "deprecated"})
    await put(database, models, "start", card={"stage": "retired"}, fallbacks={"any": ["end"]})
    async with database.write() as connection:
        await models.move(connection, "end", Move(stage="retired"), AUTHOR)


async def test_what_the_file_broke_is_mended_model_by_model_and_nothing_else_waits(database: ControlDatabase) -> None:
    before = registry()
    for name in ("a", "b"):
        await put(database, before, name, fallbacks={"any": ["house"]})
    models = registry(structs.replace(FILE, models={}))
    await put(database, models, "other")
    still = entry(fallbacks={"any": ["house"]})
    refused = await refusal(database, lambda connection: models.put(connection, "a", still, AUTHOR))
    assert "in 'a': unknown model 'house'" in refused.message
    await put(database, models, "a")
    await put(database, models, "b")


async def test_models_may_not_lead_to_each_other_in_a_circle(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "a", card={"redirect_to": "house"})
    await put(database, models, "b", card={"redirect_to": "a"})
    changed = entry(card={"redirect_to": "b"})
    refused = await refusal(database, lambda connection: models.put(connection, "a", changed, AUTHOR))
    assert "lead in a circle" in refused.message


async def test_a_reference_to_the_environment_is_text(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m", card={"notes": "costs ${PRICE}"})
    assert (await card(database, models, "m")).notes == "costs ${PRICE}"


async def test_a_model_goes_through_its_stages_and_each_day_is_noted(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m", card={"stage": "experimental", "dates": {"experimental": "2026-01-01"}})
    ends = Move(stage="deprecated", retired="2027-01-31", redirect_to="house")
    async with database.write() as connection:
        await models.promote(connection, "m", AUTHOR)
        await models.promote(connection, "m", AUTHOR)
        await models.move(connection, "m", ends, AUTHOR)
    found = await card(database, models, "m")
    assert (found.stage, found.redirect_to) == ("deprecated", "house")
    dates = found.dates
    assert (dates.experimental, dates.staging, dates.production) == ("2026-01-01", TODAY, TODAY)
    assert (dates.deprecated, dates.retired) == (TODAY, "2027-01-31")
    async with database.write() as connection:
        await models.move(connection, "m", Move(stage="retired"), AUTHOR)
    assert (await card(database, models, "m")).dates.retired == TODAY


async def test_a_deprecation_that_is_taken_back_leaves_no_days(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m")
    async with database.write() as connection:
        await models.move(connection, "m", Move(stage="deprecated", retired="2027-01-31"), AUTHOR)
        await models.move(connection, "m", Move(stage="production"), AUTHOR)
    dates = (await card(database, models, "m")).dates
    assert (dates.production, dates.deprecated, dates.retired) == (TODAY, None, None)


@pytest.mark.parametrize(
    ("before", "after"),
    [("production", "retired"), ("retired", "production"), ("production", "experimental"), ("staging", "deprecated")],
)
async def test_no_stage_is_skipped_whichever_way_it_is_tried(
    database: ControlDatabase, before: Stage, after: Stage
) -> None:
    models = registry()
    await put(database, models, "m", card={"stage": after})
    async with database.write() as connection:
        await models.delete(connection, "m", AUTHOR)
    await put(database, models, "m", card={"stage": before})
    changed = entry(card={"stage": after})
    steps: list[Step] = [
        lambda connection: models.move(connection, "m", Move(stage=after), AUTHOR),
        lambda connection: models.put(connection, "m", changed, AUTHOR),
        lambda connection: models.revert(connection, "m", 1, AUTHOR),
    ]
    for step in steps:
        refused = await refusal(database, step)
        assert (refused.status, refused.code) == (409, "illegal_stage")


async def test_what_is_in_production_is_promoted_no_further(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m")
    assert (await refusal(database, lambda connection: models.promote(connection, "m", AUTHOR))).code == "illegal_stage"


async def test_of_many_who_move_a_model_at_once_each_sees_what_the_one_before_did(database: ControlDatabase) -> None:
    models = registry()
    await put(database, models, "m", card={"stage": "experimental"})

    async def promote() -> str:
        try:
            async with database.write() as connection:
                return entry_of(await models.promote(connection, "m", AUTHOR)).card.stage
        except Refused as refused:
            return refused.code

    outcomes = await asyncio.gather(*(promote() for _ in range(8)))
    assert sorted(outcomes) == ["illegal_stage"] * 6 + ["production", "staging"]
    async with database.read() as connection:
        versions = await models.history(connection, "m")
    assert [one.version for one in versions] == [3, 2, 1]


async def test_many_models_are_kept(database: ControlDatabase) -> None:
    models = registry()
    async with database.write() as connection:
        for number in range(20):
            await models.put(connection, f"m{number}", entry(), AUTHOR)
        assert len(await models.all(connection)) == 21
