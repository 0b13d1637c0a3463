"""Which rules a call falls under: worked out once for each key, model, and whatever else of a call matters."""

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Call, Caller
from switchgear.limits.lines import Counted, Lines, Windows
from switchgear.limits.model import EVERY, Reach, Rule, Rules, Scope

_MOST_PLANS: Final = 10_000
_LONGEST_NAME: Final = 256
_SAID: Final[tuple[Scope, ...]] = ("end_user", "tag")
"""Scopes that are not settled by key and model."""
_NOBODY: Final = Caller(key="")

Whose = tuple[str, str, str, tuple[str, ...]]
"""Key, model, end user, tags."""


class Plan(Struct, frozen=True):
    """Everything that calls of one key for one model fall under, whatever else they say."""

    lines: Lines
    said: tuple[Rule, ...]
    """Rules that depend on what a call says of itself."""


class Planner:
    """Finds what a call falls under; that of the keys and models that call is kept."""

    __slots__ = ("_find", "_lines", "_plans", "rules", "windows")

    def __init__(self, rules: Rules, find: Callable[[str], Reach]) -> None:
        self.rules = rules
        self._find = find
        self._plans: dict[tuple[str, str], Plan] = {}
        self._lines: dict[Whose, Lines] = {}
        self.windows = Windows()

    def lines(self, call: Call) -> Lines:
        """The counters that ``call`` falls under, each once.

        Where it goes is chosen later: the limits of all providers that it may go to are among them.
        """
        caller = call.caller or _NOBODY
        model = call.head.model
        plan = self._plans.get((caller.key, model))
        if plan is None:
            plan = self._remember(caller, model)
        if not plan.said:
            return plan.lines
        labels = call.labels()
        tags = tuple(dict.fromkeys((*caller.tags, *labels.tags)))
        whose = (caller.key, model, labels.user, tags)
        lines = self._lines.get(whose)
        if lines is None:
            lines = self._say(plan, caller, whose)
        return lines

    def known(self) -> Iterator[Counted]:
        """Every counter that calls fell under lately, some of them several times."""
        for plan in list(self._plans.values()):
            yield from plan.lines.counted
        for lines in list(self._lines.values()):
            yield from lines.counted

    def _remember(self, caller: Caller, model: str) -> Plan:
        counted: list[Counted] = []
        said: list[Rule] = []
        reach = self._find(model)
        values = _Values((caller.key, model, "", ()), caller, reach.providers)
        for rule in self.rules.all:
            if any(scope in _SAID for scope, _ in rule.scopes):
                said.append(rule)
            else:
                counted += _fitting(rule, values)
        plan = Plan(Lines(tuple(counted), reach, self.windows), tuple(said))
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        if len(model) <= _LONGEST_NAME:
            self._plans[caller.key, model] = plan
        return plan

    def _say(self, plan: Plan, caller: Caller, whose: Whose) -> Lines:
        reach = plan.lines.reach
        values = _Values(whose, caller, reach.providers)
        said = [counted for rule in plan.said for counted in _fitting(rule, values)]
        lines = Lines((*plan.lines.counted, *said), reach, self.windows)
        if len(self._lines) >= _MOST_PLANS:
            self._lines.clear()
        if len(whose[1]) <= _LONGEST_NAME:
            self._lines[whose] = lines
        return lines


class _Values:
    """What one call is by each scope."""

    def __init__(self, whose: Whose, caller: Caller, providers: Sequence[str]) -> None:
        _, model, end_user, tags = whose
        self._known: dict[Scope, Sequence[str]] = {
            "key": (caller.key,),
            "user": (caller.user,),
            "team": (caller.team,),
            "project": (caller.project,),
            "organisation": (caller.organisation,),
            "model": (model[:_LONGEST_NAME],),
            "end_user": (end_user,),
            "tag": tags,
            "provider": providers,
        }

    def fitting(self, scope: Scope, wanted: str) -> Sequence[str]:
        """Those that a rule is for."""
        return [value for value in self._known[scope] if value and wanted in (EVERY, value)]


def counter_name(rule: Rule, values: Sequence[str]) -> str:
    """One name for one count: the limit, what it counts, and whom."""
    whom = " ".join(f"{scope}={value}" for (scope, _), value in zip(rule.scopes, values, strict=True))
    return f"{rule.name} {rule.quantity} {whom}"


class Names:
    """Which rule a counter belongs to, by the counter's name: it may have been counted under rules of another day."""

    def __init__(self, rules: Rules) -> None:
        self._rules = {(rule.name, rule.quantity): (rule, _whom(rule)) for rule in rules.all}

    def find(self, counter: str) -> Counted | None:
        """None where no rule would count so."""
        name, _, rest = counter.partition(" ")
        quantity, _, whom = rest.partition(" ")
        rule, fits = self._rules.get((name, quantity), (None, None))
        if rule is None or fits is None or not fits.fullmatch(whom):
            return None
        return Counted(rule, counter)


def _whom(rule: Rule) -> re.Pattern[str]:
    """What ``counter_name`` writes of those that the rule is for."""
    values = [".+" if wanted == EVERY else re.escape(wanted) for _, wanted in rule.scopes]
    whom = " ".join(f"{scope}={value}" for (scope, _), value in zip(rule.scopes, values, strict=True))
    return re.compile(whom, re.DOTALL)


def _fitting(rule: Rule, values: _Values) -> Iterator[Counted]:
    """The counters of a rule for one call: one, or one for each of its tags; none where it does not fit."""
    found: list[tuple[str, ...]] = [()]
    for scope, wanted in rule.scopes:
        here = values.fitting(scope, wanted)
        found = [(*before, value) for before in found for value in here]
    at = next((number for number, (scope, _) in enumerate(rule.scopes) if scope == "provider"), None)
    for whom in found:
        yield Counted(rule, counter_name(rule, whom), "" if at is None else whom[at])
