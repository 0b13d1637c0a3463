"""The Limit stage: reserve before a call is made, over all its limits in one step, and settle when it is over."""

from collections.abc import Coroutine, Sequence
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

from msgspec import Struct

from switchgear.kernel.call import Call, Head
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.ports import Claim, Counters, Standing
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import PASSTHROUGH
from switchgear.limits.estimate import bound_of, estimate
from switchgear.limits.learned import Learned
from switchgear.limits.lines import Lines
from switchgear.limits.metering import Meter, Metered
from switchgear.limits.model import COST, ONE_REQUEST, READ, WRITTEN, Amounts, Window, amounts_of
from switchgear.limits.plan import Planner
from switchgear.limits.telling import Stand, refusal
from switchgear.wire.named_model import named_model

HOLD_SECONDS: Final = 900.0
"""What a gateway that dies held comes back after so long; no call lasts longer unless it is declared to."""
_SESSION_SECONDS: Final = 4_000.0
"""The same for a WebSocket, which may last an hour."""
_ANTHROPIC: Final = "anthropic"
_WARNING: Final = b"x-switchgear-limit-warning"


class Held(Struct, frozen=True, gc=False):
    """What is held for one call."""

    lines: Lines
    claims: tuple[Claim, ...]
    windows: tuple[Window | None, ...]
    """Those of ``claims``."""
    expected: Amounts
    amounts: tuple[int, ...]
    """How much of each claim."""


class Limit:
    """Holds what a call may use under every limit that it falls under, or refuses it.

    Raises RateLimited, QuotaExceeded, or Overloaded where a limit cannot be looked up and is declared to refuse then.
    """

    __slots__ = ("_clock", "_counters", "_learned")

    def __init__(self, counters: Counters, clock: Clock) -> None:
        self._counters = counters
        self._clock = clock
        self._learned = Learned()

    async def __call__(self, call: Call, next: Next) -> Reply:
        if not call.head.model and (call.body or call.tunnels) and call.operation != PASSTHROUGH:
            _read_model(call)
        lines = call.snapshot.part(Planner).lines(call)
        if not lines.counted:
            return await next(call)
        now_ns = self._clock.wall_ns()
        expected = estimate(call, lines.reach, self._learned) if lines.counts_use else ONE_REQUEST
        claims, amounts = lines.claims(now_ns), lines.pick(expected)
        held = Held(lines, claims, lines.windows, expected, amounts)
        try:
            standings = await self._counters.reserve(
                call.id, claims, _SESSION_SECONDS if call.tunnels else HOLD_SECONDS, amounts
            )
        except BaseException:
            # Nobody knows whether it was made.
            _run(self._counters.settle(call.id))
            raise
        call.authenticated_ns = now_ns - call.started_wall_ns
        call.limited_ns = self._clock.wall_ns() - call.started_wall_ns
        self._look(call, held, standings, now_ns)
        try:
            reply = await next(call)
        except BaseException:
            self._settle(call, held)
            raise
        if reply.frames is None or reply.settled:
            await self._counters.settle(call.id, held.claims, self._kept(call, held))
            return reply

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            self._settle(call, held)

        reply.on_end(ended)
        if lines.is_metered and call.stream:
            self._meter(call, held, reply)
        return reply

    def _look(self, call: Call, held: Held, standings: Sequence[Standing], now_ns: int) -> None:
        """Tell the client how its limits stand. Raises what refuses a call that one of them does not hold."""
        lines, windows = held.lines, held.windows
        headers = lines.anthropic if call.door == _ANTHROPIC else lines.openai
        call.notices += headers.of(standings, now_ns)
        if lines.blind:
            call.findings += lines.blind
        for standing in standings:
            if not standing.fits:
                stands = [Stand(*each) for each in zip(lines.counted, held.amounts, standings, windows, strict=True)]
                self._judge(call, held, stands, now_ns)
                break

    def _judge(self, call: Call, held: Held, stands: Sequence[Stand], now_ns: int) -> None:
        """Some limits do not hold the call: refuse it, keep it from a provider, warn, or only note it."""
        for stand in stands:
            if not stand.standing.fits and stand.counted.enforced:
                call.findings += (f"limit {stand.counted.rule.name}: refused",)
                raise refusal(stand, now_ns)
        for stand in stands:
            if not stand.standing.fits:
                self._pass(call, stand)
        avoided = call.avoided
        if avoided and avoided.issuperset(held.lines.reach.providers):
            full = next(
                stand
                for stand in stands
                if not stand.standing.fits and stand.counted.provider and stand.counted.rule.enforced
            )
            _run(self._counters.settle(call.id))
            raise refusal(full, now_ns)

    def _pass(self, call: Call, stand: Stand) -> None:
        rule = stand.counted.rule
        if rule.enforced:
            call.findings += (f"limit {rule.name}: kept from {stand.counted.provider}",)
            call.avoided |= {stand.counted.provider}
        elif rule.action == "warn":
            call.findings += (f"limit {rule.name}: warned",)
            call.notices += ((_WARNING, f"{rule.name}; {rule.quantity}".encode()),)
        else:
            call.findings += (f"limit {rule.name}: would have refused",)

    def _settle(self, call: Call, held: Held) -> None:
        _run(self._counters.settle(call.id, held.claims, self._kept(call, held)))

    def _kept(self, call: Call, held: Held) -> tuple[int, ...]:
        """What each of the counters keeps of a call that is over."""
        lines = held.lines
        if not lines.counts_use and not lines.has_providers:
            return lines.pick(ONE_REQUEST)
        used, certain = used_by(call)
        if not certain:
            used = _at_least(used, held.expected)
        elif used[WRITTEN]:
            self._learned.see("" if call.caller is None else call.caller.key, call.head.model, used[WRITTEN])
        if not lines.has_providers:
            return lines.pick(used)
        return tuple(
            [
                _at_provider(call, each.provider, held)[place] if each.provider else used[place]
                for each, place in zip(lines.counted, lines.places, strict=True)
            ]
        )

    def _meter(self, call: Call, held: Held, reply: Reply) -> None:
        """Watch a stream whose length nobody bounded; one that was reserved for whole needs no watch."""
        reach = held.lines.reach
        bound = bound_of(call, reach)
        if reply.frames is None or (bound is not None and held.expected[WRITTEN] >= bound):
            return
        reply.frames = Metered(reply.frames, reply, Meter(self._counters, call, held, HOLD_SECONDS))


def _read_model(call: Call) -> None:
    """What is passed through names its model where only its handler looks, which comes later."""
    if call.tunnels:
        model = dict(parse_qsl(call.query)).get("model", "")
    else:
        try:
            model = named_model(call.body, call.headers).name
        except SwitchgearError:
            # The handler says what is wrong with it.
            return
    if model:
        call.head = Head(model=model)


def used_by(call: Call, provider: str = "") -> tuple[Amounts, bool]:
    """What a call's attempts used, all or those at one provider, and whether that is certain.

    It is not where an upstream may bill what it did not tell.
    """
    read = written = cost = made = 0
    certain = True
    for attempt in call.attempts:
        if provider and attempt.provider != provider:
            continue
        made += 1
        usage = attempt.usage
        if usage is not None:
            read += usage.total_input
            written += usage.total_output
        elif attempt.cost == "unknown":
            certain = False
        cost += attempt.cost_nano_usd
    return (made if provider else 1, read + written, read, written, cost), certain


def _at_provider(call: Call, provider: str, held: Held) -> Amounts:
    used, certain = used_by(call, provider)
    return used if certain else _at_least(used, held.expected)


def _at_least(used: Amounts, held: Amounts) -> Amounts:
    """The upstream may bill what nobody could count: what was held for it stays."""
    read, written, cost = (max(used[place], held[place]) for place in (READ, WRITTEN, COST))
    return amounts_of(read, written, cost, requests=used[0])


def _run(settling: Coroutine[None, None, None]) -> None:
    """Settling suspends in no engine: it is done, or handed on, when it returns."""
    try:
        settling.send(None)
    except StopIteration:
        return
    settling.close()
    raise RuntimeError("an engine of counters waits while it settles, which the port forbids")


if TYPE_CHECKING:
    _: type[Stage] = Limit
