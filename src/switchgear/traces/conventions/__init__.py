"""How senders name what they tell of a span: one file for each convention, found by looking through this folder."""

from switchgear.traces.conventions.convention import Convention, Named
from switchgear.traces.conventions.registry import discover

__all__ = ["Convention", "Named", "discover"]
