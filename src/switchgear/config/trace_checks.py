"""Whether collectors of spans can be reached, and are to have what is there."""

from collections.abc import Iterator
from typing import Final

from switchgear.config.alert_checks import unknown_name
from switchgear.config.document import problem_at
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.traces import ExportEntry
from switchgear.config.written import Written
from switchgear.kernel.errors import ConfigError
from switchgear.traces.export.address import address
from switchgear.upstream.request import header_lines

NO_PROJECT: Final = "default"
_ITS_OWN: Final = frozenset(("content-type", "content-encoding"))


def collector_faults(entry: ExportEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a collector in itself: the field, and the rest of a sentence; no secret is repeated."""
    try:
        address(entry.endpoint)
    except ConfigError as error:
        yield "endpoint", f"cannot be reached: {error.message}"
    for name, value in entry.headers.items():
        if name.lower() in _ITS_OWN:
            yield "headers", f"has the header {shown(name)}, which the export writes itself; take it out"
        elif header_lines(((name, value.reveal()),)) is None:
            yield "headers", f"has the header {shown(name)}, which cannot be sent: its name or its value is no header's"


class TraceChecks:
    """Finds every disagreement among collectors of spans."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        written = self._written
        for name, entry in self._config.traces.export.items():
            if not written.is_faulty(entry):
                for field, text in collector_faults(entry):
                    yield written.at(entry, field, f"the collector {shown(name)} {text}")
            for project, item in written.items(entry, "projects", entry.projects):
                problem = None if project == NO_PROJECT else unknown_name(self._config, "projects", project)
                if problem:
                    yield problem_at(item, problem)
