"""Rules of alerts in the control database: changed at run time by ``/api/v1/alert-rules``, in force from the next look.

They have the form of an entry under ``alerts.rules``, and are checked as those of the file are; whom they may tell only
the file says, for it holds the secrets.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from msgspec import ValidationError, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.config import Config
from switchgear.config.alert_checks import rule_faults, unknown_name, unknown_receiver
from switchgear.config.alerts import TEXTS, AlertRuleEntry, WhereEntry
from switchgear.kernel.query import Compare, Every, Filter, Noted, StartsWith, Tagged
from switchgear.rest.objects import Objects
from switchgear.rest.principal import Place
from switchgear.rest.problem import Refused
from switchgear.rest.resource import Body, Fixed, Proposal, Resource
from switchgear.rest.resource_routes import resource_routes
from switchgear.rest.route import Route
from switchgear.traces.alerts.rule import Budget, Drift, Rule, Spans, Test

KIND: Final = "alert_rule"
_TESTS: Final[tuple[Test, ...]] = ("above", "below", "grows_by", "falls_by")


def alert_rule_routes(objects: Objects, declared: Callable[[], Config], file: str) -> tuple[Route, ...]:
    """All of them; ``declared`` is the configuration of ``file``, whose own rules are read-only here."""
    resource = Resource(
        kind=KIND,
        plural="alert-rules",
        type=AlertRuleEntry,
        about="When somebody is to be told of spans, budgets or drift.",
        place=_place,
        fixed=lambda: {name: Fixed(body=entry, file=file) for name, entry in declared().alerts.rules.items()},
        check=_Check(objects, declared),
    )
    return resource_routes(resource, objects)


def _place(_: str, entry: Body) -> Place:
    return Place(project=entry.project or "")


class _Check:
    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        if proposal.after is not None:
            await self._check(connection, proposal.after)

    async def _check(self, connection: AsyncConnection, entry: AlertRuleEntry) -> None:
        """Raise Refused for a rule that watches nothing, or tells nobody."""
        config = self._declared()
        problems = [text for _, text in rule_faults(entry)]
        problems += [text for name in entry.notify if (text := unknown_receiver(config, name))]
        for kind, section, name in (("project", "projects", entry.project), ("limit", "limits", entry.limit)):
            if name is not None and await self._objects.get(connection, kind, name) is None:
                problem = unknown_name(config, section, name)
                problems += [problem] if problem else []
        if problems:
            errors = [{"message": problem} for problem in problems]
            text = f"the rule {'; '.join(problems)}"
            raise Refused(422, "disagreement", text, members={"errors": errors})


def rules_in_force(
    objects: Objects, config: Callable[[], Config]
) -> Callable[[AsyncConnection], Awaitable[Sequence[Rule]]]:
    """Rules of the file, and of the database where the file has none of the name."""

    async def find(connection: AsyncConnection) -> Sequence[Rule]:
        declared = config().alerts.rules
        found = {name: rule_of(name, entry) for name, entry in declared.items()}
        for stored in await objects.all(connection, KIND):
            if stored.name not in found:
                found |= {rule.name: rule for rule in _kept(stored.name, stored.body)}
        return list(found.values())

    return find


def _kept(name: str, body: str) -> Iterator[Rule]:
    try:
        entry = json.decode(body, type=AlertRuleEntry)
    except ValidationError:
        # A newer version wrote it; its routes say so to whoever asks.
        return
    if not list(rule_faults(entry)):
        yield rule_of(name, entry)


def rule_of(name: str, entry: AlertRuleEntry) -> Rule:
    """A rule as alerts know it, of an entry without faults."""
    test, bound = _test_of(entry)
    return Rule(
        name=name,
        project=entry.project or "",
        measure=_measure_of(entry),
        test=test,
        bound=bound,
        for_seconds=entry.for_seconds,
        recover_for_seconds=entry.recover_for_seconds,
        repeat_seconds=entry.repeat_seconds,
        lapse_seconds=entry.lapse_seconds,
        severity=entry.severity,
        receivers=tuple(dict.fromkeys(entry.notify)),
        description=entry.description,
    )


def _test_of(entry: AlertRuleEntry) -> tuple[Test, float]:
    if entry.drift is not None:
        return "drifted", 0.0
    if entry.absent_seconds is not None:
        return "absent", 0.0
    return next((test, getattr(entry, test)) for test in _TESTS if getattr(entry, test) is not None)


def _measure_of(entry: AlertRuleEntry) -> Spans | Budget | Drift:
    if entry.drift is not None:
        return Drift(
            monitor="" if entry.drift == "any" else entry.drift,
            model=entry.where.request_model or "",
            prompt=entry.where.prompt_name or "",
        )
    if entry.limit is not None:
        return Budget(limit=entry.limit, quantity=entry.quantity or "")
    return Spans(
        quantity=entry.measure or "calls",
        window_seconds=entry.absent_seconds or entry.window_seconds,
        where=filter_of(entry.where),
        by=entry.by or "",
        quantile=entry.quantile,
        min_calls=entry.min_calls,
    )


def filter_of(where: WhereEntry) -> Filter | None:
    """The same for the store of spans."""
    filters: list[Filter] = [] if where.kind == "any" else [Compare(field="kind", value=where.kind)]
    for field in TEXTS:
        value: str | None = getattr(where, field)
        if value is not None and value.endswith("*"):
            filters.append(StartsWith(field=field, prefix=value[:-1]))
        elif value is not None:
            filters.append(Compare(field=field, value=value))
    filters += [Tagged(name=tag) for tag in where.tags]
    filters += [Noted(key=key, value=value) for key, value in where.metadata.items()]
    if len(filters) > 1:
        return Every(filters=tuple(filters))
    return filters[0] if filters else None
