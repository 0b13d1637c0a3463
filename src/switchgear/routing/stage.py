"""The Route stage, last of the pipeline: a model name becomes a deployment, and the call one attempt or several.

A plain call, the only deployment of a name that is well, is attempted at once; all else is a :class:`Course`.
"""

from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError
from switchgear.kernel.reply import Reply
from switchgear.routing.attempt import attempt
from switchgear.routing.causes import cause_of
from switchgear.routing.course import Course, Failed, Means
from switchgear.routing.model import Alias, RouteTable
from switchgear.routing.split import chosen
from switchgear.routing.wishes import KNOWN, NONE, wishes_of

_MOST_SPLITS = 8


class Route:
    """Answers a call at one of its model's deployments, and does not let go before it must.

    Raises ModelNotFound, NotOffered, Overloaded, BadRequest, and what the last attempt raised.
    """

    __slots__ = ("_means", "_unwished")

    def __init__(self, means: Means) -> None:
        self._means = means
        self._unwished = KNOWN.isdisjoint

    async def __call__(self, call: Call) -> Reply:
        table = call.snapshot.part(RouteTable)
        name = call.head.model
        alias = table.named.get(name) or table.find(name)
        if call.pinned:
            alias = alias.at(call.pinned)
        only = alias.only
        if only is not None and only.health.is_plain and self._unwished(call.headers):
            plan = only.plans.get((call.operation, call.dialect.name))
            if plan is not None:
                only.budget.calls += 1
                try:
                    return await attempt(call, only, plan, self._means.clock)
                except SwitchgearError as error:
                    answered = bool(call.attempts) and call.attempts[-1].status != 0
                    failed = Failed(deployment=only, error=error, cause=cause_of(error, answered=answered))
                return await Course(call, alias, self._means, NONE).run(alias, failed)
        if alias.splits:
            alias = self._split(table, alias, call)
        return await Course(call, alias, self._means, wishes_of(call)).run(alias)

    def _split(self, table: RouteTable, alias: Alias, call: Call) -> Alias:
        """Follow splits from name to name; a name that was left is not entered again."""
        seen = {alias.name}
        for _ in range(_MOST_SPLITS):
            name = chosen(alias.splits, call, self._means.random_bits) if alias.splits else ""
            if not name or name in seen:
                return alias
            seen.add(name)
            alias = table.find(name)
        return alias
