"""Roles: what is allowed where, and what no role can allow again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from switchgear.auth.roles import BUILT_IN, LOCAL_OPERATOR, Grant, Member, Role
from switchgear.rest.principal import EVERYWHERE, Place
from switchgear.rest.route import ACTIONS

PERMISSIONS = st.sampled_from([f"{resource}:{action}" for resource in ("model", "key", "audit") for action in ACTIONS])
PATTERNS = st.sampled_from(["*:*", "*:read", "model:*", "key:read", "key:write", "audit:*"])
ROLES = st.builds(Role, allow=st.lists(PATTERNS).map(tuple), deny=st.lists(PATTERNS).map(tuple))
PLACES = st.sampled_from([EVERYWHERE, Place(project="a"), Place(project="b"), Place(team="t")])
GRANTS = st.lists(st.builds(Grant, role=ROLES, place=PLACES)).map(tuple)


def member(*grants: Grant) -> Member:
    return Member(kind="user", name="ada", grants=grants)


def allowed(role: str, permission: str) -> bool:
    return member(Grant(role=BUILT_IN[role])).may(permission, EVERYWHERE)


@pytest.mark.parametrize(
    ("permission", "who"),
    [
        ("model:read", {"owner", "admin", "engineer", "analyst", "viewer"}),
        ("model:write", {"owner", "admin", "engineer"}),
        ("key:rotate", {"owner", "admin", "engineer"}),
        ("binding:write", {"owner", "admin"}),
        ("user:delete", {"owner", "admin"}),
        ("ledger:export", {"owner", "admin", "analyst"}),
        ("audit:read", {"owner", "admin", "engineer", "analyst"}),
    ],
)
def test_built_in_roles_are_what_their_names_say(permission: str, who: set[str]) -> None:
    assert {role for role in BUILT_IN if allowed(role, permission)} == who


def test_somebody_without_a_role_may_do_nothing() -> None:
    assert not member().may("model:read", EVERYWHERE)
    assert member().places("model:read") == ()


def test_a_role_holds_in_its_place_alone() -> None:
    here = member(Grant(role=BUILT_IN["admin"], place=Place(project="a")))
    assert here.may("key:write", Place(project="a", team="t"))
    assert not here.may("key:write", Place(project="b"))
    assert not here.may("key:write", EVERYWHERE)
    team = member(Grant(role=BUILT_IN["admin"], place=Place(team="t")))
    assert team.may("key:write", Place(project="a", team="t"))
    assert not team.may("key:write", Place(project="a"))


def test_a_role_in_an_organisation_holds_in_its_projects() -> None:
    boss = member(Grant(role=BUILT_IN["admin"], place=Place(organisation="acme"), projects=frozenset(("a",))))
    assert boss.may("key:write", Place(organisation="acme"))
    assert boss.may("key:write", Place(project="a"))
    assert not boss.may("key:write", Place(project="b"))
    assert boss.places("key:write") == (Place(organisation="acme"), Place(project="a"))


@given(GRANTS, ROLES, PERMISSIONS, PLACES)
def test_what_is_denied_no_other_role_allows(
    grants: tuple[Grant, ...], denying: Role, asked: str, place: Place
) -> None:
    denial = Grant(role=Role(allow=denying.allow, deny=(asked,)))
    assert not member(*grants, denial).may(asked, place)


@given(GRANTS, GRANTS, PERMISSIONS, PLACES)
def test_more_roles_without_exceptions_never_take_anything_away(
    grants: tuple[Grant, ...], more: tuple[Grant, ...], asked: str, place: Place
) -> None:
    added = tuple(Grant(role=Role(allow=grant.role.allow), place=grant.place) for grant in more)
    assert member(*grants, *added).may(asked, place) >= member(*grants).may(asked, place)


@given(GRANTS, PERMISSIONS, PLACES)
def test_wherever_something_may_be_done_a_list_looks(grants: tuple[Grant, ...], asked: str, place: Place) -> None:
    """What :meth:`places` leaves out is never allowed: a list that looks there only misses nothing."""
    somebody = member(*grants)
    if somebody.may(asked, place):
        places = somebody.places(asked)
        assert any(Grant(role=Role(), place=each).covers(place) for each in places)


@given(GRANTS, ROLES, PERMISSIONS)
def test_nobody_who_has_all_of_a_role_lacks_one_of_its_permissions(
    grants: tuple[Grant, ...], role: Role, asked: str
) -> None:
    somebody = member(*grants)
    if somebody.has_all_of(role, EVERYWHERE) and member(Grant(role=role)).may(asked, EVERYWHERE):
        assert somebody.may(asked, EVERYWHERE)


def test_an_admin_has_not_all_of_an_owner() -> None:
    assert not member(Grant(role=BUILT_IN["admin"])).has_all_of(BUILT_IN["owner"], EVERYWHERE)
    assert LOCAL_OPERATOR.has_all_of(BUILT_IN["owner"], EVERYWHERE)
