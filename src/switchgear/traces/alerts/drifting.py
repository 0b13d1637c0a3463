"""What the newest checks for drift amount to for a rule: each model, and each prompt to it, is an alert by itself."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from switchgear.traces.alerts.machine import Reading
from switchgear.traces.alerts.rule import Drift
from switchgear.traces.drift.newest import Told
from switchgear.traces.drift.report import Compared
from switchgear.traces.drift.result import Result

Newest = Callable[[str, int], Awaitable[Sequence[Told]]]
"""What checks have told of a project since a time, the newest first. Raises OSError."""

OLDEST_NS: Final = 50 * 3_600_000_000_000
"""A check that is older says nothing any more: two daily ones should have been made since."""
_JUDGED: Final = ("drift", "none")


def readings(told: Sequence[Told], of: Drift) -> dict[str, Reading]:
    """By labels: what the newest check says that could judge, or that none could."""
    found: dict[str, Reading] = {}
    for compared in (one.compared for one in told):
        if not (_fits(compared.model, of.model) and _fits(compared.prompt, of.prompt)):
            continue
        labels = labels_of(compared)
        if labels not in found or found[labels].knowledge == "too_little":
            found[labels] = _reading(compared, of.monitor)
    return found


def labels_of(compared: Compared) -> str:
    """``request_model=...``, and ``prompt_name=...`` where it is of one prompt."""
    prompt = f" prompt_name={compared.prompt}" if compared.prompt else ""
    return f"request_model={compared.model}{prompt}"


def _reading(compared: Compared, monitor: str) -> Reading:
    judged = [one for one in compared.results if one.verdict in _JUDGED and monitor in ("", one.monitor)]
    if not judged:
        return Reading(knowledge="too_little", calls=compared.current_calls)
    drifted = [one for one in judged if one.verdict == "drift"]
    return Reading(
        knowledge="met" if drifted else "clear",
        value=min(_p(one) for one in judged),
        calls=compared.current_calls,
        detail=", ".join(dict.fromkeys(map(_shown, drifted))),
    )


def _p(result: Result) -> float:
    return result.p_value if result.adjusted_p is None else result.adjusted_p


def _shown(result: Result) -> str:
    return f"{result.monitor} since {result.since}" if result.since else result.monitor


def _fits(name: str, wanted: str) -> bool:
    return wanted in ("", name) or (wanted.endswith("*") and bool(name) and name.startswith(wanted[:-1]))
