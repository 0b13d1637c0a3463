"""What the parts about passing through must agree on."""

from collections.abc import Iterator, Mapping
from typing import Final

from switchgear.config.document import problem_at
from switchgear.config.model import Config, PassThroughEntry, ProviderEntry
from switchgear.config.problems import Problem, shown
from switchgear.config.written import Written
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import PASSTHROUGH
from switchgear.providers import Kind
from switchgear.routing.mounts import parted

NEVER_PASSED: Final = frozenset(
    (
        "api-key",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "cookie",
        "expect",
        "helicone-auth",
        "host",
        "keep-alive",
        "location",
        "proxy-authenticate",
        "proxy-authorization",
        "set-cookie",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "www-authenticate",
        "x-api-key",
        "x-goog-api-key",
        "x-litellm-api-key",
        "x-portkey-api-key",
        "x-request-id",
    )
)
"""Headers that carry secrets, or belong to one connection, or to the gateway."""
_OWN_PREFIXES: Final = ("x-switchgear-", "sec-websocket-")


class PassThroughChecks:
    """Finds what cannot be passed through as the file says."""

    def __init__(self, config: Config, written: Written, kinds: Mapping[str, Kind]) -> None:
        self._config = config
        self._written = written
        self._kinds = kinds

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        usual = self._config.passthrough_provider
        if usual is not None:
            written = self._written.value(self._config, "passthrough_provider", usual)
            problem = self._written.unknown_provider(usual, written)
            if problem:
                yield self._written.at(self._config, "passthrough_provider", problem)
        for entry in self._config.providers.values():
            yield from self._headers(entry, "passthrough_request_headers", entry.passthrough_request_headers)
            yield from self._headers(entry, "passthrough_response_headers", entry.passthrough_response_headers)
        taken: set[tuple[str, str]] = set()
        for entry in self._config.passthrough:
            yield from self._entry(entry, taken)

    def _headers(self, entry: ProviderEntry, field: str, names: tuple[str, ...]) -> Iterator[Problem]:
        for name, item in self._written.items(entry, field, names):
            if name.lower() in NEVER_PASSED or name.lower().startswith(_OWN_PREFIXES):
                yield problem_at(item, f"{shown(str(item.value))} is never passed on")

    def _entry(self, entry: PassThroughEntry, taken: set[tuple[str, str]]) -> Iterator[Problem]:
        problem = self._provider(entry)
        if problem:
            yield self._written.at(entry, "provider", problem)
        methods = set(entry.methods) or {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}
        claimed = {(_canonical(entry.path), method) for method in methods}
        if parted(entry.path)[0] == "/":
            yield self._written.at(
                entry, "path", f"{shown(entry.path)} would take every path; begin with a name of your own"
            )
        elif claimed & taken:
            yield self._written.at(entry, "path", f"{shown(entry.path)} is taken")
        taken |= claimed
        here, there = len(parted(entry.path)) - 1, len(parted(entry.upstream_path)) - 1
        if here != there:
            text = f"'path' has {here} '*' and 'upstream_path' has {there} (a '/' at the end counts as one)"
            yield self._written.at(entry, "upstream_path", text)
        if entry.websocket and "GET" not in methods:
            yield self._written.at(entry, "websocket", "a WebSocket begins with a GET, which 'methods' leaves out")

    def _provider(self, entry: PassThroughEntry) -> str | None:
        problem = self._written.unknown_provider(entry.provider, self._written.value(entry, "provider", entry.provider))
        provider = self._config.providers.get(entry.provider)
        kind = None if provider is None else self._kinds.get(provider.kind)
        if problem or provider is None or kind is None:
            return problem
        try:
            offered = kind.build(provider.settings(entry.provider)).target(PASSTHROUGH, "openai_chat", "") is not None
        except ConfigError:
            return None
        return None if offered else f"the kind {shown(provider.kind)} cannot be passed through"


def _canonical(path: str) -> str:
    return "*".join(parted(path))
