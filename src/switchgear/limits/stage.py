"""The Limit stage: reserve before a call is made, over all its limits in one step, and settle when it is over."""

from collections.abc import Coroutine
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.ports import Claim, Counters
from switchgear.kernel.reply import Reply
from switchgear.limits.estimate import Reach, Reached, bound_of, estimate
from switchgear.limits.learned import Learned
from switchgear.limits.metering import Meter, Metered, is_metered
from switchgear.limits.plan import Counted, Estimate, Planner, amount_of
from switchgear.limits.telling import Stand, rate_headers, refusal

HOLD_SECONDS: Final = 900.0
"""What a gateway that dies held comes back after so long; no call lasts longer unless it is declared to."""
_WARNING: Final = b"x-switchgear-limit-warning"


class Held(Struct):
    """What is held for one call."""

    counted: tuple[Counted, ...]
    claims: tuple[Claim, ...]
    estimate: Estimate


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
        planner = call.snapshot.part(Planner)
        reach = call.snapshot.part(Reached).find(call.head.model)
        counted = planner.counted(call, reach.providers)
        if not counted:
            return await next(call)
        held = await self._reserve(call, planner, counted, reach)
        try:
            reply = await next(call)
        except BaseException:
            self._settle(call, held)
            raise
        if reply.frames is None or reply.settled:
            self._settle(call, held)
            return reply

        def ended(error: SwitchgearError | None, *, cancelled: bool) -> None:
            self._settle(call, held)

        reply.on_end(ended)
        if call.stream and any(map(is_metered, counted)):
            self._meter(call, held, reply, reach)
        return reply

    async def _reserve(self, call: Call, planner: Planner, counted: tuple[Counted, ...], reach: Reach) -> Held:
        now_ns = self._clock.wall_ns()
        expected = estimate(call, reach, self._learned)
        claims = planner.claims(counted, expected, now_ns)
        try:
            standings = await self._counters.reserve(call.id, claims, HOLD_SECONDS)
        except BaseException:
            # Nobody knows whether it was made.
            _run(self._counters.settle(call.id))
            raise
        windows = [planner.window(each.rule, now_ns) for each in counted]
        stands = [Stand(*each) for each in zip(counted, claims, standings, windows, strict=True)]
        call.notices += rate_headers(stands, call.door, now_ns)
        for stand in stands:
            if not stand.standing.fits:
                self._passed(call, stand, now_ns)
        return Held(counted, claims, expected)

    def _passed(self, call: Call, stand: Stand, now_ns: int) -> None:
        """A limit does not hold the call: refuse it, warn, or only note it."""
        rule = stand.counted.rule
        if stand.counted.enforced:
            call.findings += (f"limit {rule.name}: refused",)
            raise refusal(stand, now_ns)
        if rule.action == "warn":
            call.findings += (f"limit {rule.name}: warned",)
            call.notices += ((_WARNING, f"{rule.name}; {rule.quantity}".encode()),)
            return
        call.findings += (f"limit {rule.name}: would have refused",)

    def _settle(self, call: Call, held: Held) -> None:
        used, certain = used_by(call)
        if used.output_tokens and certain:
            key = "" if call.caller is None else call.caller.key
            self._learned.see(key, call.head.model, used.output_tokens)
        if not certain:
            used = _at_least(used, held.estimate)
        amounts = [
            amount_of(each.rule.quantity, _at_provider(call, each, held) if each.provider else used)
            for each in held.counted
        ]
        _run(self._counters.settle(call.id, held.claims, tuple(amounts)))

    def _meter(self, call: Call, held: Held, reply: Reply, reach: Reach) -> None:
        """Watch a stream whose length nobody bounded; one that was reserved for whole needs no watch."""
        bound = bound_of(call, reach)
        if reply.frames is None or (bound is not None and held.estimate.output_tokens >= bound):
            return
        reply.frames = Metered(reply.frames, reply, Meter(self._counters, call, held, reach, HOLD_SECONDS))


def used_by(call: Call, provider: str = "") -> tuple[Estimate, bool]:
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
        cost += attempt.cost_nano_usd
        certain = certain and (attempt.cost != "unknown" or usage is not None)
    return Estimate(read, written, cost, made if provider else 1), certain


def _at_provider(call: Call, counted: Counted, held: Held) -> Estimate:
    used, certain = used_by(call, counted.provider)
    return used if certain else _at_least(used, held.estimate)


def _at_least(used: Estimate, held: Estimate) -> Estimate:
    """The upstream may bill what nobody could count: what was held for it stays."""
    return Estimate(
        max(used.input_tokens, held.input_tokens),
        max(used.output_tokens, held.output_tokens),
        max(used.cost_nano_usd, held.cost_nano_usd),
        used.requests,
    )


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
