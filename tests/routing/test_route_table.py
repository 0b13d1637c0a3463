"""Model names: aliases, provider/model, and names that are neither."""

from collections import Counter
from collections.abc import Mapping
from typing import cast

import pytest

from switchgear.kernel.dialect import Dialect
from switchgear.kernel.errors import ModelNotFound
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import (
    Origin,
    Provider,
    Quirks,
    Target,
    Timers,
    Transport,
    UpstreamReply,
)
from switchgear.routing.balance import weighted
from switchgear.routing.deployment import Connected, Deployment, Terms
from switchgear.routing.model import MAX_CACHED_NAMES, RouteTable, alias, close_names
from switchgear.wire.anthropic import Anthropic
from switchgear.wire.embeddings import OpenAIEmbeddings
from switchgear.wire.openai_chat import OpenAIChat
from tests.routing.scripted import deployed


class Vendor:
    name = "acme"
    quirks = Quirks()
    forwards = False

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        if operation != "chat":
            return None
        origin = Origin(scheme="http", host="acme.example", port=80)
        return Target(origin=origin, method="POST", path="/v1", headers=(), dialect="openai_chat")

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[tuple[str, str], ...]:
        return ()


class NoTransport:
    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        raise AssertionError("nothing is sent in these tests")

    async def aclose(self) -> None: ...


def speak(name: str, provider: Provider) -> Dialect:
    return OpenAIChat()


def connected(transport: Transport | None = None) -> Connected:
    return Connected(provider=Vendor(), transport=transport or NoTransport(), dialects=speak)


def table(*aliases: str) -> RouteTable:
    made = {name: alias(name, [deployed(connected(), "m")]) for name in aliases}
    return RouteTable(made, {"acme": (connected(),)}, listed=["acme/known"], deploy=deployed)


def first(routes: RouteTable, name: str) -> Deployment:
    return routes.find(name).deployments[0]


def test_an_alias_finds_its_deployments() -> None:
    assert first(table("fast"), "fast").name == "acme/m"


def test_provider_slash_model_always_names_a_model_of_a_provider() -> None:
    assert first(table(), "acme/some/deep:name").model == "some/deep:name"


def test_an_unknown_model_is_told_its_close_matches() -> None:
    with pytest.raises(ModelNotFound, match="did you mean 'fastest'"):
        table("fastest", "slow").find("fastes")


@pytest.mark.parametrize("name", ["acme/", "/m", "nobody/m", "acme/a\r\nx: y", "acme/é", "acme/" + "x" * 300])
def test_what_cannot_be_a_name_is_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound):
        table().find(name)


def test_names_made_up_by_clients_stay_bounded() -> None:
    routes = table()
    for number in range(MAX_CACHED_NAMES + 10):
        routes.find(f"acme/{number}")
    assert first(routes, "acme/0").model == "0"


def test_what_is_listed_holds_aliases_first_and_nothing_twice() -> None:
    made = {"acme/known": alias("acme/known", [deployed(connected(), "known")])}
    assert RouteTable(made, {}, listed=["acme/known", "b"], deploy=deployed).listed == ("acme/known", "b")


def test_weights_are_chances() -> None:
    heavy = deployed(connected(), "heavy", Terms(weight=3))
    light = deployed(connected(), "light")
    marks = iter(range(400))
    drawn = Counter(weighted((heavy, light), 0, lambda bits: (next(marks) << bits) // 400).model for _ in range(400))
    assert drawn == {"heavy": 300, "light": 100}


def test_a_single_deployment_needs_no_draw() -> None:
    only = deployed(connected(), "only")
    assert weighted((only,), 0, seeded_bits()) is only


def test_plans_are_made_once_and_say_when_an_operation_is_not_offered() -> None:
    deployment = deployed(connected(), "m")
    plan = deployment.plan("chat", Anthropic())
    assert plan is not None
    assert not plan.same_dialect
    assert deployment.plan("chat", Anthropic()) is plan
    assert deployment.plan("embeddings", cast("Dialect", OpenAIEmbeddings())) is None


def test_close_names_look_at_a_bounded_number() -> None:
    assert close_names("gpt-4o-mni", ["gpt-4o-mini", "claude"]) == ["gpt-4o-mini"]
    assert close_names("zzz", [f"model-{number}" for number in range(100_000)]) == []
