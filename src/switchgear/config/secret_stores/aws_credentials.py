"""Whose credentials sign requests to AWS, in the order that its own SDKs look for them.

The environment; a web identity that is exchanged for a role (EKS); the container's endpoint (ECS, EKS Pod Identity);
the instance's metadata service, version 2 only. Profiles in files are not read. See
docs.aws.amazon.com/sdkref/latest/guide/standardized-credentials.html.
"""

import math
import re
from collections.abc import Mapping
from datetime import datetime
from html import unescape
from typing import Final
from urllib.parse import urlencode, urlsplit

from msgspec import Struct

from switchgear.config.secret_stores.aws_signature import Credentials
from switchgear.config.secret_stores.client import Server
from switchgear.config.secret_stores.files import read_credential
from switchgear.config.secret_stores.lent import Lent
from switchgear.config.secret_stores.store import StoreProblem, decoded
from switchgear.kernel.clock import Clock

_REGION: Final = re.compile(r"[a-z0-9-]{1,30}")
_ROLE: Final = re.compile(r"[\w+=,.@-]{1,64}")
_CONTAINER: Final = "http://169.254.170.2"
_INSTANCE: Final = "http://169.254.169.254"
_ON_THIS_MACHINE: Final = frozenset({"169.254.170.2", "169.254.170.23", "fd00:ec2::23"})
"""Where a container's credentials may travel without TLS, besides loopback, as the SDKs have it."""
_NEARBY_SECONDS: Final = 2.0
_SESSION: Final = "switchgear"


class _Given(Struct, rename="pascal"):
    """What a container's endpoint and an instance answer."""

    access_key_id: str
    secret_access_key: str
    token: str = ""
    expiration: str = ""


class AwsCredentials:
    """The first credentials that are found; those of a role are got again before they run out."""

    def __init__(self, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._wall_ns = clock.wall_ns
        self._lent = Lent(self._find, clock)

    def current(self) -> Credentials:
        """Credentials that hold now. Raises StoreProblem."""
        return self._lent.current()

    def forget(self, credentials: Credentials) -> None:
        """Get others the next time."""
        self._lent.forget(credentials)

    def _find(self) -> tuple[Credentials, float]:
        environ = self._environ
        key_id, secret = environ.get("AWS_ACCESS_KEY_ID", ""), environ.get("AWS_SECRET_ACCESS_KEY", "")
        if key_id and secret:
            return _fit(Credentials(key_id, secret, environ.get("AWS_SESSION_TOKEN", ""))), math.inf
        if key_id or secret:
            raise StoreProblem("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together")
        if environ.get("AWS_WEB_IDENTITY_TOKEN_FILE") and environ.get("AWS_ROLE_ARN"):
            return self._of_web_identity()
        if environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") or environ.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
            return self._of_container()
        if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() != "true":
            return self._of_instance()
        raise StoreProblem(
            "no credentials of AWS: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or give the pod, the container or "
            "the instance a role"
        )

    def _of_web_identity(self) -> tuple[Credentials, float]:
        """AssumeRoleWithWebIdentity, which needs no signature: the token proves who asks."""
        environ, source = self._environ, "AWS_ENDPOINT_URL_STS"
        region = region_of(environ)
        suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
        server = Server(environ.get(source, "") or f"https://sts.{region}.{suffix}", source)
        form = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": environ["AWS_ROLE_ARN"],
            "RoleSessionName": environ.get("AWS_ROLE_SESSION_NAME", "") or _SESSION,
            "WebIdentityToken": read_credential(environ["AWS_WEB_IDENTITY_TOKEN_FILE"], "AWS_WEB_IDENTITY_TOKEN_FILE"),
        }
        headers = {"content-type": "application/x-www-form-urlencoded"}
        answer = server.ask("POST", "/", headers, urlencode(form).encode())
        text = answer.body.decode("utf-8", "replace")
        if answer.status != 200:
            code = re.search(r"<Code>([A-Za-z]{1,64})</Code>", text)
            raise StoreProblem(f"{server.name} gives no role: {answer.status} {code[1] if code else ''}".rstrip())
        return self._lasting(
            _Given(
                access_key_id=_element(text, "AccessKeyId"),
                secret_access_key=_element(text, "SecretAccessKey"),
                token=_element(text, "SessionToken"),
                expiration=_element(text, "Expiration"),
            )
        )

    def _of_container(self) -> tuple[Credentials, float]:
        environ = self._environ
        source = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
        relative = environ.get("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "")
        url = f"{_CONTAINER}{relative}" if relative else environ[source]
        path = urlsplit(url).path or "/"
        near = urlsplit(url).hostname in _ON_THIS_MACHINE
        server = Server(url.partition("?")[0].removesuffix(path), source, plain=near, seconds=_NEARBY_SECONDS)
        token_file = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "")
        token = environ.get("AWS_CONTAINER_AUTHORIZATION_TOKEN", "")
        if token_file:
            token = read_credential(token_file, "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")
        query = urlsplit(url).query
        target = f"{path}?{query}" if query else path
        answer = server.ask("GET", target, {"authorization": _header(token)} if token else {})
        if answer.status != 200:
            raise StoreProblem(f"{server.name} gives no credentials of the container: {answer.status}")
        return self._lasting(decoded(answer.body, _Given, "the container's endpoint"))

    def _of_instance(self) -> tuple[Credentials, float]:
        """Version 2 of the service: a token that only a program on the machine gets, then the role, then its keys."""
        source = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
        server = Server(self._environ.get(source, "") or _INSTANCE, source, plain=True, seconds=_NEARBY_SECONDS)
        folder = "/latest/meta-data/iam/security-credentials/"
        try:
            token = server.ask("PUT", "/latest/api/token", {"x-aws-ec2-metadata-token-ttl-seconds": "300"})
        except StoreProblem as problem:
            raise StoreProblem(
                f"no credentials of AWS: none in the environment, no role of a pod or container, and {problem}"
            ) from None
        if token.status != 200:
            raise StoreProblem(f"{server.name} gives no token of the metadata service: {token.status}")
        headers = {"x-aws-ec2-metadata-token": _header(token.body.decode("ascii", "replace").strip())}
        roles = server.ask("GET", folder, headers)
        role = (roles.body.decode("ascii", "replace").split() or [""])[0]
        if roles.status != 200 or not _ROLE.fullmatch(role):
            raise StoreProblem("this instance has no role; attach an instance profile")
        answer = server.ask("GET", folder + role, headers)
        if answer.status != 200:
            raise StoreProblem(f"{server.name} gives no credentials of the instance: {answer.status}")
        return self._lasting(decoded(answer.body, _Given, "the instance's metadata service"))

    def _lasting(self, given: _Given) -> tuple[Credentials, float]:
        """Credentials, and for how long."""
        found = _fit(Credentials(given.access_key_id, given.secret_access_key, given.token))
        try:
            ends = datetime.fromisoformat(given.expiration).timestamp()
        except ValueError:
            raise StoreProblem("AWS does not say when the role's credentials run out") from None
        return found, max(0.0, ends - self._wall_ns() / 1e9)


def region_of(environ: Mapping[str, str]) -> str:
    """The region that the environment names. Raises StoreProblem."""
    region = environ.get("AWS_REGION", "") or environ.get("AWS_DEFAULT_REGION", "")
    if not _REGION.fullmatch(region):
        raise StoreProblem("no region: set AWS_REGION, such as eu-central-1, or refer to the secret by its ARN")
    return region


def _element(text: str, name: str) -> str:
    """The text of an XML element that holds nothing else; the answer is small, and has no name twice."""
    found = re.search(rf"<{name}>([^<]{{1,8192}})</{name}>", text)
    if found is None:
        raise StoreProblem("AWS answers what is not understood: not the XML that its documentation tells of")
    return unescape(found[1])


def _fit(credentials: Credentials) -> Credentials:
    for part in (credentials.key_id, credentials.token):
        _header(part)
    return credentials


def _header(text: str) -> str:
    if not (text.isascii() and text.isprintable()):
        raise StoreProblem("the credentials of AWS hold what no header can carry")
    return text
