"""Shares of a name's calls for other names."""

from collections import Counter

import pytest
from msgspec import Raw

from switchgear.kernel.call import Caller
from tests.routing.stand import Declared, Stand, deployments

NAMES: Declared = {name: deployments(f"{name}/m") for name in ("old", "new", "other")}


def split(*entries: Declared) -> Stand:
    return Stand({"fast": {**deployments("home/m"), "splits": list(entries)}, **NAMES})


def shares(stand: Stand, count: int = 2000, **asked: object) -> dict[str, float]:
    """Where the calls of so many users went."""

    async def scene() -> Counter[str]:
        found: Counter[str] = Counter()
        for number in range(count):
            done = await stand.answer(stand.call(**{"user": f"u{number}", **asked}))
            found[done.attempts[0].provider] += 1
        return found

    return {name: number / count for name, number in stand.play(scene()).items()}


def to(stand: Stand, **asked: object) -> str:
    """Where one call goes."""
    return stand.ask(**asked).attempts[0].provider


@pytest.mark.parametrize("sticky", ["none", "user"])
def test_calls_are_shared_as_declared(sticky: str) -> None:
    stand = split({"to": {"old": 70, "new": 25, "fast": 5}, "sticky": sticky})
    assert shares(stand) == pytest.approx({"old": 0.7, "new": 0.25, "home": 0.05}, abs=0.03)


def test_without_a_name_to_stick_to_a_call_is_drawn_all_the_same() -> None:
    stand = split({"to": {"old": 50, "new": 50}, "sticky": "session"})
    assert shares(stand) == pytest.approx({"old": 0.5, "new": 0.5}, abs=0.04)


@pytest.mark.parametrize("sticky", ["user", "session"])
def test_the_same_user_or_session_goes_to_the_same_place_at_every_gateway(sticky: str) -> None:
    def places(stand: Stand) -> list[set[str]]:
        who = [f"x{number}" for number in range(20)]
        return [{to(stand, user=each, headers={"x-session-id": each}) for _ in range(5)} for each in who]

    entry = {"to": {"old": 50, "new": 50}, "sticky": sticky}
    first = places(split(entry))
    assert all(len(each) == 1 for each in first)
    assert {"old", "new"} == set().union(*first)
    assert first == places(split(entry))


def test_who_gets_the_new_one_of_one_name_is_not_who_gets_it_of_another() -> None:
    entry = {"to": {"old": 50, "new": 50}, "sticky": "user"}
    models = {name: {**deployments("home/m"), "splits": [entry]} for name in ("fast", "slow")}
    stand = Stand({**models, **NAMES})
    users = [f"u{number}" for number in range(40)]
    differ = [stand.ask("fast", user=user).attempts[0].provider != stand.ask("slow", user=user).attempts[0].provider
              for user in users]  # fmt: skip
    assert 8 < sum(differ) < 32


def test_the_first_entry_that_fits_decides() -> None:
    stand = split(
        {"to": {"old": 100}, "when": 'user == "ann"'},
        {"to": {"new": 100}, "when": 'user like "a*"'},
        {"to": {"other": 100}, "when": "stream"},
    )
    assert to(stand, user="ann") == "old"
    assert to(stand, user="abe", stream=True) == "new"
    assert to(stand, user="bob", stream=True) == "other"
    assert to(stand, user="bob") == "home"


@pytest.mark.parametrize(
    ("when", "fits", "other"),
    [
        ('metadata("team") == "red"', {"metadata": {"team": "red"}}, {"metadata": {"team": "blue"}}),
        ('metadata("tier") == "2"', {"metadata": {"tier": 2}}, {"metadata": {"tier": "two"}}),
        ('metadata("new") == "true"', {"metadata": {"new": True}}, {"metadata": {"new": False}}),
        ('metadata("team") == ""', {"metadata": {"team": None}}, {"metadata": {"team": "red"}}),
        ('header("x-beta") == "1"', {"headers": {"x-beta": "1"}}, {"headers": {"x-beta": "0"}}),
        ('"qa" in tags', {"headers": {"x-switchgear-tags": "dev, qa"}}, {"headers": {"x-switchgear-tags": "qadev"}}),
        ('session == "s"', {"headers": {"x-session-id": "s"}}, {}),
        ('key == "ci"', {"caller": Caller(key="ci")}, {"caller": Caller(key="web")}),
        ('door == "anthropic"', {"dialect": "anthropic"}, {}),
        ("tools", {"tools": []}, {}),
        ('model == "fast"', {}, {"model": "old"}),
    ],
)
def test_what_a_call_can_be_told_by(when: str, fits: dict[str, object], other: dict[str, object]) -> None:
    stand = split({"to": {"new": 100}, "when": when})
    assert to(stand, **fits) == "new"
    assert to(stand, **other) != "new"


@pytest.mark.parametrize("metadata", ["text", 5, [], [["team", "red"]], {"team": None}, {"team": {"red": 1}}, {}])
def test_metadata_that_is_not_as_expected_does_not_fit_and_harms_nobody(metadata: object) -> None:
    stand = split({"to": {"new": 100}, "when": 'metadata("team") == "red"'})
    assert to(stand, metadata=metadata) == "home"


def test_metadata_nested_too_deeply_does_not_fit_either() -> None:
    stand = split({"to": {"new": 100}, "when": 'metadata("team") == "red"'})
    call = stand.call(metadata={})
    call.head.metadata = Raw(b'{"team":' + b"[" * 50_000 + b"]" * 50_000 + b"}")
    assert stand.play(stand.answer(call)).attempts[0].provider == "home"


def test_a_split_leads_on_to_the_splits_of_the_name_it_chose_and_never_back() -> None:
    stand = Stand({
        "fast": {**deployments("home/m"), "splits": [{"to": {"next": 100}}]},
        "next": {**deployments("next/m"), "splits": [{"to": {"fast": 100}}]},
    })  # fmt: skip
    assert to(stand) == "next"
    assert to(stand, model="next") == "home"


def test_a_long_chain_of_splits_ends() -> None:
    models = {f"n{number}": {**deployments(f"p{number}/m"), "splits": [{"to": {f"n{number + 1}": 100}}]}
              for number in range(20)}  # fmt: skip
    assert to(Stand({**models, "n20": deployments("p20/m")}), model="n0") == "p8"


def test_the_policy_of_the_name_that_was_chosen_holds() -> None:
    stand = Stand({
        "fast": {**deployments("home/m"), "splits": [{"to": {"old": 100}}], "total_seconds": 5},
        "old": {**deployments("old/m"), "total_seconds": 50},
    })  # fmt: skip
    assert to(stand) == "old"
    assert stand.lane("old").asked[0].timers.total_seconds == 50
