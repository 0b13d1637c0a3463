"""Whether rules of alerts ask something that has an answer, and receivers can be reached."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import structs

from switchgear.config.alerts import AlertRuleEntry, ReceiverEntry, WhereEntry
from switchgear.config.document import problem_at
from switchgear.config.loopback import is_loopback
from switchgear.config.model import Config
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.secret import Secret
from switchgear.config.written import Written
from switchgear.kernel.errors import ConfigError
from switchgear.traces.alerts.deliver.posting import read_address

MIN_SECRET: Final = 16
_WATCHED: Final = ("measure", "limit", "absent_seconds", "drift")
_TESTS: Final = ("above", "below", "grows_by", "falls_by")
_OF_KIND: Final[Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
    "webhook": (("url", "secret"), ()),
    "slack": (("url",), ()),
    "pagerduty": (("routing_key",), ("url",)),
    "email": (("host", "sender", "to"), ("port", "encryption", "user", "password")),
}
"""By kind: the fields that it needs, and those that it may have."""


def rule_faults(entry: AlertRuleEntry) -> Iterator[tuple[str, str]]:
    """What is wrong with a rule in itself: the field, and the rest of a sentence that begins with the rule."""
    watched = _said(entry, _WATCHED)
    tests = _said(entry, _TESTS)
    if not watched:
        yield "", "watches nothing; give it 'measure', 'limit', 'absent_seconds' or 'drift'"
    if len(watched) > 1:
        yield watched[1], f"watches {' and '.join(map(repr, watched))}; make a rule of each"
    if len(tests) > 1:
        yield tests[1], f"has {' and '.join(map(repr, tests))}; make a rule of each"
    of_watched = {
        "measure": _measure_faults,
        "limit": _limit_faults,
        "absent_seconds": _absence_faults,
        "drift": _drift_faults,
    }
    if len(watched) == 1:
        yield from of_watched[watched[0]](entry, tests)
    if entry.quantity is not None and entry.limit is None:
        yield "quantity", "has a 'quantity' without a 'limit' that it is of; leave it out"


def _measure_faults(entry: AlertRuleEntry, tests: list[str]) -> Iterator[tuple[str, str]]:
    if not tests:
        yield "", "is never an alarm; give it 'above', 'below', 'grows_by' or 'falls_by'"
    for field in ("above", "below"):
        bound: float | None = getattr(entry, field)
        if bound is not None and bound > 1 and entry.measure == "error_rate":
            yield field, f"compares a share of calls with {bound:g}; write {bound / 100:g} for {bound:g} %"
    if entry.below == 0:
        yield "below", "is never an alarm: nothing is below 0"


def _limit_faults(entry: AlertRuleEntry, tests: list[str]) -> Iterator[tuple[str, str]]:
    if tests != ["above"]:
        yield (tests or [""])[0], "watches the used share of a limit; give it 'above', such as 0.8, and nothing else"
    for field in ("by", "min_calls"):
        if getattr(entry, field):
            yield field, f"is an alert for each whom its limit counts by itself; leave {field!r} out"


def _absence_faults(entry: AlertRuleEntry, tests: list[str]) -> Iterator[tuple[str, str]]:
    for field in (*tests, *(["min_calls"] if entry.min_calls else [])):
        yield field, f"asks whether there is anything at all; leave {field!r} out"


def _drift_faults(entry: AlertRuleEntry, tests: list[str]) -> Iterator[tuple[str, str]]:
    for field in (*tests, *(name for name in ("by", "min_calls") if getattr(entry, name))):
        yield field, f"is told by checks for drift, of each model and prompt by itself; leave {field!r} out"
    if structs.replace(entry.where, request_model=None, prompt_name=None) != WhereEntry():
        yield "where", "watches models and prompts; 'where' can say 'request_model' and 'prompt_name' of them"


def receiver_faults(entry: ReceiverEntry) -> Iterator[tuple[str, str]]:
    """The same of a receiver; no secret is repeated."""
    needed, possible = _OF_KIND[entry.kind]
    for field in needed:
        if not getattr(entry, field):
            yield "", f"is a {entry.kind} and needs {field!r}"
    for field in ReceiverEntry.__struct_fields__:
        if field != "kind" and getattr(entry, field) and field not in (*needed, *possible):
            yield field, f"is a {entry.kind}, which has no {field!r}; take it out"
    if entry.url is not None:
        yield from _address_faults(entry.url)
    if entry.secret is not None and len(entry.secret.reveal()) < MIN_SECRET:
        yield "secret", f"has a secret that is shorter than {MIN_SECRET} characters"
    if entry.kind == "email":
        yield from _mail_faults(entry)


def _address_faults(url: Secret) -> Iterator[tuple[str, str]]:
    try:
        read_address(url.reveal())
    except ConfigError as error:
        yield "url", f"cannot be reached: {error.message}"


def _mail_faults(entry: ReceiverEntry) -> Iterator[tuple[str, str]]:
    if entry.encryption == "none" and entry.host is not None and not is_loopback(entry.host):
        yield "encryption", "sends mail in clear over the network; say starttls or tls"
    if (entry.user is None) != (entry.password is None):
        yield "user" if entry.password is None else "password", "needs both 'user' and 'password', or neither"
    for field, addresses in (("sender", [entry.sender] if entry.sender else []), ("to", entry.to)):
        for address in addresses:
            name, at, host = address.rpartition("@")
            if not (at and name and host) or not address.isascii() or set(address) & set(" ,;<>"):
                yield field, f"has {shown(address)}, which is no address like ops@example.com"


class AlertChecks:
    """Finds every disagreement among rules and receivers."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        written = self._written
        for name, entry in self._config.alerts.rules.items():
            if not written.is_faulty(entry):
                for field, text in rule_faults(entry):
                    yield written.at(entry, field, f"the rule {shown(name)} {text}")
            yield from self._names(entry)
        for name, entry in self._config.alerts.receivers.items():
            if not written.is_faulty(entry):
                for field, text in receiver_faults(entry):
                    yield written.at(entry, field, f"the receiver {shown(name)} {text}")

    def _names(self, entry: AlertRuleEntry) -> Iterator[Problem]:
        written = self._written
        for receiver, item in written.items(entry, "notify", entry.notify):
            problem = unknown_receiver(self._config, receiver)
            if problem:
                yield problem_at(item, problem)
        for field, section in (("project", "projects"), ("limit", "limits")):
            name: str | None = getattr(entry, field)
            problem = None if name is None else unknown_name(self._config, section, name)
            if problem:
                yield written.at(entry, field, problem)


def unknown_receiver(config: Config, name: str) -> str | None:
    """What is wrong with a name under ``notify``."""
    known = config.alerts.receivers
    if name in known:
        return None
    return f"{shown(name)} is not declared under 'alerts.receivers'{suggestion(name, known)}"


def unknown_name(config: Config, section: str, name: str) -> str | None:
    """What is wrong with the name of a project or a limit, as far as the file knows them."""
    known: Mapping[str, object] = getattr(config, section)
    return None if name in known else f"{shown(name)} is not declared under {section!r}{suggestion(name, known)}"


def _said(entry: AlertRuleEntry, fields: tuple[str, ...]) -> list[str]:
    return [field for field in fields if getattr(entry, field) is not None]
