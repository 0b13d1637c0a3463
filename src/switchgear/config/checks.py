"""What types cannot say: entries that must agree with each other."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, cast

from msgspec import Struct
from yaml.nodes import Node, ScalarNode, SequenceNode

from switchgear.config.document import problem_at
from switchgear.config.model import Config, Key, ModelEntry, ProviderEntry
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.reader import Places
from switchgear.config.secret import MASK, Secret
from switchgear.kernel.errors import ConfigError
from switchgear.providers import Kind

MIN_KEY_LENGTH: Final = 16
"""Virtual keys are stored under a plain digest, which is safe only for keys that nobody can guess."""
INDISPENSABLE: Final = frozenset(("input", "messages", "model", "prompt", "stream", "stream_options"))
"""Fields that no call is without, or that the gateway itself answers for."""
NEEDS_KEY: Final = (
    "refuses to listen elsewhere than on this machine without a key: declare one under 'keys' "
    "(`switchgear key new NAME` makes it), or listen on 127.0.0.1"
)

NEEDS_FILES: Final = "'memory' is one gateway's own, and there are more (server.workers); choose 'files'"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach ``host``; a name other than ``localhost`` is taken for reachable."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def needs_key(config: Config) -> bool:
    """Whether ``config`` would serve strangers without asking for a key."""
    return not is_loopback(config.server.host) and all(key.disabled for key in config.keys)


class Declared(Struct, frozen=True, kw_only=True):
    """What the file names, faulty entries included."""

    providers: frozenset[str]
    models: frozenset[str]
    faulty_keys: bool
    """Whether an entry under ``keys`` could not be read."""


def _secrets(entry: ProviderEntry) -> list[Secret]:
    given = (entry.api_key, entry.proxy, *entry.headers.values(), *entry.options.values())
    return [secret for secret in given if secret is not None]


class Checks:
    """Finds every disagreement in a configuration whose types are right.

    ``declared`` are the names under ``providers`` and ``models`` as the file has them, those with faults of their own
    included, so that one fault is not told twice.
    """

    def __init__(self, config: Config, places: Places, kinds: Mapping[str, Kind], declared: Declared) -> None:
        self._config = config
        self._places = places
        self._kinds = kinds
        self._declared = declared

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        if not self._declared.faulty_keys and needs_key(self._config):
            yield self._at(self._config.server, "host", NEEDS_KEY)
        if self._config.state.engine == "memory" and self._config.server.workers > 1:
            yield self._at(self._config.state, "engine", NEEDS_FILES)
        for key in self._config.keys:
            yield from self._key(key)
        yield from self._repeated_keys()
        if not self._declared.providers:
            yield self._at(self._config, "providers", "no provider is declared; `sim: {kind: simulator}` would be one")
        for name, entry in self._config.providers.items():
            yield from self._provider(name, entry)
        for name, entry in self._config.models.items():
            yield from self._model(name, entry)

    def _at(self, made: Struct, field: str, text: str) -> Problem:
        node = self._places.of(made, field)
        return Problem(0, 0, text) if node is None else problem_at(node, text)

    def _key(self, key: Key) -> Iterator[Problem]:
        name = shown(self._written(key, "name", key.name))
        if (key.hash is None) == (key.key is None) and not self._places.is_faulty(key):
            yield self._at(key, "", f"the key {name} must have either 'hash' or 'key'")
        if key.key is not None and len(key.key.reveal()) < MIN_KEY_LENGTH:
            yield self._at(key, "key", f"the key {name} is shorter than {MIN_KEY_LENGTH} characters")
        for allowed, item in self._items(key, "models", key.models):
            problem = self._allowed(allowed, str(item.value))
            if problem:
                yield problem_at(item, problem)

    def _items(self, made: Struct, field: str, texts: Sequence[str]) -> list[tuple[str, ScalarNode]]:
        """Each text of a list with its node; none when some could not be read, which is told elsewhere."""
        node = self._places.of(made, field)
        nodes = cast("list[Node]", node.value) if isinstance(node, SequenceNode) else []
        scalars = [item for item in nodes if isinstance(item, ScalarNode)]
        return list(zip(texts, scalars, strict=True)) if len(texts) == len(nodes) == len(scalars) else []

    def _allowed(self, allowed: str, written: str) -> str | None:
        """What is wrong with a name in a key's list: it can never match. A prefix may wait for models to come."""
        if "*" in allowed[:-1]:
            return f"{shown(written)}: a '*' may only stand at the end"
        if allowed.endswith("*") or allowed in self._declared.models:
            return None
        provider, slash, rest = allowed.partition("/")
        if not (slash and rest):
            return f"unknown model {shown(written)}{suggestion(written, self._declared.models)}"
        return self._unknown_provider(provider, written)

    def _unknown_provider(self, provider: str, written: str) -> str | None:
        if provider in self._declared.providers:
            return None
        said = written.partition("/")[0]
        return f"unknown provider {shown(said)}{suggestion(said, self._declared.providers)}"

    def _repeated_keys(self) -> Iterator[Problem]:
        names: set[str] = set()
        owners: dict[bytes, Key] = {}
        for key in self._config.keys:
            name = shown(self._written(key, "name", key.name))
            if key.name in names:
                yield self._at(key, "name", f"two keys are named {name}")
            names.add(key.name)
            owner = owners.setdefault(key.digest(), key) if key.hash or key.key else key
            if owner is not key:
                first = shown(self._written(owner, "name", owner.name))
                yield self._at(
                    key, "hash" if key.key is None else "key", f"the keys {first} and {name} are the same key"
                )

    def _provider(self, name: str, entry: ProviderEntry) -> Iterator[Problem]:
        kind = self._kinds.get(entry.kind)
        if kind is None:
            written = self._written(entry, "kind", entry.kind)
            yield self._at(entry, "kind", f"unknown kind {shown(written)}{suggestion(written, self._kinds)}")
            return
        if self._places.is_faulty(entry):
            return
        try:
            kind.build(entry.settings(name))
        except ConfigError as error:
            yield self._at(entry, "", self._without_values(error.message, entry))

    def _without_values(self, message: str, entry: ProviderEntry) -> str:
        """A provider's complaint, with what came from the environment, or is secret, taken out."""
        hidden = {value.reveal(): MASK for value in _secrets(entry)}
        for field, value in (("base_url", entry.base_url or ""), *(("query", value) for value in entry.query.values())):
            written = self._written(entry, field, value)
            if value and written != value:
                hidden[value] = written
        for value in sorted(hidden, key=len, reverse=True):
            message = message.replace(value, hidden[value]).replace(repr(value)[1:-1], hidden[value])
        return message

    def _written(self, made: Struct, field: str, value: str) -> str:
        """The value as the file has it: a reference stays a reference."""
        node = self._places.of(made, field)
        if isinstance(node, ScalarNode):
            return str(node.value)
        return value if node is None else MASK

    def _model(self, name: str, entry: ModelEntry) -> Iterator[Problem]:
        prefix, slash, _ = name.partition("/")
        if slash and prefix in self._declared.providers:
            yield self._at(entry, "", f"the alias {shown(name)} would hide a model of the provider {shown(prefix)}")
        for deployment in entry.deployments:
            written = self._written(deployment, "model", deployment.model)
            if deployment.upstream_model:
                problem = self._unknown_provider(deployment.provider, written)
            else:
                problem = f"{shown(written)} must be 'provider/model'"
            if problem:
                yield self._at(deployment, "model", problem)
            for field, item in self._items(deployment, "drop", deployment.drop):
                if field in INDISPENSABLE:
                    yield problem_at(item, f"{shown(str(item.value))} cannot be dropped")
