"""Whether collectors of spans can be reached, masks can find anything, and certificates prove what they should."""

from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from typing import Final

from switchgear.config.alert_checks import unknown_name
from switchgear.config.document import problem_at
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown
from switchgear.config.stores import is_stand_in
from switchgear.config.traces import ExportEntry, GrpcTlsEntry, MaskEntry
from switchgear.config.written import Written
from switchgear.kernel.errors import ConfigError
from switchgear.traces.export.address import address
from switchgear.upstream.request import header_lines

NO_PROJECT: Final = "default"
Faults = Callable[[Mapping[str, str]], Iterator[tuple[str, str]]]
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


def mask_faults(entry: MaskEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a mask in itself: the field, and the rest of a sentence."""
    if (entry.find is None) == (not entry.pattern):
        yield "find", "needs one of `find` and `pattern`, and not both"
    elif entry.pattern:
        # Only who uses them pays for patterns.
        compiled: Callable[[str], object] = import_module("switchgear.guardrails.finders").compiled
        try:
            compiled(entry.pattern)
        except ValueError as error:
            yield "pattern", f"has a pattern that {error}"


def tls_faults(entry: GrpcTlsEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a certificate and its key: the field, and what; neither is repeated."""
    given = {"certificate": entry.certificate, "key": entry.key}
    if entry.client_authorities is not None:
        given["client_authorities"] = entry.client_authorities
    told = {field: secret.reveal() for field, secret in given.items()}
    # Only who uses them pays for reading certificates.
    faults: Faults = import_module("switchgear.traces.doors.certificates").faults
    yield from faults({field: text for field, text in told.items() if not is_stand_in(text)})


class TraceChecks:
    """Finds every disagreement among collectors of spans, among masks, and between a certificate and its key."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        yield from self._of_masks()
        yield from self._of_tls()
        written = self._written
        for name, entry in self._config.traces.export.items():
            if not written.is_faulty(entry):
                for field, text in collector_faults(entry):
                    yield written.at(entry, field, f"the collector {shown(name)} {text}")
            yield from self._of_projects(entry)

    def _of_tls(self) -> Iterator[Problem]:
        grpc = self._config.traces.grpc
        entry = None if grpc is None else grpc.tls
        if entry is not None and not self._written.is_faulty(entry):
            for field, text in tls_faults(entry):
                yield self._written.at(entry, field, f"traces.grpc.tls.{field} {text}")

    def _of_masks(self) -> Iterator[Problem]:
        written = self._written
        for name, entry in self._config.traces.masks.items():
            if not written.is_faulty(entry):
                for field, text in mask_faults(entry):
                    yield written.at(entry, field, f"the mask {shown(name)} {text}")
            yield from self._of_projects(entry)

    def _of_projects(self, entry: ExportEntry | MaskEntry) -> Iterator[Problem]:
        for project, item in self._written.items(entry, "projects", entry.projects):
            problem = None if project == NO_PROJECT else unknown_name(self._config, "projects", project)
            if problem:
                yield problem_at(item, problem)
