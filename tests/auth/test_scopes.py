"""What a key may do: from where, through which door, until when, and for whom."""

from typing import get_args

import pytest

from switchgear.app.keys import ring_of
from switchgear.auth.model import KeyRing
from switchgear.auth.stage import Authenticate
from switchgear.config import parse
from switchgear.config.identity import Door, moment_ns
from switchgear.kernel.call import Call, Caller, Head, Snapshot
from switchgear.kernel.errors import Forbidden, Unauthenticated
from switchgear.kernel.reply import Reply
from switchgear.wire.openai_chat import OpenAIChat
from tests.doors.house import running

KEY = "sk-sg-0123456789abcdef"
PEOPLE = """
providers: {sim: {kind: simulator}}
organisations: {acme: {}, closed: {disabled: true}}
projects: {bots: {organisation: acme}, gone: {disabled: true}}
teams: {support: {project: bots}, research: {}, left: {project: gone}, idle: {disabled: true}}
users: {ada: {teams: [support]}, bob: {teams: [support, research]}, eve: {disabled: true}}
service_accounts: {crawler: {team: support}, loner: {project: bots}, off: {disabled: true}}
server: {trusted_proxies: [10.0.0.0/8]}
"""
SUMMER = "2027-07-01T00:00:00Z"


def ring(key: str) -> KeyRing:
    return ring_of(parse(f"{PEOPLE}keys: [{{name: bot, key: {KEY}, {key}}}]\n", "file", {}))


async def admitted(
    keys: KeyRing, *, key: str = KEY, peer: str = "203.0.113.7", now_ns: int = 0, sent: str = ""
) -> Caller:
    headers = {b"authorization": f"Bearer {key}".encode()}
    if sent:
        headers[b"x-forwarded-for"] = sent.encode()
    call = Call(
        id="0" * 32,
        door="openai",
        operation="chat",
        dialect=OpenAIChat(),
        body=b"{}",
        head=Head(model="fast"),
        headers=headers,
        snapshot=Snapshot("v", {KeyRing: keys}),
        started_wall_ns=now_ns,
        started_monotonic_ns=0,
        loopback=False,
        peer=peer,
    )
    callers: list[Caller | None] = []

    async def last(passed: Call) -> Reply:
        callers.append(passed.caller)
        return Reply(200, [], b"")

    await Authenticate()(call, last)
    assert callers[0] is not None
    return callers[0]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("user: ada", ("ada", "support", "bots", "acme")),
        ("user: bob, team: support", ("bob", "support", "bots", "acme")),
        ("user: bob, team: research, project: bots", ("bob", "research", "bots", "acme")),
        ("service_account: crawler", ("crawler", "support", "bots", "acme")),
        ("service_account: loner", ("loner", "", "bots", "acme")),
        ("service_account: loner, team: support", ("loner", "support", "bots", "acme")),
        ("team: support", ("", "support", "bots", "acme")),
        ("project: bots", ("", "", "bots", "acme")),
        ("organisation: acme", ("", "", "", "acme")),
    ],
)
async def test_a_caller_belongs_to_what_the_key_s_owner_belongs_to(key: str, expected: tuple[str, ...]) -> None:
    caller = await admitted(ring(f"{key}, tags: [nightly, batch]"))
    assert (caller.user, caller.team, caller.project, caller.organisation) == expected
    assert caller.tags == ("nightly", "batch")


@pytest.mark.parametrize(
    "key",
    ["user: eve", "service_account: off", "team: idle", "team: left", "project: gone", "organisation: closed"],
)
async def test_a_key_is_refused_with_whatever_it_belongs_to(key: str) -> None:
    with pytest.raises(Unauthenticated):
        await admitted(ring(key))


async def test_a_key_ends_at_its_moment_and_is_then_like_an_unknown_one() -> None:
    keys = ring(f"expires_at: {SUMMER}")
    summer_ns = moment_ns(SUMMER)
    assert (await admitted(keys, now_ns=summer_ns - 1)).key == "bot"
    with pytest.raises(Unauthenticated) as ended:
        await admitted(keys, now_ns=summer_ns)
    with pytest.raises(Unauthenticated) as unknown:
        await admitted(keys, key="sk-sg-another-key-altogether")
    assert ended.value.message == unknown.value.message


async def test_a_key_may_be_used_through_its_doors_only() -> None:
    assert (await admitted(ring("doors: [anthropic, openai]"))).key == "bot"
    with pytest.raises(Forbidden, match="key 'bot' may not use the door 'openai'; it may use anthropic"):
        await admitted(ring("doors: [anthropic]"))


async def test_a_key_may_be_used_from_its_addresses_only() -> None:
    keys = ring("ip_ranges: [203.0.113.0/24, '2001:db8::/32']")
    assert (await admitted(keys)).key == "bot"
    assert (await admitted(keys, peer="2001:db8::7")).key == "bot"
    for peer in ("198.51.100.1", "2001:db9::1", ""):
        with pytest.raises(Forbidden, match="key 'bot' may not be used from"):
            await admitted(keys, peer=peer)


async def test_behind_a_trusted_proxy_the_client_s_address_counts() -> None:
    keys = ring("ip_ranges: [203.0.113.0/24]")
    assert (await admitted(keys, peer="10.0.0.2", sent="203.0.113.9")).key == "bot"
    with pytest.raises(Forbidden):
        await admitted(keys, peer="10.0.0.2", sent="203.0.113.9, 198.51.100.1")
    with pytest.raises(Forbidden):
        await admitted(keys, peer="198.51.100.1", sent="203.0.113.9")


async def test_no_scope_is_told_to_who_has_no_key() -> None:
    with pytest.raises(Unauthenticated):
        await admitted(ring("ip_ranges: [192.0.2.1], doors: [gemini], disabled: true"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1970-01-02", 86_400), ("1970-01-01T01:00:00+01:00", 0), ("1970-01-01T00:00:01Z", 1)],
)
def test_a_moment_is_a_day_or_a_time_with_its_offset(text: str, seconds: int) -> None:
    assert moment_ns(text) == seconds * 1_000_000_000


async def test_the_doors_that_a_key_can_name_are_those_there_are() -> None:
    async with running() as here:
        of_the_control_process = {"traces", "traces_delete", "traces_read"}
        doors = {endpoint.door for endpoint in here.server.gateway.endpoints}
        assert doors | of_the_control_process == set(get_args(Door))
