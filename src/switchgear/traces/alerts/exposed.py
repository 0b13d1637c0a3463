"""How alerts stand, in Prometheus' text format: by rule and state, not by labels, of which there may be any number."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from switchgear.traces.alerts.machine import Standing, State
from switchgear.traces.families import OTHER, Family

_ALERTS: Final = (
    "switchgear_alerts",
    "gauge",
    "Alerts of the rule that stand so, at the last look of the control process that looks at rules.",
)
_STATES: Final[tuple[State, ...]] = ("pending", "firing")
MOST_RULES: Final = 500


def exposition(rules: Iterable[str], standings: Iterable[Standing]) -> str:
    """A line for each rule and state; rules beyond the bound count together as ``other``."""
    names = sorted(set(rules))
    shown = set(names[:MOST_RULES])
    numbers = Counter[tuple[str, str]]({(name, state): 0 for name in shown for state in _STATES})
    for standing in standings:
        if standing.state in _STATES:
            numbers[standing.rule if standing.rule in shown else OTHER, standing.state] += 1
    family = Family(*_ALERTS, ("rule", "state"))
    return family.text(family.line(labels, number) for labels, number in sorted(numbers.items()))
