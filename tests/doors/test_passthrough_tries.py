"""When a call that is passed through is made again, when it is not, and what the deployment's health learns."""

import asyncio
import socket
from collections.abc import Awaitable, Callable, Sequence

import pytest

from switchgear.config.model import ProviderEntry
from switchgear.config.routing import BreakerEntry, DeploymentEntry, ModelEntry, RetriesEntry, RoutingEntry
from switchgear.testing.scripted_upstream import Peer, ScriptedUpstream
from tests.doors.house import KEY, House, running
from tests.doors.vendors import FORM, form, vendor

THRICE = RoutingEntry(
    retries=RetriesEntry(attempts=3, base_seconds=0.001, max_seconds=0.01),
    breaker=BreakerEntry(consecutive_failures=2, open_seconds=60),
)
OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
BUSY = b"HTTP/1.1 503 X\r\ncontent-length: 28\r\n\r\n" + b'{"error":{"message":"busy"}}'
LIMITED = BUSY.replace(b"503 X", b"429 X\r\nretry-after: 0")
LATER = BUSY.replace(b"503 X", b"429 X\r\nretry-after: 600")
WRONG = BUSY.replace(b"503", b"404")
NOTHING = b""


class Saying:
    """An upstream that gives these answers, one to a connection, then the last for ever."""

    def __init__(self, answers: Sequence[bytes]) -> None:
        self.heads: list[bytes] = []
        self._answers = list(answers)

    async def __call__(self, peer: Peer) -> None:
        self.heads.append((await peer.request())[0])
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if answer:
            await peer.send(answer)


@pytest.mark.parametrize(
    ("method", "answers", "status", "made"),
    [
        ("GET", (BUSY, NOTHING, OK), 200, 3),
        ("GET", (LIMITED, OK), 200, 2),
        ("HEAD", (NOTHING, OK), 200, 2),
        ("DELETE", (BUSY, OK), 200, 2),
        ("GET", (BUSY,), 503, 3),
        ("GET", (NOTHING,), 502, 3),
        ("GET", (LATER, OK), 429, 1),
        ("GET", (WRONG, OK), 404, 1),
        ("POST", (BUSY, OK), 503, 1),
        ("POST", (NOTHING, OK), 502, 1),
        ("PATCH", (NOTHING, OK), 502, 1),
    ],
)
async def test_what_may_be_made_twice_is_made_again_and_nothing_else(
    method: str, answers: Sequence[bytes], status: int, made: int
) -> None:
    said = Saying(answers)
    async with ScriptedUpstream(said) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        got, headers, _ = await house.ask(method, "/passthrough/vendor/things/1")
    assert (got, len(said.heads)) == (status, made)
    (record,) = house.journal.records
    assert [attempt.why for attempt in record.attempts] == ["", "retry", "retry"][:made]
    assert [attempt.outcome for attempt in record.attempts[:-1]] == ["failed"] * (made - 1)
    assert record.outcome == ("ok" if status == 200 else "failed")
    if made > 1:
        assert headers["x-switchgear-attempts"] == str(made)
    if made > 1 and status != 200:
        assert headers["x-should-retry"] == "false"


async def test_an_idempotency_key_makes_a_post_repeatable() -> None:
    said = Saying((BUSY, OK))
    async with ScriptedUpstream(said) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        status, *_ = await house.post("/v1/batches", {"input_file_id": "f"}, idempotency_key="abc")
    assert status == 200
    assert [b"idempotency-key: abc\r\n" in head for head in said.heads] == [True, True]


async def test_the_callers_own_number_of_tries_counts() -> None:
    said = Saying((BUSY,))
    async with ScriptedUpstream(said) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        await house.ask("GET", "/v1/files", x_switchgear_retries="0")
    assert len(said.heads) == 1


async def test_second_tries_come_out_of_the_providers_budget() -> None:
    said = Saying((BUSY,))
    async with ScriptedUpstream(said) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        for _ in range(20):
            await house.ask("GET", "/v1/files")
    # A reserve of ten, and up to a fifth of the calls.
    assert 20 + 10 < len(said.heads) <= 20 + 10 + 4


class Stale:
    """An upstream that answers once, and lets that connection go when the next request has begun on it."""

    def __init__(self) -> None:
        self.connections = 0
        self.again = asyncio.Event()
        self.bodies: list[bytes] = []

    async def __call__(self, peer: Peer) -> None:
        self.connections += 1
        if self.connections == 1:
            await peer.request()
            await peer.send(OK)
            await peer.until(b"\r\n\r\n")
            return
        head = await peer.until(b"\r\n\r\n")
        self.again.set()
        self.bodies.append(await peer.exactly(int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])))
        await peer.send(OK)


async def upload(house: House, body: bytes, when: Callable[[], Awaitable[object]]) -> bytes:
    """The answer to an upload of which the body comes later than the head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = f"POST /passthrough/vendor/files HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {KEY}\r\n"
    writer.write(f"{head}connection: close\r\ncontent-type: a/b\r\ncontent-length: {len(body)}\r\n\r\n".encode())
    await asyncio.wait_for(when(), 5)
    writer.write(body)
    answer = await asyncio.wait_for(reader.read(), 5)
    writer.close()
    return answer


async def test_an_upload_of_which_nothing_was_sent_survives_a_connection_that_had_grown_stale() -> None:
    stale = Stale()
    async with ScriptedUpstream(stale) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        await house.ask("GET", "/v1/files")
        assert (await upload(house, b"all of it", stale.again.wait)).startswith(b"HTTP/1.1 200 ")
    assert stale.bodies == [b"all of it"]
    assert [attempt.outcome for attempt in house.journal.records[-1].attempts] == ["failed", "ok"]


async def test_an_upload_that_has_begun_is_never_sent_twice() -> None:
    stale = Stale()
    body = form(("purpose", "batch"))
    async with ScriptedUpstream(stale) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        await house.ask("GET", "/v1/files")
        status, *_ = await house.post("/v1/files", body, **FORM)
        assert status == 502
    assert (stale.connections, stale.bodies) == (1, [])
    (attempt,) = house.journal.records[-1].attempts
    assert (attempt.cause, attempt.outcome) == ("unanswered", "failed")


async def test_an_upload_survives_an_upstream_that_could_not_be_reached_at_first() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    entries = {"vendor": ProviderEntry(kind="openai_compatible", base_url=f"http://127.0.0.1:{port}/v1")}
    async with running(providers=entries, routing=THRICE) as house:
        status, *_ = await house.post("/v1/files", form(("purpose", "batch")), **FORM)
        assert status == 502
    (record,) = house.journal.records
    assert [attempt.cause for attempt in record.attempts] == ["unreachable"] * 3


async def test_a_deployment_that_fails_is_passed_over_until_all_rest() -> None:
    bad, good = Saying((BUSY,)), Saying((OK,))
    async with ScriptedUpstream(bad) as first, ScriptedUpstream(good) as second:
        entries = {"bad": vendor(first)["vendor"], "good": vendor(second)["vendor"]}
        deployments = (DeploymentEntry(model="bad/p"), DeploymentEntry(model="good/q", tier=1))
        async with running(
            providers=entries, models={"picture": ModelEntry(deployments=deployments)}, routing=THRICE
        ) as house:
            asked = {"model": "picture"}
            for status in (503, 503, 200, 200):
                got, *_ = await house.post("/v1/images/generations", asked)
                assert got == status
            assert (len(bad.heads), len(good.heads)) == (2, 2)
            # A job's files lie where they are: no other deployment will do.
            got, *_ = await house.post("/v1/fine_tuning/jobs", asked)
            assert (got, len(bad.heads)) == (503, 3)
            got, *_ = await house.post("/v1/images/generations?provider=bad", asked)
            assert (got, len(bad.heads)) == (503, 3)


async def test_a_deployment_that_takes_one_call_at_a_time_is_asked_for_one_at_a_time() -> None:
    under_way = 0
    most = 0

    async def script(peer: Peer) -> None:
        nonlocal under_way, most
        await peer.request()
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0)
        under_way -= 1
        await peer.send(OK)

    one = ModelEntry(deployments=(DeploymentEntry(model="vendor/p", max_in_flight=1, max_waiting=1),))
    async with (
        ScriptedUpstream(script) as upstream,
        running(providers=vendor(upstream), models={"picture": one}, routing=THRICE) as house,
    ):
        asked = (house.post("/v1/images/generations", {"model": "picture"}) for _ in range(3))
        statuses = sorted([status for status, *_ in await asyncio.gather(*asked)])
    assert statuses == [200, 200, 503]
    assert most == 1


async def test_chats_and_pictures_learn_of_a_deployment_from_each_other() -> None:
    said = Saying((BUSY,))
    async with ScriptedUpstream(said) as upstream, running(providers=vendor(upstream), routing=THRICE) as house:
        for _ in range(2):
            await house.post("/v1/images/generations", {"model": "vendor/one"})
        status, *_ = await house.post("/v1/chat/completions", {"model": "vendor/one", "messages": []})
    assert status == 503
    assert len(said.heads) == 2
