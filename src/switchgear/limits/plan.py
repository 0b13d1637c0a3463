"""Which rules a call falls under, and what it claims of each counter."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from msgspec import Struct

from switchgear.kernel.call import Call, Caller
from switchgear.kernel.ports import Claim
from switchgear.limits.model import EVERY, NANOSECONDS, Quantity, Rule, Rules, Scope, Window, window_at

_MOST_PLANS: Final = 10_000
_SAID: Final[tuple[Scope, ...]] = ("end_user", "tag", "provider")
"""Scopes that are not settled by key and model."""
_NOBODY: Final = Caller(key="")


class Estimate(Struct, frozen=True, gc=False):
    """What a call may come to use, at most as far as can be told before it is made."""

    input_tokens: int = 0
    output_tokens: int = 0
    cost_nano_usd: int = 0
    requests: int = 1


class Counted(Struct, frozen=True):
    """A rule and the counter of it that a call falls under."""

    rule: Rule
    counter: str
    provider: str = ""
    """Where only what is done at one provider counts."""
    enforced: bool = False


class Plan(Struct, frozen=True):
    """Everything that calls of one key for one model fall under, whatever else they say."""

    counted: tuple[Counted, ...]
    said: tuple[Rule, ...]
    """Rules that depend on what a call says of itself."""


class Planner:
    """Finds the plan of a call; those of the keys and models that call are kept."""

    __slots__ = ("_plans", "_windows", "rules")

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self._plans: dict[tuple[str, str], Plan] = {}
        self._windows: dict[tuple[str, bool], Window] = {}

    def counted(self, call: Call, providers: Sequence[str]) -> tuple[Counted, ...]:
        """The counters that ``call`` falls under, each once; ``providers`` are where it may go.

        Where it goes is chosen later: a provider's limit refuses calls that can go nowhere else, and counts all.
        """
        caller = call.caller or _NOBODY
        model = call.head.model
        plan = self._plans.get((caller.key, model))
        if plan is None:
            plan = self._remember(caller, model)
        if not plan.said:
            return plan.counted
        return (*plan.counted, *_said(plan.said, caller, call, providers))

    def window(self, rule: Rule, now_ns: int) -> Window | None:
        """The present window of a rule; None for what is counted only while it lasts."""
        if rule.period is None:
            return None
        key = (rule.period, rule.sliding)
        window = self._windows.get(key)
        if window is None or not window.begins_ns <= now_ns < window.ends_ns:
            window = self._windows[key] = window_at(rule.period, now_ns, sliding=rule.sliding)
        return window

    def claims(self, counted: Sequence[Counted], estimate: Estimate, now_ns: int) -> tuple[Claim, ...]:
        """What is asked of each counter for a call that may use ``estimate``."""
        return tuple([self._claim(each, amount_of(each.rule.quantity, estimate), now_ns) for each in counted])

    def _claim(self, counted: Counted, amount: int, now_ns: int) -> Claim:
        rule = counted.rule
        window = self.window(rule, now_ns)
        if window is None:
            return Claim(
                counter=counted.counter,
                amount=amount,
                limit=rule.limit,
                enforced=counted.enforced,
                when_unreachable=rule.when_unreachable,
            )
        kept_ns = window.ends_ns - now_ns
        if window.previous:
            kept_ns += window.ends_ns - window.begins_ns
        return Claim(
            counter=counted.counter,
            amount=amount,
            limit=rule.limit,
            window=window.name,
            previous=window.previous,
            previous_parts=window.previous_parts(now_ns),
            keep_seconds=kept_ns / NANOSECONDS,
            enforced=counted.enforced,
            when_unreachable=rule.when_unreachable,
        )

    def _remember(self, caller: Caller, model: str) -> Plan:
        counted: list[Counted] = []
        said: list[Rule] = []
        for rule in self.rules.all:
            scopes = {scope for scope, _ in rule.scopes}
            if not scopes.isdisjoint(_SAID):
                said.append(rule)
            else:
                counted += _fitting(rule, lambda scope: _of_key(caller, model, scope))
        if len(self._plans) >= _MOST_PLANS:
            self._plans.clear()
        plan = self._plans[caller.key, model] = Plan(tuple(counted), tuple(said))
        return plan


def amount_of(quantity: Quantity, used: Estimate) -> int:
    """How much of a quantity a call uses."""
    match quantity:
        case "requests" | "concurrent":
            return used.requests
        case "tokens":
            return used.input_tokens + used.output_tokens
        case "input_tokens":
            return used.input_tokens
        case "output_tokens":
            return used.output_tokens
        case _:
            return used.cost_nano_usd


def counter_name(rule: Rule, values: Sequence[str]) -> str:
    """One name for one count: the limit, what it counts, and whom."""
    whom = " ".join(f"{scope}={value}" for (scope, _), value in zip(rule.scopes, values, strict=True))
    return f"{rule.name} {rule.quantity} {whom}"


def _said(rules: Sequence[Rule], caller: Caller, call: Call, providers: Sequence[str]) -> Iterator[Counted]:
    labels = call.labels()
    tags = tuple(dict.fromkeys((*caller.tags, *labels.tags)))

    def values(scope: Scope) -> Sequence[str]:
        if scope == "tag":
            return tags
        if scope == "end_user":
            return (labels.user,)
        if scope == "provider":
            return providers
        return _of_key(caller, call.head.model, scope)

    for rule in rules:
        yield from _fitting(rule, values, len(providers))


def _fitting(rule: Rule, values: Callable[[Scope], Sequence[str]], ways: int = 1) -> Iterator[Counted]:
    """The counters of a rule for one caller: one, or one for each of its tags; none where it does not fit.

    ``ways``: to how many providers the call may go.
    """
    found: list[tuple[str, ...]] = [()]
    for scope, wanted in rule.scopes:
        here = [value for value in values(scope) if value and wanted in (EVERY, value)]
        found = [(*before, value) for before in found for value in here]
    at = next((number for number, (scope, _) in enumerate(rule.scopes) if scope == "provider"), None)
    enforced = rule.enforced and (at is None or ways == 1)
    for whom in found:
        yield Counted(rule, counter_name(rule, whom), "" if at is None else whom[at], enforced)


def _of_key(caller: Caller, model: str, scope: Scope) -> Sequence[str]:
    match scope:
        case "key":
            return (caller.key,)
        case "user":
            return (caller.user,)
        case "team":
            return (caller.team,)
        case "project":
            return (caller.project,)
        case "organisation":
            return (caller.organisation,)
        case "model":
            return (model,)
        case _:
            return ()
