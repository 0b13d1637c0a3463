"""AWS Secrets Manager: ``${aws:NAME-OR-ARN}``, and ``#FIELD`` where the secret is a JSON object.

See docs.aws.amazon.com/secretsmanager/latest/apireference/API_GetSecretValue.html.
"""

import binascii
import re
from base64 import b64decode
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Struct, json

from switchgear.config.secret_stores.aws_credentials import AwsCredentials, region_of
from switchgear.config.secret_stores.aws_signature import Scope, signed
from switchgear.config.secret_stores.client import Answer, Server
from switchgear.config.secret_stores.store import SecretStore, StoreProblem, decoded
from switchgear.kernel.clock import Clock

_SERVICE: Final = "secretsmanager"
_NAME: Final = re.compile(r"[A-Za-z0-9/_+=.@-]{1,512}")
_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:(?P<region>[a-z0-9-]{1,30}):[0-9]{12}:secret:"
    r"[A-Za-z0-9/_+=.@-]{1,600}"
)
_CODE: Final = re.compile(r"(?:[^#]{0,200}#)?([A-Za-z]{1,64})(?::.{0,200})?")
_OUTLIVED: Final = frozenset({"ExpiredTokenException", "UnrecognizedClientException"})
_MEANINGS: Final = {
    "AccessDenied": "whoever the credentials are of may not read this secret",
    "AccessDeniedException": "whoever the credentials are of may not read this secret",
    "DecryptionFailure": "the key of KMS that the secret is encrypted with cannot be used",
    "ExpiredTokenException": "the session's credentials have run out",
    "IncompleteSignature": "the signature is not understood",
    "InternalServiceError": "an error of its own",
    "InvalidParameterException": "a part of the reference is not understood",
    "InvalidRequestException": "the secret is marked for deletion, or has no such version now",
    "InvalidSignatureException": "the secret access key does not fit its id, or this machine's clock is wrong",
    "ResourceNotFoundException": "there is no such secret, or no such version, in this region",
    "ThrottlingException": "too many requests",
    "UnrecognizedClientException": "the access key, or the session token that goes with it, is not known",
}


class _Secret(Struct, rename="pascal"):
    secret_string: str | None = None
    secret_binary: str | None = None


class _Fault(Struct):
    type: str = msgspec.field(name="__type", default="")
    code: str = ""


class SecretsManager:
    """Secrets Manager in the region of the secret's ARN, or in the one that the environment names."""

    options: tuple[str, ...] = ("version", "stage")
    needs_field = False

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._wall_ns = clock.wall_ns
        self._credentials = AwsCredentials(environ, clock)
        self._servers: dict[str, Server] = {}

    def read(self, name: str, options: Mapping[str, str]) -> str:
        """The text of the secret called ``name``, or whose ARN it is."""
        arn = _ARN.fullmatch(name)
        if arn is None and not _NAME.fullmatch(name):
            raise StoreProblem("is neither the name nor the ARN of a secret of AWS")
        region = arn["region"] if arn else region_of(self._environ)
        server = self._server(region)
        wish = {"SecretId": name}
        if "version" in options:
            wish["VersionId"] = options["version"]
        if "stage" in options:
            wish["VersionStage"] = options["stage"]
        answer = self._ask(server, region, json.encode(wish))
        if answer.status != 200:
            raise StoreProblem(f"{server.name} answers {_told(answer)}")
        return _text(decoded(answer.body, _Secret, "AWS"))

    def _ask(self, server: Server, region: str, body: bytes) -> Answer:
        headers = {"content-type": "application/x-amz-json-1.1", "x-amz-target": "secretsmanager.GetSecretValue"}
        scope = Scope(region, _SERVICE)
        credentials = self._credentials.current()
        answer = server.ask(
            "POST",
            "/",
            signed(headers, body, server.authority, credentials, scope, wall_ns=self._wall_ns()),
            body,
        )
        if answer.status in {400, 403} and _code_of(answer) in _OUTLIVED:
            self._credentials.forget(credentials)
        return answer

    def _server(self, region: str) -> Server:
        if region not in self._servers:
            source = "AWS_ENDPOINT_URL_SECRETS_MANAGER"
            given = self._environ.get(source, "") or self._environ.get("AWS_ENDPOINT_URL", "")
            suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
            self._servers[region] = Server(given or f"https://{_SERVICE}.{region}.{suffix}", source)
        return self._servers[region]


def _code_of(answer: Answer) -> str:
    """The code of a refusal; empty where none is understood."""
    try:
        fault = msgspec.json.decode(answer.body, type=_Fault)
        said = answer.headers.get("x-amzn-errortype") or fault.type or fault.code
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        said = ""
    code = _CODE.fullmatch(said)
    return code[1] if code else ""


def _told(answer: Answer) -> str:
    code = _code_of(answer)
    if not code:
        return f"{answer.status}, and no code that is understood"
    meaning = _MEANINGS.get(code)
    return f"{answer.status} {code}{f': {meaning}' if meaning else ''}"


def _text(secret: _Secret) -> str:
    if secret.secret_string is not None:
        return secret.secret_string
    if secret.secret_binary is None:
        raise StoreProblem("holds nothing")
    try:
        return b64decode(secret.secret_binary, validate=True).decode()
    except (binascii.Error, ValueError):
        raise StoreProblem("is binary, and no text in UTF-8") from None


if TYPE_CHECKING:
    _: type[SecretStore] = SecretsManager
