"""All that is tried for one call: which deployment, again or elsewhere, until it succeeds or must give up.

There is one owner of retries, this, and one deadline for everything a call goes through. Nothing is tried again once
the first content has gone to the client. A name's deployments are tried first, those of lower tiers before others;
what they could not do goes on to the fallbacks declared for its cause, then to what is left of the chain that led to
the name, and no name is entered twice.
"""

from collections.abc import Iterator
from functools import partial
from typing import Final

from msgspec import structs

from switchgear.kernel.call import Call
from switchgear.kernel.errors import (
    BadRequest,
    SwitchgearError,
    UpstreamError,
    UpstreamRefused,
    UpstreamTimeout,
)
from switchgear.kernel.reply import Reply
from switchgear.kernel.upstream import Timers
from switchgear.routing.ability import able
from switchgear.routing.attempt import Manner, attempt
from switchgear.routing.balance import by_tier
from switchgear.routing.budget import Budget
from switchgear.routing.causes import AGAIN, COUNTED, ELSEWHERE, ONLY_DECLARED, cause_of
from switchgear.routing.choice import Means, binding_of, choose, first_choice, wait_for_place
from switchgear.routing.deployment import Deployment, Plan
from switchgear.routing.failures import Failed, all_rest, latest, none_able, worst
from switchgear.routing.hedge import Race, Racing
from switchgear.routing.model import Alias, RouteTable
from switchgear.routing.policy import ANY, Cause
from switchgear.routing.resume import ResumedFrames
from switchgear.routing.telling import Telling
from switchgear.routing.wishes import Wishes

MAX_ATTEMPTS: Final = 12
"""Of one call, over all names and whatever they declare."""
_NANOSECONDS: Final = 1_000_000_000
_PRECISION: Final = 53
_SHORTEST_SECONDS: Final = 0.001
_SLACK_SECONDS: Final = 0.005
"""A first attempt begins a little later than its call, and its timers are not made anew for that."""
_AT_ITS_PLACE: Final = Manner(has_place=True)
_LONGEST_WAIT_SECONDS: Final = 30.0
"""A call that failed waits so long for a deployment to come back, and no longer."""


class Course:
    """Of one call. Raises what the last attempt raised, marked as not worth another try by the client."""

    __slots__ = ("_beside", "_binding", "_call", "_deadline_ns", "_entered", "_failures", "_left", "_means", "_wishes")

    def __init__(self, call: Call, alias: Alias, means: Means, wishes: Wishes) -> None:
        self._call = call
        self._means = means
        self._wishes = wishes
        self._failures: list[Failed] = []
        self._beside: Deployment | None = None
        """Who was asked beside the first."""
        self._entered: set[str] = set()
        self._left: list[tuple[Alias, Cause]] = []
        seconds = wishes.timeout_seconds or alias.policy.total_seconds
        self._deadline_ns = call.started_monotonic_ns + round(min(seconds, alias.policy.total_seconds) * _NANOSECONDS)
        self._binding = binding_of(call, alias)

    async def run(self, alias: Alias, after: Failed | None = None) -> Reply:
        """The reply of the first attempt that succeeds; ``after`` is one that was made already and failed."""
        if after is not None:
            self._failures.append(after)
        before = 0
        while True:
            self._entered.add(alias.name)
            try:
                return await self._at(self._fitting(alias), before)
            except SwitchgearError as error:
                following = self._fallback(alias, error)
                if following is None:
                    raise self._last_word(alias, error) from None
                before = len(self._failures)
                alias = following

    # ------------------------------------------------------------------------------------------------- one name

    def _fitting(self, alias: Alias) -> Alias:
        """The name with those deployments that can do what the call asks. Raises when there is none."""
        if self._call.avoided:
            alias = alias.without(self._call.avoided)
        if not alias.checks:
            return alias
        try:
            return able(alias, self._call)
        except BadRequest:
            if self._failures:
                raise worst(self._failures) from None
            raise

    async def _at(self, alias: Alias, before: int) -> Reply:
        """Try the deployments of one name, after so many failures at others. Raises the error that ends this."""
        while True:
            here = self._failures[before:]
            if here:
                self._give_up_if_hopeless(alias, here)
            deployment, plan = await self._next(alias, len(here))
            try:
                reply, answering = await self._attempt(alias, deployment, plan)
            except SwitchgearError as error:
                self.note(deployment, error)
                continue
            if self._binding is not None:
                self._means.bindings.bind(alias.name, self._binding, answering)
            return reply

    def _give_up_if_hopeless(self, alias: Alias, here: list[Failed]) -> None:
        last = here[-1]
        allowed = self._allowed(alias)
        # What never left, or was refused for this one upstream's dialect, is not yet a try.
        tries = sum(failed.cause != "unsupported" for failed in here)
        hopeless = last.cause not in ELSEWHERE or tries >= allowed or len(self._failures) >= MAX_ATTEMPTS
        if hopeless or self._seconds_left() <= 0:
            raise worst(self._failures)

    def _allowed(self, alias: Alias) -> int:
        return alias.policy.retries.attempts if self._wishes.retries is None else 1 + self._wishes.retries

    async def _attempt(self, alias: Alias, deployment: Deployment, plan: Plan) -> tuple[Reply, Deployment]:
        """The reply, and whose it is."""
        if not self._failures:
            deployment.budget.calls += 1
        if alias.hedges is not None and not self._failures:
            return await self._hedged(alias, deployment, plan, alias.hedges)
        return await self._once(alias, deployment, plan, self._why(deployment)), deployment

    async def _once(self, alias: Alias, deployment: Deployment, plan: Plan, why: str) -> Reply:
        """One attempt, and what it takes to go on with its answer should that break off."""
        call = self._call
        resumes = alias.policy.resume == "prefill" and call.stream and call.dialect.family == "chat"
        telling = Telling() if resumes else None
        timers = self._timers(deployment)
        manner = _AT_ITS_PLACE
        if why or telling is not None or timers is not deployment.timers:
            manner = Manner(why=why, timers=timers, has_place=True, telling=telling)
        reply = await attempt(call, deployment, plan, self._means.clock, manner)
        if telling is None or reply.frames is None:
            return reply
        return ResumedFrames(call, reply, telling, partial(self._go_on, alias, deployment, telling)).reply()

    async def _hedged(
        self, alias: Alias, deployment: Deployment, plan: Plan, hedges: Budget
    ) -> tuple[Reply, Deployment]:
        """One attempt, and another beside it when the first is late."""
        hedging = alias.policy.hedging
        hedges.calls += 1
        after_seconds = None if hedging is None else hedging.after_seconds
        after_seconds = after_seconds or deployment.health.first_token_p95_seconds()
        first = self._once(alias, deployment, plan, "")
        if after_seconds is None:
            return await first, deployment
        race = _Beside(self, alias, deployment)
        reply = await race.run(first, self._means.lateness, after_seconds)
        return reply, self.answering(deployment, rival_won=race.rival_won)

    async def beside(self, alias: Alias, first: Deployment) -> Racing | None:
        """An attempt at another deployment, for which a place is taken; None where there is none, or no budget."""
        able = self._able(alias)
        able.pop(first, None)
        now_ns = self._means.clock.monotonic_ns()
        rival = self._fresh(alias, able, now_ns)
        if rival is None or rival.health.gate.is_full or alias.hedges is None or not alias.hedges.spend():
            return None
        rival.health.gate.take()
        self._beside = rival
        return self._rival(alias, rival, able[rival])

    def answering(self, first: Deployment, *, rival_won: bool) -> Deployment:
        """Whose the answer of a race is; the attempt that made it is told last."""
        attempts = self._call.attempts
        if rival_won and self._beside is not None:
            return self._beside
        if len(attempts) > 1:
            attempts.append(attempts.pop(0))
        return first

    async def _rival(self, alias: Alias, deployment: Deployment, plan: Plan) -> Reply:
        """The attempt beside the first; one that fails is a try like any other."""
        try:
            return await self._once(alias, deployment, plan, "hedge")
        except SwitchgearError as error:
            self.note(deployment, error)
            raise

    async def _go_on(
        self, alias: Alias, broken: Deployment, telling: Telling, call: Call, error: SwitchgearError
    ) -> Reply:
        """Another attempt at an answer that broke off, at a deployment that can be begun."""
        self._failures.append(Failed(deployment=broken, error=error, cause=cause_of(error, answered=True)))
        now_ns = self._means.clock.monotonic_ns()
        plans = self._able(alias)
        able = {each: plan for each, plan in plans.items() if each.begins_answers}
        found = self._fresh(alias, able, now_ns) or self._tried(able, now_ns)
        if found is None or found.health.gate.is_full or self._seconds_left() <= 0:
            raise error
        found.health.gate.take()
        manner = Manner(why="resume", timers=self._timers(found), has_place=True, telling=telling)
        return await attempt(call, found, able[found], self._means.clock, manner)

    def _why(self, deployment: Deployment) -> str:
        if not self._failures:
            return ""
        tried = any(failed.deployment.provider_name == deployment.provider_name for failed in self._failures)
        return "retry" if tried else "fallback"

    def _timers(self, deployment: Deployment) -> Timers:
        timers = deployment.timers
        left = max(self._seconds_left(), _SHORTEST_SECONDS)
        first_token = self._wishes.first_token_seconds or timers.first_token_seconds
        if timers.total_seconds <= left + _SLACK_SECONDS and first_token == timers.first_token_seconds:
            return timers
        return structs.replace(timers, total_seconds=min(timers.total_seconds, left), first_token_seconds=first_token)

    def note(self, deployment: Deployment, error: SwitchgearError) -> None:
        """An attempt there failed."""
        made = next((each for each in reversed(self._call.attempts) if each.deployment == deployment.name), None)
        answered = made is not None and made.status != 0 and not isinstance(error, BadRequest)
        self._failures.append(Failed(deployment=deployment, error=error, cause=cause_of(error, answered=answered)))

    # -------------------------------------------------------------------------------------------- which deployment

    async def _next(self, alias: Alias, made: int) -> tuple[Deployment, Plan]:
        """A deployment with a place at its gate taken. Raises when there is none, and none will be in time."""
        if not self._failures:
            first = first_choice(self._call, alias, self._binding, self._means)
            if first is not None:
                first[0].health.gate.take()
                return first
        while True:
            now_ns = self._means.clock.monotonic_ns()
            able = self._able(alias)
            found = self._fresh(alias, able, now_ns) or self._tried(able, now_ns)
            if found is None:
                await self._wait_for_any(able, now_ns)
                continue
            if self._failures and latest(self._failures, found) is not None:
                await self._pause(alias, made, found)
                now_ns = self._means.clock.monotonic_ns()
                if not found.health.admits(now_ns):
                    continue
            if found.health.gate.is_full:
                longest = max(self._seconds_left(), _SHORTEST_SECONDS)
                await wait_for_place(self._call, found, self._means.clock, self._wishes.priority, longest)
                if not found.health.admits(self._means.clock.monotonic_ns()):
                    found.health.gate.give_back()
                    continue
            else:
                found.health.gate.take()
            return found, able[found]

    def _able(self, alias: Alias) -> dict[Deployment, Plan]:
        """Those that offer the operation at all, in the order of their tiers.

        Raises NotOffered or PriceUnknown when there are none, or what went wrong before.
        """
        call = self._call
        plans = ((each, each.plan(call.operation, call.dialect)) for each in alias.deployments)
        able = {deployment: plan for deployment, plan in plans if plan is not None}
        if not able and self._failures:
            raise worst(self._failures)
        if not able:
            raise none_able(call.head.model, call.operation, alias.deployments)
        return able

    def _fresh(self, alias: Alias, able: dict[Deployment, Plan], now_ns: int) -> Deployment | None:
        """One that this call has not tried.

        At a provider that has failed it under another key this is a second try, and needs the provider's budget.
        """
        tried = {failed.deployment.health for failed in self._failures}
        suspects = {failed.deployment.provider_name for failed in self._failures if failed.cause in COUNTED}
        untried = [each for each in able if each.health not in tried and each.health.admits(now_ns)]
        allowed = (each for each in untried if each.provider_name not in suspects or each.budget.can_spend)
        found = self._first_free(alias, allowed, now_ns)
        if found is not None and found.provider_name in suspects:
            found.budget.spend()
        return found

    def _first_free(self, alias: Alias, candidates: Iterator[Deployment], now_ns: int) -> Deployment | None:
        """One from the first tier that has a place free, or else where the line is shortest."""
        waiting: Deployment | None = None
        for tier in by_tier(candidates):
            free = [each for each in tier if not each.health.gate.is_full]
            if free:
                return choose(alias, free, now_ns, self._binding, self._means)
            waiting = waiting or min(tier, key=lambda each: each.health.gate.waiting)
        return waiting

    def _tried(self, able: dict[Deployment, Plan], now_ns: int) -> Deployment | None:
        """One to try again: what failed in a way that may pass, longest ago first, as far as its budget goes."""
        by_health = {each.health: each for each in able}
        for failed in self._failures:
            deployment = by_health.get(failed.deployment.health)
            if deployment is None or failed is not latest(self._failures, deployment):
                continue
            if failed.cause in AGAIN and deployment.health.admits(now_ns) and deployment.budget.spend():
                return deployment
        return None

    async def _wait_for_any(self, able: dict[Deployment, Plan], now_ns: int) -> None:
        """Wait for the first that rests to come back, if a failed call may wait so long. Raises when it may not."""
        resting = {each: each.health.wait_seconds(now_ns) for each in able if each.health.wait_seconds(now_ns) > 0}
        first = min(resting.values(), default=None)
        if not self._failures:
            raise all_rest(self._call.head.model, resting)
        last = self._failures[-1]
        hopeful = last.cause in AGAIN and any(latest(self._failures, each) is not None for each in resting)
        longest = min(_LONGEST_WAIT_SECONDS, self._seconds_left())
        if first is None or not hopeful or first > longest:
            raise worst(self._failures)
        await self._means.sleep(first)

    async def _pause(self, alias: Alias, made: int, deployment: Deployment) -> None:
        """Exponential back-off with full jitter, before the same deployment is asked again."""
        retries = alias.policy.retries
        longest = min(retries.max_seconds, retries.base_seconds * 2 ** max(made - 1, 0))
        drawn = longest * self._means.random_bits(_PRECISION) / (1 << _PRECISION)
        await self._means.sleep(max(0.0, min(drawn, self._seconds_left())))

    def _seconds_left(self) -> float:
        return (self._deadline_ns - self._means.clock.monotonic_ns()) / _NANOSECONDS

    # ------------------------------------------------------------------------------------------------- other names

    def _fallback(self, alias: Alias, error: SwitchgearError) -> Alias | None:
        """The next name to go on with, that was not entered yet."""
        cause = self._failures[-1].cause if self._failures else cause_of(error, answered=False)
        if len(self._failures) >= MAX_ATTEMPTS or self._seconds_left() <= 0:
            return None
        table = self._call.snapshot.part(RouteTable)
        self._left.append((alias, cause))
        for name in self._chain(cause):
            led = None if name in self._entered else table.leading(name, self._call.started_wall_ns)
            if led is not None and led.name not in self._entered:
                return led
        return None

    def _chain(self, cause: Cause) -> Iterator[str]:
        """What the name just left declares, then the chains that led there, and the caller's own names."""
        for alias, led in reversed(self._left):
            declared = alias.policy.fallbacks
            followed = cause if cause in ONLY_DECLARED else led
            yield from declared.get(followed, ())
            if followed not in ONLY_DECLARED:
                yield from declared.get(ANY, ())
        if cause not in ONLY_DECLARED:
            yield from self._wishes.fallbacks

    def _last_word(self, alias: Alias, error: SwitchgearError) -> SwitchgearError:
        """The error for the client.

        Trying the same call again is worth nothing when that was done here already; where this gateway is told never to
        try twice, the client may.
        """
        if not self._failures or not isinstance(error, UpstreamError):
            return error
        if self._allowed(alias) > 1 or len(self._failures) > 1:
            error.retryable = False
        error.retry_after_seconds = self._rest_seconds(alias) if isinstance(error, UpstreamRefused) else None
        if isinstance(error, UpstreamTimeout) and self._seconds_left() <= 0:
            error.message = f"{error.message}; the call's own deadline is over"
        return error

    def _rest_seconds(self, alias: Alias) -> float | None:
        """Until the first of those that rest, or said when to come back, can be asked again; None when none does."""
        now_ns = self._means.clock.monotonic_ns()
        rests: list[float] = []
        for deployment in {*alias.deployments, *(failed.deployment for failed in self._failures)}:
            failed = latest(self._failures, deployment)
            said = None if failed is None else failed.error.retry_after_seconds
            seconds = deployment.health.wait_seconds(now_ns) or said
            if seconds is not None:
                rests.append(seconds)
        return min(rests, default=None)


class _Beside(Race):
    """A course's first attempt, and the one that the course makes beside it."""

    __slots__ = ("_alias", "_course", "_first")

    def __init__(self, course: Course, alias: Alias, first: Deployment) -> None:
        super().__init__()
        self._course = course
        self._alias = alias
        self._first = first

    async def second(self) -> Racing | None:
        return await self._course.beside(self._alias, self._first)
