"""The contract of the provider seam: subclass :class:`ProviderContract` in a test module and give a fixture ``kind``.

::

    class TestAcme(ProviderContract):
        @pytest.fixture
        def kind(self) -> Kind:
            return ACME
"""

import re
from collections.abc import Iterator
from typing import Final

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Provider, ProviderSettings, Quirks, Target
from switchgear.providers import Kind

OPERATIONS: Final = ("chat", "completions", "embeddings", "rerank", "count_tokens", "passthrough")
DIALECTS: Final = (
    "openai_chat",
    "openai_completions",
    "openai_embeddings",
    "openai_responses",
    "openai_responses_input_tokens",
    "anthropic",
    "anthropic_count_tokens",
    "bedrock_converse",
    "bedrock_titan_embeddings",
    "gemini",
    "gemini_count_tokens",
    "gemini_embeddings",
    "gemini_embed_content",
    "cohere_chat",
    "cohere_embed",
    "cohere_rerank",
    "jina_rerank",
)
MODELS: Final = ("plain", "vendor/model:tag", "a b?c=d&e#f", "größe")

_NAME: Final = "contract"
_KEY: Final = "contract-secret-key"
_LOCAL_URL: Final = "http://127.0.0.1:9/base"
_REMOTE_URL: Final = "https://contract.example/base"
_CLIENTS_OWN: Final = "what-only-the-client-knows"
_REQUEST_TARGET: Final = re.compile(r"/[!-\x22\x24-~]*")  # visible ASCII (RFC 9112 §3.2), no fragment
_HEADER_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")
_TRANSPORT_HEADERS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_SECRET_HEADERS: Final = (
    "api-key",
    "authorization",
    "cookie",
    "proxy-authorization",
    "x-api-key",
    "x-goog-api-key",
    "x-switchgear-key",
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class ProviderContract:
    """What routing, the transports and the operator rely on, for every kind of provider."""

    def test_a_provider_bears_the_name_it_was_configured_under(self, kind: Kind) -> None:
        assert _built(kind).name == _NAME

    def test_its_quirks_are_declared(self, kind: Kind) -> None:
        assert isinstance(_built(kind).quirks, Quirks)

    def test_it_offers_at_least_one_operation_and_declines_unknown_ones(self, kind: Kind) -> None:
        provider = _built(kind)
        assert list(_targets(provider))
        assert all(provider.target("no-such-operation", dialect, "plain") is None for dialect in DIALECTS)

    def test_every_target_is_a_request_line_and_headers_that_http_allows(self, kind: Kind) -> None:
        for target in _targets(_built(kind, api_key=_KEY)):
            assert target.method == "POST"
            assert _REQUEST_TARGET.fullmatch(target.path), target.path
            assert target.dialect
            for name, value in target.headers:
                assert _HEADER_NAME.fullmatch(name), name
                assert name not in _TRANSPORT_HEADERS
                assert not re.search(r"[\r\n\0]", value)

    def test_what_is_passed_through_goes_below_a_root_and_brings_its_own_content_type(self, kind: Kind) -> None:
        root = _built(kind, api_key=_KEY).target("passthrough", "openai_chat", "")
        if root is not None:
            assert root.path.partition("?")[0].endswith("/")
            assert "content-type" not in {name for name, _ in root.headers}

    def test_a_header_is_set_once_in_what_goes_out(self, kind: Kind) -> None:
        provider = _built(kind, api_key=_KEY)
        forwarded = provider.forwarded_headers(_client_headers())
        for target in _targets(provider):
            names = [name for name, _ in (*target.headers, *forwarded)]
            assert len(names) == len(set(names))

    def test_the_same_question_gives_the_same_target(self, kind: Kind) -> None:
        assert list(_targets(_built(kind))) == list(_targets(_built(kind)))

    def test_the_key_travels_in_one_header_and_nowhere_else(self, kind: Kind) -> None:
        provider = _built(kind, api_key=_KEY)
        assert _KEY not in repr(provider)
        for target in _targets(provider):
            bearers = [name for name, value in target.headers if _KEY in value]
            assert len(bearers) == (1 if _is_networked(target) else 0)
            assert _KEY not in target.path
            assert _KEY not in repr(target.origin)

    def test_without_a_key_no_header_pretends_to_have_one(self, kind: Kind) -> None:
        for target in _targets(_built(kind)):
            assert not {name for name, _ in target.headers}.intersection(_SECRET_HEADERS)

    def test_the_clients_own_secrets_stay_here(self, kind: Kind) -> None:
        for name, value in _built(kind).forwarded_headers(_client_headers()):
            assert name not in {*_SECRET_HEADERS, *_TRANSPORT_HEADERS}
            assert _CLIENTS_OWN not in value

    def test_connections_are_encrypted_unless_the_base_url_says_otherwise(self, kind: Kind) -> None:
        remote = kind.build(ProviderSettings(name=_NAME, base_url=kind.base_url or _REMOTE_URL))
        for target in _networked(remote):
            assert target.origin.scheme == "https" or target.origin.host in _LOOPBACK
        for target in _networked(kind.build(ProviderSettings(name=_NAME, base_url=_LOCAL_URL))):
            assert (target.origin.scheme, target.origin.host, target.origin.port) == ("http", "127.0.0.1", 9)
            assert target.path.startswith("/base/")

    def test_headers_and_query_of_the_settings_reach_every_target(self, kind: Kind) -> None:
        if not _reaches_a_network(kind):
            return
        settings = ProviderSettings(
            name=_NAME, base_url=_REMOTE_URL, headers={"X-Contract": "yes"}, query={"contract version": "1&2"}
        )
        for target in _networked(kind.build(settings)):
            assert ("x-contract", "yes") in target.headers
            assert target.path.partition("?")[2].split("&")[-1] == "contract+version=1%262"

    def test_settings_that_cannot_be_used_are_refused_by_name(self, kind: Kind) -> None:
        if not _reaches_a_network(kind):
            return
        bad = (
            ProviderSettings(name=_NAME, base_url="https://user:secret@contract.example/v1"),
            ProviderSettings(name=_NAME, base_url="ftp://contract.example"),
            ProviderSettings(name=_NAME, base_url="contract.example/v1"),
            ProviderSettings(name=_NAME, base_url=_REMOTE_URL, api_key="two\r\nlines"),
            ProviderSettings(name=_NAME, base_url=_REMOTE_URL, headers={"content-length": "0"}),
        )
        for settings in bad:
            assert _NAME in _refusal(kind, settings)

    def test_the_environment_configures_it_only_when_it_speaks_of_it(self, kind: Kind) -> None:
        names = kind.environment
        if names is None:
            assert kind.settings_from({}) is None
            return
        assert (kind.settings_from({}) is not None) == names.always
        environ = {name: value for name, value in ((names.key, _KEY), (names.url, _REMOTE_URL)) if name is not None}
        settings = kind.settings_from(environ)
        assert settings is not None
        assert settings.api_key == (_KEY if names.key else None)
        assert list(_targets(kind.build(settings)))


def _built(kind: Kind, api_key: str | None = None) -> Provider:
    return kind.build(ProviderSettings(name=_NAME, base_url=kind.base_url or _REMOTE_URL, api_key=api_key))


def _targets(provider: Provider) -> Iterator[Target]:
    for operation in OPERATIONS:
        for dialect in DIALECTS:
            found = (provider.target(operation, dialect, model) for model in MODELS)
            yield from (target for target in found if target is not None)


def _networked(provider: Provider) -> Iterator[Target]:
    return (target for target in _targets(provider) if _is_networked(target))


def _is_networked(target: Target) -> bool:
    return target.origin.scheme in {"http", "https"}


def _reaches_a_network(kind: Kind) -> bool:
    return any(_networked(_built(kind)))


def _client_headers() -> dict[bytes, bytes]:
    secrets = {name.encode(): _CLIENTS_OWN.encode() for name in _SECRET_HEADERS}
    ordinary = {b"host": b"gateway", b"content-length": b"2", b"anthropic-beta": b"a,b", b"openai-beta": b"c"}
    return {**secrets, **ordinary, b"anthropic-version": b"2023-06-01", b"x-title": b"d", b"http-referer": b"e"}


def _refusal(kind: Kind, settings: ProviderSettings) -> str:
    try:
        kind.build(settings)
    except ConfigError as error:
        return error.message
    raise AssertionError(f"{kind.name} accepted {settings.base_url!r} with headers {dict(settings.headers)}")
