"""What types cannot say: entries that must agree with each other."""

from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from switchgear.config.alert_checks import AlertChecks
from switchgear.config.batches import BatchesEntry, zone
from switchgear.config.card_checks import CardChecks
from switchgear.config.console_checks import ConsoleChecks
from switchgear.config.control import NO_DATABASE
from switchgear.config.document import problem_at
from switchgear.config.identity import Key
from switchgear.config.identity_checks import IdentityChecks
from switchgear.config.limit_checks import LimitChecks
from switchgear.config.loopback import is_loopback
from switchgear.config.model import Config, ModelEntry, ProviderEntry
from switchgear.config.passthrough_checks import PassThroughChecks
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.reader import Places
from switchgear.config.routing_checks import RoutingChecks
from switchgear.config.secret import MASK, Secret
from switchgear.config.state import CountersEntry, State
from switchgear.config.trace_checks import TraceChecks
from switchgear.config.traces import ClickHouseEntry
from switchgear.config.written import Declared, Written
from switchgear.engines.clickhouse_address import read_origin
from switchgear.engines.redis_address import read_address
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import PASSTHROUGH
from switchgear.providers import Kind

MIN_KEY_LENGTH: Final = 16
"""Virtual keys are stored under a plain digest, which is safe only for keys that nobody can guess."""
INDISPENSABLE: Final = frozenset(("input", "messages", "model", "prompt", "stream", "stream_options"))
"""Fields that no call is without, or that the gateway itself answers for."""
NEEDS_KEY: Final = (
    "refuses to listen elsewhere than on this machine without a key: declare one under 'keys' "
    "(`switchgear key new NAME` makes it), set server.require_key where `switchgear keys create` makes them, or "
    "listen on 127.0.0.1"
)

_WITH_A_SERVER: Final = ("http", "https")
NEEDS_URL: Final = "'redis' needs the server's address: add `url: ${REDIS_URL}`"
NEEDS_FILES: Final = "'memory' is one gateway's own, and there are more (server.workers); choose 'files' or 'redis'"


def needs_key(config: Config) -> bool:
    """Whether ``config`` would serve strangers without asking for a key."""
    return _is_open(config, config.server.host)


def _is_open(config: Config, host: str) -> bool:
    if config.server.require_key:
        return False
    return not is_loopback(host) and all(key.disabled for key in config.keys)


def _secrets(entry: ProviderEntry) -> list[Secret]:
    given = (entry.api_key, *entry.api_keys, entry.proxy, *entry.headers.values(), *entry.options.values())
    return [secret for secret in given if secret is not None]


class Checks:
    """Finds every disagreement in a configuration whose types are right.

    ``declared`` are the names under ``providers`` and ``models`` as the file has them, those with faults of their own
    included, so that one fault is not told twice.
    """

    def __init__(self, config: Config, places: Places, kinds: Mapping[str, Kind], declared: Declared) -> None:
        self._config = config
        self._written = Written(places, declared)
        self._kinds = kinds
        self._declared = declared

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        yield from self._addresses()
        if self._config.state.engine == "memory" and self._config.server.workers > 1:
            yield self._written.at(self._config.state, "engine", NEEDS_FILES)
        if not self._config.control.is_known:
            yield self._written.at(self._config.control, "database", f"the database {NO_DATABASE}")
        for entry in (self._config.state, self._config.counters):
            yield from self._redis(entry)
        yield from self._clickhouse(self._config.traces.clickhouse)
        if self._config.batches is not None:
            yield from self._batches(self._config.batches)
        for key in self._config.keys:
            yield from self._key(key)
        yield from self._repeated_keys()
        if not self._declared.providers:
            yield self._written.at(
                self._config, "providers", "no provider is declared; `sim: {kind: simulator}` would be one"
            )
        for name, entry in self._config.providers.items():
            yield from self._provider(name, entry)
        for name, entry in self._config.models.items():
            yield from self._model(name, entry)
        yield from RoutingChecks(self._config, self._written).problems()
        yield from ConsoleChecks(self._config, self._written).problems()
        yield from LimitChecks(self._config, self._written).problems()
        yield from AlertChecks(self._config, self._written).problems()
        yield from TraceChecks(self._config, self._written).problems()
        yield from IdentityChecks(self._config, self._written).problems()
        yield from CardChecks(self._config, self._written).problems()
        yield from PassThroughChecks(self._config, self._written, self._kinds).problems()

    def _addresses(self) -> Iterator[Problem]:
        for entry in (self._config.server, self._config.traces.grpc):
            if entry is not None and not self._declared.faulty_keys and _is_open(self._config, entry.host):
                yield self._written.at(entry, "host", NEEDS_KEY)

    def _redis(self, entry: State | CountersEntry) -> Iterator[Problem]:
        if entry.engine != "redis":
            return
        if entry.url is None:
            yield self._written.at(entry, "engine", NEEDS_URL)
            return
        try:
            read_address(entry.url.reveal())
        except ConfigError as error:
            yield self._written.at(entry, "url", error.message)

    def _clickhouse(self, entry: ClickHouseEntry | None) -> Iterator[Problem]:
        if entry is None:
            return
        try:
            read_origin(entry.url)
        except ConfigError as error:
            yield self._written.at(entry, "url", error.message)

    def _batches(self, entry: BatchesEntry) -> Iterator[Problem]:
        try:
            zone(entry.time_zone)
        except ValueError:
            said = shown(self._written.value(entry, "time_zone", entry.time_zone))
            yield self._written.at(entry, "time_zone", f"the time zone {said} is not known; say UTC or Europe/Zurich")
        for window, item in self._written.items(entry, "windows", entry.windows):
            begins, _, ends = window.partition("-")
            if begins == ends:
                yield problem_at(item, f"{shown(window)} ends when it begins; leave 'windows' out for any time")

    def _key(self, key: Key) -> Iterator[Problem]:
        name = shown(self._written.value(key, "name", key.name))
        if (key.hash is None) == (key.key is None) and not self._written.is_faulty(key):
            yield self._written.at(key, "", f"the key {name} must have either 'hash' or 'key'")
        if key.key is not None and len(key.key.reveal()) < MIN_KEY_LENGTH:
            yield self._written.at(key, "key", f"the key {name} is shorter than {MIN_KEY_LENGTH} characters")
        for allowed, item in self._written.items(key, "models", key.models):
            problem = self._allowed(allowed, str(item.value))
            if problem:
                yield problem_at(item, problem)

    def _allowed(self, allowed: str, written: str) -> str | None:
        """What is wrong with a name in a key's list: it can never match. A prefix may wait for models to come."""
        if "*" in allowed[:-1]:
            return f"{shown(written)}: a '*' may only stand at the end"
        return None if allowed.endswith("*") else self._written.unknown_model(allowed, written)

    def _repeated_keys(self) -> Iterator[Problem]:
        names: set[str] = set()
        owners: dict[bytes, Key] = {}
        for key in self._config.keys:
            name = shown(self._written.value(key, "name", key.name))
            if key.name in names:
                yield self._written.at(key, "name", f"two keys are named {name}")
            names.add(key.name)
            owner = owners.setdefault(key.digest(), key) if key.hash or key.key else key
            if owner is not key:
                first = shown(self._written.value(owner, "name", owner.name))
                yield self._written.at(
                    key, "hash" if key.key is None else "key", f"the keys {first} and {name} are the same key"
                )

    def _provider(self, name: str, entry: ProviderEntry) -> Iterator[Problem]:
        kind = self._kinds.get(entry.kind)
        if kind is None:
            written = self._written.value(entry, "kind", entry.kind)
            yield self._written.at(entry, "kind", f"unknown kind {shown(written)}{suggestion(written, self._kinds)}")
            return
        yield from self._vendor_keys(entry)
        yield from self._dropped(entry, entry.drop)
        if self._written.is_faulty(entry):
            return
        for key in entry.api_keys or (None,):
            try:
                root = kind.build(entry.settings(name, key)).target(PASSTHROUGH, "openai_chat", "")
                if entry.passthrough and root is None:
                    text = f"the kind {shown(entry.kind)} cannot be passed through"
                    yield self._written.at(entry, "passthrough", text)
                if entry.queue_metrics is not None and (root is None or root.origin.scheme not in _WITH_A_SERVER):
                    text = f"the kind {shown(entry.kind)} has no server that could be asked; take this out"
                    yield self._written.at(entry, "queue_metrics", text)
            except ConfigError as error:
                yield self._written.at(entry, "", self._without_values(error.message, entry))

    def _vendor_keys(self, entry: ProviderEntry) -> Iterator[Problem]:
        if entry.api_key is not None and entry.api_keys:
            text = "a provider has either 'api_key' or 'api_keys'; put all of them under 'api_keys'"
            yield self._written.at(entry, "api_keys", text)
        numbers: dict[Secret, int] = {}
        for number, (key, item) in enumerate(self._written.items(entry, "api_keys", entry.api_keys), 1):
            first = numbers.setdefault(key, number)
            if first != number:
                yield problem_at(item, f"key {number} of 'api_keys' is the same as key {first}; take one of them out")

    def _without_values(self, message: str, entry: ProviderEntry) -> str:
        """A provider's complaint, with what came from the environment, or is secret, taken out."""
        hidden = {value.reveal(): MASK for value in _secrets(entry)}
        for field, value in (("base_url", entry.base_url or ""), *(("query", value) for value in entry.query.values())):
            written = self._written.value(entry, field, value)
            if value and written != value:
                hidden[value] = written
        for value in sorted(hidden, key=len, reverse=True):
            message = message.replace(value, hidden[value]).replace(repr(value)[1:-1], hidden[value])
        return message

    def _model(self, name: str, entry: ModelEntry) -> Iterator[Problem]:
        prefix, slash, _ = name.partition("/")
        if slash and prefix in self._declared.providers:
            yield self._written.at(
                entry, "", f"the alias {shown(name)} would hide a model of the provider {shown(prefix)}"
            )
        for deployment in entry.deployments:
            written = self._written.value(deployment, "model", deployment.model)
            of_provider = deployment.upstream_model and deployment.provider in self._declared.providers
            if deployment.model in self._declared.models and not of_provider:
                problem = (
                    f"{shown(written)} is an alias, and a deployment is 'provider/model'; to go on with other names "
                    "declare 'fallbacks', to share calls among them 'splits'"
                )
            elif deployment.provider and deployment.upstream_model:
                problem = self._written.unknown_provider(deployment.provider, written)
            else:
                problem = f"{shown(written)} must be 'provider/model', the provider one of those declared"
                problem += suggestion("", self._declared.providers)
            if problem:
                yield self._written.at(deployment, "model", problem)
            yield from self._dropped(deployment, deployment.drop)

    def _dropped(self, made: Struct, drop: tuple[str, ...]) -> Iterator[Problem]:
        for field, item in self._written.items(made, "drop", drop):
            if field in INDISPENSABLE:
                yield problem_at(
                    item, f"{shown(str(item.value))} cannot be dropped: no call is without it; take it out"
                )
