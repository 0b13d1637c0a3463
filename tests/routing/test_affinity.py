"""Conversations stay where their prompt cache is warm, until they cannot."""

from collections import Counter
from collections.abc import Sequence

import pytest

from switchgear.routing.affinity import Bindings
from switchgear.routing.deployment import Deployment, Terms
from tests.routing.lanes import refuses
from tests.routing.scripted import deployed
from tests.routing.stand import Stand, deployments
from tests.routing.test_route_table import connected

EIGHT = [f"p{number}/m" for number in range(8)]


def some_deployments(*weights: float) -> list[Deployment]:
    return [deployed(connected(), f"d{number}", Terms(weight=weight)) for number, weight in enumerate(weights)]


def conversations(count: int) -> list[bytes]:
    return [number.to_bytes(8, "big") for number in range(count)]


def eight(affinity: str) -> Stand:
    return Stand({"fast": {**deployments(*EIGHT), "affinity": affinity}}, {"retries": {"base_seconds": 0}})


async def turns(stand: Stand, session: str, count: int) -> list[str]:
    """Where each turn of a growing conversation was answered."""
    found: list[str] = []
    messages: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}]
    for number in range(count):
        messages.append({"role": "user", "content": f"{session} asks {number}"})
        done = await stand.answer(stand.call(messages=messages, headers=named(stand, session)))
        assert done.status == 200
        found.append(done.attempts[-1].deployment)
        messages.append({"role": "assistant", "content": f"answer {number}"})
    return found


def named(stand: Stand, session: str) -> dict[str, str]:
    by_session = stand.table().find("fast").policy.affinity == "session"
    return {"x-switchgear-session": session} if by_session else {}


@pytest.mark.parametrize("affinity", ["session", "prompt"])
def test_a_thousand_sessions_on_eight_deployments_stay_and_move_once_when_theirs_fails(affinity: str) -> None:
    stand = eight(affinity)

    async def scene() -> None:
        stayed = total = moved_twice = 0
        before: dict[str, str] = {}
        for number in range(1000):
            where = await turns(stand, f"s{number}", 3)
            before[f"s{number}"] = where[0]
            stayed += sum(each == where[0] for each in where)
            total += len(where)
        assert stayed >= 0.95 * total
        shares = Counter(before.values())
        assert len(shares) == 8
        assert max(shares.values()) < 1.35 * 125

        stand.lane("p0").always = refuses(500)
        for session, where in before.items():
            after = await turns(stand, session, 3)
            if where != "p0/m":
                assert after == [where] * 3
            moved_twice += len(set(after)) > 1
            assert "p0/m" not in after
        assert moved_twice == 0

    stand.play(scene())


def test_a_conversation_that_had_to_move_stays_where_it_went() -> None:
    stand = eight("session")
    headers = {"x-session-id": "s1"}
    home = stand.ask(headers=headers).attempts[0].deployment
    stand.lane(home.partition("/")[0]).answers(refuses(500))
    moved = stand.ask(headers=headers)
    assert [attempt.deployment == home for attempt in moved.attempts] == [True, False]
    away = moved.attempts[1].deployment
    assert [stand.ask(headers=headers).attempts[0].deployment for _ in range(5)] == [away] * 5


def test_every_gateway_has_the_same_order() -> None:
    def homes(candidates: Sequence[Deployment]) -> list[str]:
        bindings = Bindings()
        return [bindings.pick("fast", key, candidates, 0).model for key in conversations(200)]

    candidates = some_deployments(1, 2, 3)
    assert homes(candidates) == homes(some_deployments(1, 2, 3)[::-1])


def test_a_deployment_that_leaves_takes_only_its_own_conversations_along() -> None:
    candidates = some_deployments(1, 1, 1, 1)
    bindings = Bindings()
    for key in conversations(400):
        home = bindings.pick("fast", key, candidates, 0)
        without = bindings.pick("fast", key, candidates[1:], 0)
        assert without is home or home is candidates[0]


def test_weights_are_shares_of_the_conversations() -> None:
    bindings = Bindings()
    candidates = some_deployments(1, 2, 5)
    found = Counter(bindings.pick("fast", key, candidates, 0).model for key in conversations(4000))
    assert [found[f"d{number}"] / 4000 for number in range(3)] == pytest.approx([0.125, 0.25, 0.625], abs=0.03)


def test_one_that_has_more_than_its_share_in_flight_is_passed_over() -> None:
    candidates = some_deployments(1, 1, 1, 1)
    bindings = Bindings()
    key = conversations(1)[0]
    home = bindings.pick("fast", key, candidates, 0)
    for each in candidates:
        for _ in range(8):
            each.health.gate.take()
    for _ in range(3):
        home.health.gate.take()
        assert bindings.pick("fast", key, candidates, 0) is home
    home.health.gate.take()
    assert bindings.pick("fast", key, candidates, 0) is not home


def test_the_share_of_a_heavy_one_is_larger() -> None:
    candidates = some_deployments(9, 1)
    bindings = Bindings()
    placed: Counter[str] = Counter()
    for key in conversations(1000):
        chosen = bindings.pick("fast", key, candidates, 0)
        chosen.health.gate.take()
        placed[chosen.model] += 1
    assert placed["d0"] / 1000 == pytest.approx(0.9, abs=0.03)


def test_the_oldest_bindings_are_forgotten() -> None:
    bindings = Bindings()
    first, second = some_deployments(1, 1)
    keys = conversations(65_536)
    key = next(key for key in keys if bindings.pick("fast", key, (first, second), 0) is first)
    bindings.bind("fast", key, second)
    assert bindings.pick("fast", key, (first, second), 0) is second
    for other in keys:
        if other != key:
            bindings.bind("fast", other, second)
    assert bindings.pick("fast", key, (first, second), 0) is second
    bindings.bind("fast", b"one more", second)
    assert bindings.pick("fast", key, (first, second), 0) is first


def test_a_request_that_has_no_canonical_form_is_sent_all_the_same() -> None:
    stand = eight("prompt")
    assert stand.ask(messages=[{"role": "user", "content": [{"type": "hologram"}]}]).status == 200


def test_what_follows_the_first_answer_does_not_matter_and_what_stands_before_it_does() -> None:
    stand = eight("prompt")

    def home(*messages: tuple[str, str]) -> str:
        said = [{"role": role, "content": content} for role, content in messages]
        return stand.ask(messages=said).attempts[0].deployment

    openings = [(("system", f"Be {number}."), ("user", "Hi")) for number in range(12)]
    homes = [home(*opening) for opening in openings]
    assert len(set(homes)) > 3
    assert homes == [home(*opening, ("assistant", "Yes"), ("user", "And?")) for opening in openings]
