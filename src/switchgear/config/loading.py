"""From a file, a text or the environment to a checked configuration."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec.inspect as shape
from msgspec import structs
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from switchgear.config.checks import NEEDS_KEY, Checks, needs_key
from switchgear.config.document import MAX_FILE_BYTES, read_document
from switchgear.config.model import Config, ProviderEntry
from switchgear.config.problems import Problem, refusal
from switchgear.config.reader import Reader
from switchgear.config.references import stored_references
from switchgear.config.secret import Secret
from switchgear.config.stores import Stores
from switchgear.config.written import Declared
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import ProviderSettings
from switchgear.providers import Environment, Kind, found_in
from switchgear.providers import discover as discover_kinds

DEFAULT_FILE: Final = "switchgear.yaml"
SECTIONS: Final = ("organisations", "projects", "teams", "users", "service_accounts")


def load(path: Path, environ: Mapping[str, str], kinds: Mapping[str, Kind] | None = None) -> Config:
    """The configuration in the file ``path``; see :func:`parse`."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise refusal(str(path), [Problem(content.count(b"\n", 0, error.start) + 1, 1, "not UTF-8")]) from None
    return parse(text, str(path), environ, kinds)


def parse(text: str, path: str, environ: Mapping[str, str], kinds: Mapping[str, Kind] | None = None) -> Config:
    """The configuration that ``text`` (YAML 1.1) describes, references resolved from ``environ``.

    ``path`` is only told in errors; ``kinds`` are the known kinds of provider, None for all that are installed.
    Raises ConfigError with a ``path:line:column: what`` for each problem of the text.
    """
    config, problems = examine(text, path, environ, kinds)
    if problems or config is None:
        raise refusal(path, problems)
    return config


def examine(
    text: str, path: str, environ: Mapping[str, str], kinds: Mapping[str, Kind] | None = None
) -> tuple[Config | None, list[Problem]]:
    """What ``text`` describes, as far as it can be read, and all that is wrong with it.

    Raises ConfigError for what is no document at all.
    """
    root = read_document(text, path)
    if root is None or (isinstance(root, ScalarNode) and not root.value):
        raise refusal(path, [Problem(0, 0, "the file is empty; `switchgear init` writes one")])
    if isinstance(environ, Stores):
        environ.prepare(reference for value in _values(root) for reference in stored_references(value))
    reader = Reader(environ)
    config = reader.read(root, shape.type_info(Config), "")
    if not isinstance(config, Config):
        return None, list(reader.problems)
    known = discover_kinds() if kinds is None else kinds
    checks = Checks(config, reader.places, known, _declared(root, config))
    return config, [*reader.problems, *checks.problems()]


def discover(environ: Mapping[str, str], kinds: Mapping[str, Kind] | None = None) -> Config:
    """The configuration without a file: the simulator, and every provider that the environment configures.

    Raises ConfigError when the environment holds settings that cannot be used.
    """
    known = discover_kinds() if kinds is None else kinds
    providers: dict[str, ProviderEntry] = {}
    for kind, settings in found_in(environ, known):
        _try(kind, settings)
        providers[settings.name] = ProviderEntry(
            kind=kind.name,
            base_url=settings.base_url,
            api_key=None if settings.api_key is None else Secret(settings.api_key),
        )
    return Config(providers=providers)


def listening(config: Config, host: str | None, port: int | None) -> Config:
    """``config`` with another address to listen on, where one is given.

    Raises ConfigError when strangers could then call without a key.
    """
    server = structs.replace(
        config.server,
        host=config.server.host if host is None else host,
        port=config.server.port if port is None else port,
    )
    changed = structs.replace(config, server=server)
    if needs_key(changed):
        raise ConfigError(f"{server.host}: {NEEDS_KEY}")
    return changed


def _try(kind: Kind, settings: ProviderSettings) -> None:
    """Raises ConfigError, naming the variables and none of their values."""
    try:
        kind.build(settings)
    except ConfigError as error:
        names = kind.environment or Environment()
        message = error.message
        for value, name in ((settings.base_url, names.url), (settings.api_key, names.key)):
            if value and name:
                message = message.replace(value, f"${{{name}}}").replace(repr(value)[1:-1], f"${{{name}}}")
        raise ConfigError(f"the environment: {message}") from None


def _declared(root: Node, config: Config) -> Declared:
    keys = _below(root, "keys")
    return Declared(
        providers=_names(_below(root, "providers")),
        models=_names(_below(root, "models")).union(*(entry.aliases for entry in config.models.values())),
        faulty_keys=isinstance(keys, SequenceNode) and len(keys.value) != len(config.keys),
        sections={section: _names(_below(root, section)) for section in SECTIONS},
    )


def _values(root: Node) -> Iterator[str]:
    """Every scalar that is no key, once."""
    waiting, seen = [root], {id(root)}
    while waiting:
        node = waiting.pop()
        if isinstance(node, ScalarNode):
            yield node.value
        children: list[Node] = []
        if isinstance(node, MappingNode):
            children = [value for _, value in node.value]
        elif isinstance(node, SequenceNode):
            children = node.value
        fresh = [child for child in children if id(child) not in seen]
        seen.update(id(child) for child in fresh)
        waiting += fresh


def _below(root: Node, name: str) -> Node | None:
    pairs: list[tuple[Node, Node]] = root.value if isinstance(root, MappingNode) else []
    return next((value for key, value in pairs if key.value == name), None)


def _names(node: Node | None) -> frozenset[str]:
    pairs: list[tuple[Node, Node]] = node.value if isinstance(node, MappingNode) else []
    return frozenset(str(key.value) for key, _ in pairs)
