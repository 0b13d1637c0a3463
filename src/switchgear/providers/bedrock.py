"""Amazon Bedrock: Converse for chats, Titan's own format for embeddings; requests are signed, or carry an API key."""

import re
from collections.abc import Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Final, NamedTuple, cast
from urllib.parse import quote

from msgspec.structs import replace

from switchgear.kernel.errors import ConfigError
from switchgear.kernel.upstream import Origin, Provider, ProviderSettings, Quirks, Signer, Target
from switchgear.providers.endpoint import Endpoint, Header
from switchgear.providers.kind import Environment, Kind

OPTIONS: Final = ("region", "access_key_id", "secret_access_key", "session_token")
SERVICE: Final = "bedrock"
"""Under which name requests are signed; the host's is another."""
_REGION: Final = re.compile(r"[a-z0-9-]{1,30}")
_REGION_IN_HOST: Final = re.compile(r"bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_CHINA: Final = "cn-"
_TITAN_EMBEDDINGS: Final = "amazon.titan-embed-text"


class Bedrock:
    """Amazon Bedrock in one region, or whoever speaks its API below ``base_url``.

    Raises ConfigError when the settings cannot be used, or need botocore where it is not installed.
    """

    __slots__ = ("_endpoint", "_sign", "forwards", "name", "quirks")

    def __init__(self, settings: ProviderSettings) -> None:
        self.name = settings.name
        self.quirks = Quirks()
        self.forwards = False
        options = _options(settings)
        region = options.get("region")
        bearer: tuple[Header, ...] = ()
        if settings.api_key is not None:
            bearer = (("authorization", f"Bearer {settings.api_key}"),)
        self._endpoint = Endpoint.read(settings, None if region is None else base_url(region), bearer)
        self._sign = _signer(settings, options, self._endpoint.origin)

    def target(self, operation: str, dialect: str, model: str) -> Target | None:
        """The model's name travels in the path, percent-encoded: an ARN holds colons and slashes."""
        path = f"/model/{quote(model, safe='')}"
        if operation == "chat":
            return self._signed(
                replace(
                    self._endpoint.post(f"{path}/converse", "bedrock_converse"),
                    stream_path=self._endpoint.post(f"{path}/converse-stream", "").path,
                )
            )
        if operation == "embeddings" and model.startswith(_TITAN_EMBEDDINGS):
            return self._signed(self._endpoint.post(f"{path}/invoke", "bedrock_titan_embeddings"))
        return None

    def _signed(self, target: Target) -> Target:
        return target if self._sign is None else replace(target, sign=self._sign)

    def forwarded_headers(self, headers: Mapping[bytes, bytes]) -> tuple[Header, ...]:
        """None: what a client signs or asks for by header means nothing under another signature."""
        return ()


class Credentials(NamedTuple):
    """What botocore's signer takes for credentials."""

    access_key: str
    secret_key: str
    token: str | None


class SigV4:
    """Signs requests with Amazon's Signature Version 4 by botocore's own signer, which reads the machine's clock.

    The headers signed are Host, as the transport writes it, and the ones returned. Costs about 0.05 ms, and half
    a millisecond for each megabyte of the body.
    """

    __slots__ = ("_host", "_make", "_signer", "_url")

    def __init__(self, origin: Origin, region: str, credentials: Credentials) -> None:
        try:
            # By name, because the library is an extra that most gateways never load.
            auth = import_module("botocore.auth")
            awsrequest = import_module("botocore.awsrequest")
        except ImportError as error:
            raise ConfigError("signing needs botocore; pip install 'switchgear[bedrock]'") from error
        self._signer = auth.SigV4Auth(credentials, SERVICE, region)
        self._make = awsrequest.AWSRequest
        self._host = origin.authority
        self._url = f"{origin.scheme}://{origin.authority}"

    def __call__(self, path: str, body: bytes) -> tuple[Header, ...]:
        request = self._make(method="POST", url=self._url + path, data=body, headers={"host": self._host})
        self._signer.add_auth(request)
        signed = cast("Mapping[str, str]", request.headers)
        return tuple((name.lower(), value) for name, value in signed.items() if name != "host")


def base_url(region: str) -> str:
    """Where Bedrock is in a region."""
    suffix = "amazonaws.com.cn" if region.startswith(_CHINA) else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{suffix}"


def url_from_environment(value: str) -> str:
    """``AWS_REGION`` as a base URL."""
    return value if "://" in value else base_url(value)


def _options(settings: ProviderSettings) -> Mapping[str, str]:
    where = f"providers.{settings.name}.options"
    for name, value in settings.options.items():
        if name not in OPTIONS:
            raise ConfigError(f"{where}: bedrock knows no {name!r}; it knows {', '.join(OPTIONS)}")
        if not (value and value.isascii() and value.isprintable()):
            raise ConfigError(f"{where}.{name} is empty, or has characters that no header can carry")
    region = settings.options.get("region")
    if region is not None and not _REGION.fullmatch(region):
        raise ConfigError(f"{where}.region: {region!r} is not a region such as eu-central-1")
    if region is None and settings.base_url is None:
        raise ConfigError(f"{where}.region is missing; bedrock has an address in each region")
    return settings.options


def _signer(settings: ProviderSettings, options: Mapping[str, str], origin: Origin) -> Signer | None:
    where = f"providers.{settings.name}"
    key, secret = options.get("access_key_id"), options.get("secret_access_key")
    if key is None and secret is None:
        if "session_token" in options:
            raise ConfigError(f"{where}.options: a session_token goes with an access_key_id and a secret_access_key")
        return None
    if key is None or secret is None:
        raise ConfigError(f"{where}.options: access_key_id and secret_access_key go together")
    if settings.api_key is not None:
        raise ConfigError(f"{where}: give an api_key or an access_key_id, not both")
    found = _REGION_IN_HOST.match(origin.host)
    region = options.get("region") or (found[1] if found else None)
    if region is None:
        raise ConfigError(f"{where}.options.region is missing; a signature is for one region")
    try:
        return SigV4(origin, region, Credentials(key, secret, options.get("session_token")))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}") from error


KINDS: Final = (
    Kind(
        name="bedrock",
        build=Bedrock,
        environment=Environment(
            key="AWS_BEARER_TOKEN_BEDROCK", url="AWS_REGION", read_url=url_from_environment, needs_both=True
        ),
    ),
)

if TYPE_CHECKING:
    _: type[Provider] = Bedrock
