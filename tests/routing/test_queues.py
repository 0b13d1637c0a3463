"""Servers that tell of their queues: how that steers calls, and what comes of servers that do not tell."""

import asyncio
import logging

import pytest

from switchgear.kernel.errors import SwitchgearError, UpstreamTimeout, UpstreamUnreachable
from switchgear.kernel.upload import Upload
from switchgear.kernel.upstream import Origin, Target, Timers, UpstreamReply
from switchgear.routing.affinity import Bindings
from switchgear.routing.balance import unqueued
from switchgear.routing.queues import Queues, QueueSource, QueueWatch
from switchgear.wire.queue_metrics import QueueReading
from tests.routing.scripted import ScriptedReply
from tests.routing.stand import Stand, deployments
from tests.routing.test_balance import SECOND, deployment, draws


def tells(running: int, waiting: int = 0) -> bytes:
    """As vLLM writes it."""
    return b"vllm:num_requests_running %d\nvllm:num_requests_waiting %d\n" % (running, waiting)


class Server:
    """Answers by script, and then always with the last answer; an answer may take some seconds, or be an error."""

    def __init__(self, *answers: bytes | SwitchgearError, status: int = 200, seconds: float = 0.0) -> None:
        self.answers: list[bytes | SwitchgearError] = [*answers]
        self.status = status
        self.seconds = seconds
        self.asked_at: list[float] = []
        self.replies: list[ScriptedReply] = []

    async def send(
        self, target: Target, body: bytes | Upload, timers: Timers, extra_headers: tuple[tuple[str, str], ...] = ()
    ) -> UpstreamReply:
        self.asked_at.append(round(asyncio.get_running_loop().time(), 3))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        await asyncio.sleep(min(self.seconds, timers.total_seconds))
        if self.seconds > timers.total_seconds:
            raise UpstreamTimeout("silent", phase="total")
        if isinstance(answer, SwitchgearError):
            raise answer
        self.replies.append(ScriptedReply([answer], [], self.status))
        return self.replies[-1]

    async def aclose(self) -> None: ...


class Watched:
    """A stand whose providers tell of their queues."""

    def __init__(self, balance: str, **servers: Server) -> None:
        names = [f"{name}/m" for name in servers]
        self.stand = Stand({"fast": {**deployments(*names), "balance": balance}})
        self.servers = servers
        self.queues = Queues(sources=tuple(self.source(name, server) for name, server in servers.items()))
        self.watch = QueueWatch(lambda: self.queues, self.stand.clock)

    def source(self, name: str, server: Server) -> QueueSource:
        origin = Origin(scheme="http", host=f"{name}.example", port=80)
        target = Target(origin=origin, method="GET", path="/metrics?secret=1", headers=(), dialect="")
        healths = (self.stand.health(f"{name}/m"),)
        return QueueSource(provider=name, target=target, transport=server, healths=healths)

    def play(self, seconds: float, calls: int = 0) -> list[str]:
        """Watch for so long, then make calls one after the other; where they went."""

        async def scene() -> list[str]:
            watching = asyncio.get_running_loop().create_task(self.watch.run())
            await asyncio.sleep(seconds)
            done = [await self.stand.answer(self.stand.call()) for _ in range(calls)]
            watching.cancel()
            await asyncio.wait([watching])
            return [each.attempts[-1].provider for each in done]

        return self.stand.play(scene())


@pytest.mark.parametrize("way", ["weighted", "least_busy", "fastest", "cheapest", "headroom"])
def test_no_call_goes_where_requests_wait_while_a_server_has_none_waiting(way: str) -> None:
    watched = Watched(way, a=Server(tells(4, 1)), b=Server(tells(4, 0)))
    assert watched.play(0.1, 30) == ["b"] * 30


def test_where_every_server_has_requests_waiting_calls_are_balanced_as_ever() -> None:
    watched = Watched("weighted", a=Server(tells(4, 9)), b=Server(tells(4, 1)))
    assert set(watched.play(0.1, 30)) == {"a", "b"}


def test_a_server_of_which_nothing_is_known_is_taken_for_one_without_a_queue() -> None:
    waiting, unknown = deployment("waiting"), deployment("unknown")
    waiting.health.heard(QueueReading(running=1, waiting=1), 0)
    assert unqueued([waiting, unknown], SECOND) == [unknown]


def test_the_least_busy_is_so_with_the_calls_of_others() -> None:
    busy, idle = deployment("busy"), deployment("idle")
    busy.health.heard(QueueReading(running=5, waiting=0), 0)
    idle.health.heard(QueueReading(running=3, waiting=0), 0)
    assert draws("least_busy", [busy, idle], 10) == {"idle": 1.0}
    for _ in range(3):
        idle.health.gate.take()
    assert draws("least_busy", [busy, idle], 10) == {"busy": 1.0}


def test_what_this_gateway_had_in_flight_is_not_counted_twice() -> None:
    own = deployment("own")
    for _ in range(3):
        own.health.gate.take()
    own.health.heard(QueueReading(running=2, waiting=2), 0)
    assert own.health.calls(SECOND) == 4
    own.health.gate.take()
    assert own.health.calls(SECOND) == 5
    for _ in range(4):
        own.health.gate.give_back()
    assert own.health.calls(SECOND) == 1
    own.health.gate.take()
    own.health.heard(QueueReading(running=0, waiting=0), 0)
    assert own.health.calls(SECOND) == 1


def test_the_faster_one_is_not_taken_when_others_keep_it_busy() -> None:
    slow, fast = deployment("slow"), deployment("fast")
    slow.health.first_token(3 * SECOND, SECOND, streamed=True)
    fast.health.first_token(SECOND, SECOND, streamed=True)
    assert draws("fastest", [slow, fast], 10) == {"fast": 1.0}
    fast.health.heard(QueueReading(running=3, waiting=0), SECOND)
    assert draws("fastest", [slow, fast], 10) == {"slow": 1.0}


def test_a_conversation_leaves_a_server_that_others_keep_busy() -> None:
    candidates = [deployment(name) for name in "abcd"]
    bindings, key = Bindings(), b"a conversation"
    home = bindings.pick("fast", key, candidates, SECOND)
    for each in candidates:
        each.health.heard(QueueReading(running=8, waiting=0), 0)
    home.health.heard(QueueReading(running=11, waiting=0), 0)
    assert bindings.pick("fast", key, candidates, SECOND) is home
    home.health.heard(QueueReading(running=12, waiting=0), 0)
    assert bindings.pick("fast", key, candidates, SECOND) is not home


def test_a_reading_is_forgotten_when_no_other_follows() -> None:
    gone = UpstreamUnreachable("gone")
    watched = Watched("least_busy", a=Server(tells(9, 1), gone), b=Server(tells(0), gone))
    assert watched.play(4.5, 5) == ["b"] * 5
    health = watched.stand.health("a/m")
    assert health.calls(watched.stand.clock.monotonic_ns()) == 10
    watched.stand.clock.advance(0.5)
    assert health.calls(watched.stand.clock.monotonic_ns()) == 0
    assert health.reading(watched.stand.clock.monotonic_ns()) is None
    assert set(watched.play(0, 30)) == {"a", "b"}


def test_each_server_is_asked_once_a_second_and_the_last_answer_counts() -> None:
    watched = Watched("weighted", a=Server(tells(1), tells(2), tells(3)), b=Server(tells(0)))
    watched.play(2.5)
    assert watched.servers["a"].asked_at == watched.servers["b"].asked_at == [0, 1, 2]
    assert watched.stand.health("a/m").calls(watched.stand.clock.monotonic_ns()) == 3
    assert all(reply.closed for reply in watched.servers["a"].replies)


def test_a_server_that_is_slow_to_answer_keeps_nobody_up_and_is_not_asked_twice_at_once() -> None:
    watched = Watched(
        "weighted", slow=Server(tells(1), seconds=1.5), never=Server(tells(1), seconds=60), b=Server(tells(0))
    )
    watched.play(6.5)
    assert watched.servers["b"].asked_at == [0, 1, 2, 3, 4, 5, 6]
    assert watched.servers["slow"].asked_at == [0, 2, 4, 6]
    assert watched.servers["never"].asked_at == [0, 2, 4, 6]


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        (Server(UpstreamUnreachable("no connection to a")), "no connection to a"),
        (Server(tells(9, 9), status=404), "GET /metrics was answered with status 404"),
        (Server(b"go_goroutines 12\n"), "GET /metrics tells of no queue that is known here"),
    ],
)
def test_a_failure_is_told_once_and_so_is_its_end(
    server: Server, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    watched = Watched("weighted", a=server, b=Server(tells(0)))
    with caplog.at_level(logging.INFO):
        assert set(watched.play(3.5, 20)) == {"a", "b"}
        (told,) = caplog.messages
        assert told.startswith(f"the queue of the provider a is not known: {reason};")
        server.answers[:], server.status = [tells(1)], 200
        watched.play(3.5)
        assert caplog.messages[1:] == ["the queue of the provider a is known again"]


def test_who_is_asked_follows_the_configuration() -> None:
    watched = Watched("weighted", a=Server(tells(0)), b=Server(tells(0)))
    watched.play(0.5)
    both, watched.queues = watched.queues, Queues(sources=watched.queues.sources[:1])
    watched.play(1)
    watched.queues = both
    watched.play(0.5)
    asked = {name: len(server.asked_at) for name, server in watched.servers.items()}
    assert asked == {"a": 3, "b": 2}
