"""How one alert goes on: inactive, pending, firing, recovered. Pure: the clock is an argument.

A reading says what is known now: the condition is met, it is over (``clear``), there was too little to judge by, or
nobody answered. What is not known decides nothing. While an alert is pending, time of which nothing was known does not
count; an alert that fires goes on firing, and its recovery begins anew. So neither a store that is down nor a quiet
night is ever taken for good news. Only after ``lapse_seconds`` of too little is a firing let go, and said to have
lapsed.
"""

from typing import Final, Literal

from msgspec import Struct, structs

from switchgear.traces.alerts.rule import NANOSECONDS, Rule

State = Literal["inactive", "pending", "firing", "recovered", "lapsed", "withdrawn"]
Knowledge = Literal["met", "clear", "too_little", "unanswered"]
Event = Literal["firing", "repeated", "recovered", "lapsed", "withdrawn"]
KNOWN: Final = frozenset(("met", "clear"))
QUIET: Final = frozenset(("inactive", "recovered", "lapsed", "withdrawn"))
"""States in which nothing is wrong, as far as anybody knows."""


class Reading(Struct, frozen=True, kw_only=True):
    """What was found for one alert, and the number behind it."""

    knowledge: Knowledge
    value: float | None = None
    before: float | None = None
    """The value of the window before, where that matters."""
    calls: int | None = None
    detail: str = ""
    """What else there is to say of it, in words."""


class Standing(Struct, frozen=True, kw_only=True):
    """How one alert stands: the alert of a rule for one value of what it is grouped by."""

    rule: str
    labels: str = ""
    """``field=value`` of the group; empty without one."""
    project: str = ""
    state: State = "inactive"
    knowledge: Knowledge = "clear"
    value: float | None = None
    episode: str = ""
    """One firing, from its pending on: what notices of it are told apart by."""
    since_ns: int = 0
    """When it came into its state."""
    looked_ns: int = 0
    known_ns: int = 0
    """When something was last known."""
    met_since_ns: int = 0
    """When the condition began to be met without a break; 0: it is not."""
    clear_since_ns: int = 0
    """The same of its being over."""
    told_ns: int = 0
    """When somebody was last told of this firing; 0: nobody was."""


class Step(Struct, frozen=True, kw_only=True):
    """Where a reading leads."""

    after: Standing
    event: Event | None = None
    """What receivers are to be told now."""


def step(standing: Standing, reading: Reading, rule: Rule, now_ns: int, *, silenced: bool = False) -> Step:
    """Go on from ``standing`` by what is known at ``now_ns``; a silenced alert goes its way, and nobody is told."""
    seen = _seen(standing, reading, now_ns)
    moved = _moved(seen, rule, now_ns)
    event = _event(standing, moved, rule, now_ns, silenced=silenced)
    if event in ("firing", "repeated"):
        moved = structs.replace(moved, told_ns=now_ns)
    return Step(after=moved, event=event)


def withdraw(standing: Standing, now_ns: int) -> Step:
    """Its rule is gone: nobody looks any more, and who was told of a firing is told that too."""
    after = structs.replace(standing, state="withdrawn", since_ns=now_ns, looked_ns=now_ns)
    return Step(after=after, event="withdrawn" if standing.state == "firing" and standing.told_ns else None)


def _seen(standing: Standing, reading: Reading, now_ns: int) -> Standing:
    """``standing`` with what was just found, before anything follows from it."""
    passed_ns = now_ns - standing.looked_ns if standing.looked_ns else 0
    met, clear, known = standing.met_since_ns, standing.clear_since_ns, now_ns
    if reading.knowledge == "met":
        met, clear = met or now_ns, 0
    elif reading.knowledge == "clear":
        met, clear = 0, clear or now_ns
    else:
        met, clear, known = (met + passed_ns if met else 0), 0, standing.known_ns or now_ns
    return structs.replace(
        standing,
        knowledge=reading.knowledge,
        value=reading.value,
        looked_ns=now_ns,
        known_ns=known,
        met_since_ns=met,
        clear_since_ns=clear,
    )


def _moved(seen: Standing, rule: Rule, now_ns: int) -> Standing:
    """Into which state it comes; more than one step may follow from one reading."""
    if seen.knowledge == "met" and seen.state in QUIET:
        seen = structs.replace(seen, state="pending", since_ns=now_ns, told_ns=0, episode="")
    if seen.state == "pending":
        return _from_pending(seen, rule, now_ns)
    if seen.state == "firing":
        return _from_firing(seen, rule, now_ns)
    return seen


def _from_pending(seen: Standing, rule: Rule, now_ns: int) -> Standing:
    if seen.knowledge == "clear":
        return structs.replace(seen, state="inactive", since_ns=now_ns)
    if seen.knowledge == "met" and now_ns - seen.met_since_ns >= rule.for_seconds * NANOSECONDS:
        return structs.replace(seen, state="firing", since_ns=now_ns)
    if _unknown_for(seen, rule, now_ns):
        return structs.replace(seen, state="inactive", since_ns=now_ns, met_since_ns=0)
    return seen


def _from_firing(seen: Standing, rule: Rule, now_ns: int) -> Standing:
    if seen.knowledge == "clear" and now_ns - seen.clear_since_ns >= rule.recover_for_seconds * NANOSECONDS:
        return structs.replace(seen, state="recovered", since_ns=now_ns)
    if _unknown_for(seen, rule, now_ns):
        return structs.replace(seen, state="lapsed", since_ns=now_ns, met_since_ns=0)
    return seen


def _unknown_for(seen: Standing, rule: Rule, now_ns: int) -> bool:
    """A store that does not answer says nothing of calls that are no more: only too little counts."""
    is_over = now_ns - seen.known_ns >= rule.lapse_seconds * NANOSECONDS
    return seen.knowledge == "too_little" and is_over


def _event(before: Standing, after: Standing, rule: Rule, now_ns: int, *, silenced: bool) -> Event | None:
    if after.state == "firing":
        if silenced:
            return None
        if not after.told_ns:
            return "firing"
        is_due = rule.repeat_seconds and now_ns - after.told_ns >= rule.repeat_seconds * NANOSECONDS
        return "repeated" if is_due else None
    # Who was told that it fires is told that it is over, silence or not: nobody keeps an open incident.
    if before.state != "firing" or not before.told_ns:
        return None
    return "lapsed" if after.state == "lapsed" else "recovered"
