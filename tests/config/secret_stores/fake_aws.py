"""The wire of AWS Secrets Manager, STS and the two places of a role's credentials, as their documentation has it.

Signatures are computed again from the request as it came, by code that shares nothing with what made them.
"""

import base64
import json
from datetime import UTC, datetime
from urllib.parse import parse_qs

from switchgear.kernel.clock import Clock, SystemClock
from tests.config.secret_stores.stand import Asked, Stand, Told, told
from tests.sigv4 import is_signed, scope_of

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
SESSION = "session/token+of==the-role"
POD_TOKEN = "token-of-the-pod"
ROLE = "arn:aws:iam::123456789012:role/switchgear"
INSTANCE_TOKEN = "token-of-the-instance=="
_TARGET = "secretsmanager.GetSecretValue"
_STS = "https://sts.amazonaws.com/doc/2011-06-15/"


class FakeAws(Stand):
    """``versions`` holds the secrets by name or ARN, the current version last, and each version under its id too."""

    def __init__(self) -> None:
        super().__init__(self._serve)
        self.versions: dict[str, dict[str, str | bytes]] = {}
        self.stages: dict[str, str] = {"AWSCURRENT": "v2", "AWSPREVIOUS": "v1"}
        self.region = "eu-central-1"
        self.session: str | None = None
        self.refusal: tuple[int, str] | None = None
        self.lasts_seconds = 3600
        self.clock: Clock = SystemClock()

    def environ(self) -> dict[str, str]:
        """Keys that last, and where this is."""
        return {
            "AWS_REGION": self.region,
            "AWS_ACCESS_KEY_ID": KEY_ID,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
        }

    def role_environ(self) -> dict[str, str]:
        """No keys; a role may be had from STS, the container or the instance, all of them here."""
        self.session = SESSION
        return {
            "AWS_REGION": self.region,
            "AWS_ENDPOINT_URL_SECRETS_MANAGER": self.url,
            "AWS_ENDPOINT_URL_STS": self.url,
            "AWS_EC2_METADATA_SERVICE_ENDPOINT": self.url,
        }

    def _serve(self, asked: Asked) -> Told:
        if asked.path == "/":
            return self._secret(asked) if "x-amz-target" in asked.headers else self._assume(asked)
        if asked.path == "/v2/credentials/task":
            right = asked.headers.get("authorization") == POD_TOKEN
            return told(200, self._keys()) if right else told(401, {"code": "nobody"})
        return self._instance(asked)

    def _secret(self, asked: Asked) -> Told:
        if self.refusal is not None:
            status, code = self.refusal
            return told(status, {"__type": code, "message": "it was refused"})
        if scope_of(asked.headers) != (KEY_ID, self.region, "secretsmanager"):
            return told(400, {"__type": "UnrecognizedClientException"})
        if asked.headers.get("x-amz-security-token") != self.session:
            return told(400, {"__type": "UnrecognizedClientException"})
        if not is_signed(asked.method, asked.target, asked.headers, asked.body, SECRET):
            return told(400, {"__type": "InvalidSignatureException"})
        assert asked.headers["x-amz-target"] == _TARGET
        assert asked.headers["content-type"] == "application/x-amz-json-1.1"
        wish = json.loads(asked.body)
        version = wish.get("VersionId") or self.stages.get(wish.get("VersionStage", "AWSCURRENT"), "")
        found = self.versions.get(wish["SecretId"], {}).get(version)
        if found is None:
            fault = "com.amazonaws.secretsmanager#ResourceNotFoundException"
            return told(400, {"__type": fault, "Message": "Secrets Manager can't find the specified secret."})
        if isinstance(found, bytes):
            return told(200, {"Name": wish["SecretId"], "SecretBinary": base64.b64encode(found).decode()})
        return told(200, {"Name": wish["SecretId"], "SecretString": found, "VersionId": version})

    def _assume(self, asked: Asked) -> Told:
        form = {name: values[0] for name, values in parse_qs(asked.body.decode()).items()}
        right = {
            "Action": "AssumeRoleWithWebIdentity",
            "Version": "2011-06-15",
            "RoleArn": ROLE,
            "RoleSessionName": "switchgear",
            "WebIdentityToken": POD_TOKEN,
        }
        if form != right:
            body = f'<ErrorResponse xmlns="{_STS}"><Error><Code>InvalidIdentityToken</Code></Error></ErrorResponse>'
            return Told(400, body.encode())
        keys = self._keys()
        body = (
            f'<AssumeRoleWithWebIdentityResponse xmlns="{_STS}"><AssumeRoleWithWebIdentityResult><Credentials>'
            f"<AccessKeyId>{keys['AccessKeyId']}</AccessKeyId>"
            f"<SecretAccessKey>{keys['SecretAccessKey']}</SecretAccessKey>"
            f"<SessionToken>{keys['Token']}</SessionToken><Expiration>{keys['Expiration']}</Expiration>"
            "</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"
        )
        return Told(200, body.encode(), {"content-type": "text/xml"})

    def _instance(self, asked: Asked) -> Told:
        if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
            assert asked.headers["x-aws-ec2-metadata-token-ttl-seconds"].isdecimal()
            return Told(200, INSTANCE_TOKEN.encode())
        if asked.headers.get("x-aws-ec2-metadata-token") != INSTANCE_TOKEN:
            return Told(401)
        folder = "/latest/meta-data/iam/security-credentials/"
        if asked.path == folder:
            return Told(200, b"role-of-the-instance")
        if asked.path == f"{folder}role-of-the-instance":
            return told(200, {"Code": "Success", "Type": "AWS-HMAC", **self._keys()})
        return Told(404)

    def _keys(self) -> dict[str, str]:
        ends = datetime.fromtimestamp(self.clock.wall_ns() / 1e9 + self.lasts_seconds, UTC)
        return {
            "AccessKeyId": KEY_ID,
            "SecretAccessKey": SECRET,
            "Token": SESSION,
            "Expiration": ends.strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
