"""The Route stage, last of the pipeline: a model name becomes a deployment, and the call one attempt or several.

A call is attempted at once where one deployment can take it and the name asks for one attempt at a time; all else, and
what comes after a failure, is a :class:`Course`.
"""

from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Reply
from switchgear.routing.attempt import attempt
from switchgear.routing.causes import cause_of
from switchgear.routing.choice import Means, binding_of, first_choice
from switchgear.routing.course import Course
from switchgear.routing.deployment import Deployment, Plan
from switchgear.routing.failures import Failed
from switchgear.routing.hedge import Race, Racing
from switchgear.routing.lifecycle import heed
from switchgear.routing.model import Alias, RouteTable
from switchgear.routing.shadow import Shadows
from switchgear.routing.split import chosen
from switchgear.routing.wishes import KNOWN, NONE, wishes_of

_MOST_SPLITS = 8


class Route:
    """Answers a call at one of its model's deployments, and does not let go before it must.

    Raises ModelNotFound, NotOffered, Overloaded, BadRequest, and what the last attempt raised.
    """

    __slots__ = ("_means", "_shadows", "_unwished")

    def __init__(self, means: Means, shadows: Shadows | None = None) -> None:
        self._means = means
        self._shadows = shadows
        self._unwished = KNOWN.isdisjoint

    async def __call__(self, call: Call) -> Reply:
        table = call.snapshot.part(RouteTable)
        name = call.head.model
        alias = table.named.get(name) or table.find(name)
        if alias.lifecycle is not None or call.pinned:
            alias = _followed(table, alias, call)
        if call.avoided:
            return await self._elsewhere(table, alias, call)
        only = alias.only
        unwished = self._unwished(call.headers)
        if only is not None and unwished and only.health.is_plain:
            plan = only.plans.get((call.operation, call.dialect.name))
            if plan is not None:
                return await self._at_once(call, alias, only, plan)
        if alias.splits:
            alias = self._split(table, alias, call)
        if alias.policy.shadow is not None and self._shadows is not None:
            self._shadows.cast(call, alias.policy.shadow)
        if unwished and alias.is_direct and not alias.checks:
            binding = binding_of(call, alias)
            found = first_choice(call, alias, binding, self._means)
            if found is not None:
                begin = self._at_once if alias.hedges is None else self._raced
                return await begin(call, alias, *found, binding)
        wishes = wishes_of(call)
        for wished in wishes.fallbacks:
            table.find(wished)
        return await Course(call, alias, self._means, wishes).run(alias)

    async def _elsewhere(self, table: RouteTable, alias: Alias, call: Call) -> Reply:
        """Some providers must not be asked: every step heeds that."""
        if alias.splits:
            alias = self._split(table, alias, call)
        return await Course(call, alias, self._means, wishes_of(call)).run(alias)

    async def _at_once(
        self, call: Call, alias: Alias, deployment: Deployment, plan: Plan, binding: bytes | None = None
    ) -> Reply:
        """Attempt the call where nothing has to be waited for; what fails goes on as a course."""
        deployment.budget.calls += 1
        try:
            reply = await attempt(call, deployment, plan, self._means.clock)
        except SwitchgearError as error:
            answered = bool(call.attempts) and call.attempts[-1].status != 0
            failed = Failed(deployment=deployment, error=error, cause=cause_of(error, answered=answered))
        else:
            if binding is not None:
                self._means.bindings.bind(alias.name, binding, deployment)
            return reply
        return await Course(call, alias, self._means, NONE).run(alias, failed)

    async def _raced(
        self, call: Call, alias: Alias, deployment: Deployment, plan: Plan, binding: bytes | None
    ) -> Reply:
        """The same, and another attempt beside it when it is late; only then, or after a failure, is there a course."""
        hedging = alias.policy.hedging
        after_seconds = None if hedging is None else hedging.after_seconds
        after_seconds = after_seconds or deployment.health.first_token_p95_seconds()
        if alias.hedges is not None:
            alias.hedges.calls += 1
        if after_seconds is None:
            return await self._at_once(call, alias, deployment, plan, binding)
        deployment.budget.calls += 1
        race = _Raced(call, alias, deployment, self._means)
        try:
            first = attempt(call, deployment, plan, self._means.clock)
            reply = await race.run(first, self._means.lateness, after_seconds)
        except SwitchgearError as error:
            course = race.course or Course(call, alias, self._means, NONE)
            course.note(deployment, error)
            return await course.run(alias)
        answering = deployment
        if race.course is not None:
            answering = race.course.answering(deployment, rival_won=race.rival_won)
        if binding is not None:
            self._means.bindings.bind(alias.name, binding, answering)
        return reply

    def _split(self, table: RouteTable, alias: Alias, call: Call) -> Alias:
        """Follow splits from name to name; a name that was left is not entered again."""
        seen = {alias.name}
        for _ in range(_MOST_SPLITS):
            name = chosen(alias.splits, call, self._means.random_bits) if alias.splits else ""
            led = table.leading(name, call.started_wall_ns) if name else None
            if led is None or led.name in seen:
                return alias
            seen.add(led.name)
            alias = led
        return alias


class _Raced(Race):
    """A first attempt that has a course only when it is late."""

    __slots__ = ("_alias", "_call", "_first", "_means", "course")

    def __init__(self, call: Call, alias: Alias, first: Deployment, means: Means) -> None:
        super().__init__()
        self._call = call
        self._alias = alias
        self._first = first
        self._means = means
        self.course: Course | None = None

    async def second(self) -> Racing | None:
        self.course = Course(self._call, self._alias, self._means, NONE)
        return await self.course.beside(self._alias, self._first)


def _followed(table: RouteTable, alias: Alias, call: Call) -> Alias:
    """Where a name leads that has an end, and where a call belongs that refers to something."""
    if alias.lifecycle is not None:
        alias = table.find(heed(call, call.head.model, alias.lifecycle, table.called))
    return alias.at(call.pinned) if call.pinned else alias
