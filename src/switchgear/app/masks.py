"""From the configuration to what is masked in which project."""

from collections.abc import Callable, Mapping

from switchgear.config.model import Config
from switchgear.config.trace_checks import NO_PROJECT
from switchgear.config.traces import MaskEntry
from switchgear.guardrails.finders import Finder, compiled, finder
from switchgear.guardrails.masking import Mask


class ConfiguredMasks:
    """Those of the configuration in force, compiled once for each version of them."""

    def __init__(self, config: Callable[[], Config]) -> None:
        self._config = config
        self._made_of: Mapping[str, MaskEntry] = {}
        self._made: tuple[tuple[frozenset[str], Mask], ...] = ()

    def __call__(self, project: str) -> tuple[Mask, ...]:
        """Spans of calls without a project have an empty one here, or ``default``."""
        entries = self._config().traces.masks
        if entries is not self._made_of:
            self._made = tuple((frozenset(entry.projects), _mask(name, entry)) for name, entry in entries.items())
            self._made_of = entries
        wanted = project or NO_PROJECT
        return tuple(mask for projects, mask in self._made if not projects or wanted in projects)


def _mask(name: str, entry: MaskEntry) -> Mask:
    found = Finder(compiled(entry.pattern)) if entry.find is None else finder(entry.find)
    return Mask(name=name, finder=found, replacement=f"[{name}]" if entry.replacement is None else entry.replacement)
