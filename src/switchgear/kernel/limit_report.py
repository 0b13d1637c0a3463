"""What a gateway tells of its limits: how much of each is used, and by whom."""

from collections.abc import Iterable

from msgspec import Struct


class LimitReport(Struct, frozen=True, kw_only=True):
    """One count of one limit, in its present window."""

    limit: str
    """The name it was declared under."""
    quantity: str
    whom: str
    """Scopes with their values: ``key=support-bot``; empty where all calls count together."""
    used: int
    """What counts against the limit, held by calls under way or settled; nano-dollars where the quantity is ``usd``."""
    held: int
    allowed: int
    action: str
    period: str = ""
    """Empty for what is counted only while it lasts."""
    ends_ns: int = 0
    """Wall time of the window's end; 0 where there is none."""
    known: bool = True
    """False: the counters that gateways share could not be asked."""

    @property
    def share(self) -> float:
        """How much of it is used: above 1 where it does not block."""
        return self.used / self.allowed


def merged_limits(told: Iterable[LimitReport]) -> list[LimitReport]:
    """The counts of several gateways, each once; the most used first.

    Gateways that share counters tell the same of them but for the moment: the higher word counts.
    """
    found: dict[tuple[str, str, str], LimitReport] = {}
    for one in told:
        key = (one.limit, one.quantity, one.whom)
        known = found.get(key)
        if known is None or (one.ends_ns, one.used) > (known.ends_ns, known.used):
            found[key] = one
    return sorted(found.values(), key=lambda one: (-one.share, one.limit, one.quantity, one.whom))
