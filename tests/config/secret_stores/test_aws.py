"""`${aws:NAME-OR-ARN#FIELD}`: signatures that hold, credentials in the usual order, and what goes wrong."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from switchgear.config.secret_stores import Remembered
from switchgear.config.secret_stores.aws_signature import Credentials, Scope, signed
from switchgear.kernel.clock import FrozenClock
from tests.amazon import ClientError, Config, boto3, response_of
from tests.config.secret_stores.fake_aws import KEY_ID, POD_TOKEN, ROLE, SECRET, SESSION, FakeAws
from tests.config.secret_stores.stand import Told, always, problem, told, value
from tests.sigv4 import is_signed

VALUE = "planted-value"
ARN = "arn:aws:secretsmanager:us-west-2:123456789012:secret:prod/openai-AbCdEf"


@pytest.fixture
def aws() -> Iterator[FakeAws]:
    made = FakeAws()
    made.versions["prod/openai"] = {"v1": "first", "v2": f'{{"api_key": "{VALUE}", "user": "kim"}}'}
    made.versions["plain"] = {"v2": f"{VALUE}\n"}
    made.versions["bytes"] = {"v2": VALUE.encode()}
    made.versions["binary"] = {"v2": b"\xff\xfe"}
    made.versions[ARN] = {"v2": VALUE}
    with made:
        yield made


def fault(environ: Mapping[str, str], reference: str) -> str:
    return problem(environ, reference, (VALUE, SECRET, SESSION, POD_TOKEN))


def vendors_client(aws: FakeAws) -> Any:
    return boto3.client(
        "secretsmanager",
        aws_access_key_id=KEY_ID,
        aws_secret_access_key=SECRET,
        region_name=aws.region,
        endpoint_url=aws.url,
        config=Config(retries={"total_max_attempts": 1}),
    )


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        ("aws:plain", VALUE),
        ("aws:bytes", VALUE),
        ("aws:prod/openai#api_key", VALUE),
        ("aws:prod/openai?version=v1", "first"),
        ("aws:prod/openai?stage=AWSPREVIOUS", "first"),
        ("aws:prod/openai?stage=AWSCURRENT#user", "kim"),
    ],
)
def test_a_secret_is_read_by_its_name(aws: FakeAws, reference: str, expected: str) -> None:
    assert value(aws.environ(), reference) == expected


def test_an_arn_names_its_own_region(aws: FakeAws) -> None:
    environ = aws.environ()
    aws.region = "us-west-2"
    assert value(environ, f"aws:{ARN}") == VALUE


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("aws:prod/openai#other", "has no such field"),
        ("aws:plain#api_key", "is no JSON object, and so has no fields; name none"),
        ("aws:binary", "is binary, and no text in UTF-8"),
        ("aws:what is this", "is neither the name nor the ARN of a secret of AWS"),
        ("aws:plain?region=x", "this store knows no 'region' behind a '?'; it knows version, stage"),
        (
            "aws:nothing",
            "URL answers 400 ResourceNotFoundException: there is no such secret, or no such version, in this region",
        ),
    ],
)
def test_what_cannot_be_read_is_told(aws: FakeAws, reference: str, why: str) -> None:
    assert fault(aws.environ(), reference) == why.replace("URL", aws.url)


def test_wrong_keys_are_told_without_them(aws: FakeAws) -> None:
    wrong = {**aws.environ(), "AWS_SECRET_ACCESS_KEY": VALUE}
    assert fault(wrong, "aws:plain") == (
        f"{aws.url} answers 400 InvalidSignatureException: the secret access key does not fit its id, or this "
        "machine's clock is wrong"
    )


@pytest.mark.parametrize(
    "code",
    ["AccessDeniedException", "DecryptionFailure", "ThrottlingException", "InternalServiceError", "NewException"],
)
def test_a_refusal_is_told_by_its_code_as_the_vendors_own_client_reads_it(aws: FakeAws, code: str) -> None:
    aws.refusal = (500 if code == "InternalServiceError" else 400, code)
    client = vendors_client(aws)
    with pytest.raises(ClientError) as caught:
        client.get_secret_value(SecretId="plain")
    assert response_of(caught.value)["Error"]["Code"] == code
    assert fault(aws.environ(), "aws:plain").startswith(f"{aws.url} answers {aws.refusal[0]} {code}")


def test_the_vendors_own_client_sends_what_we_send(aws: FakeAws) -> None:
    client = vendors_client(aws)
    theirs = client.get_secret_value(SecretId="prod/openai", VersionStage="AWSPREVIOUS")["SecretString"]
    assert value(aws.environ(), "aws:prod/openai?stage=AWSPREVIOUS") == theirs == "first"
    first, second = aws.asked
    assert first.body.replace(b" ", b"") == second.body.replace(b" ", b"")
    assert [one.headers["x-amz-target"] for one in aws.asked] == ["secretsmanager.GetSecretValue"] * 2


def test_an_answer_that_is_none_is_told_and_not_shown(aws: FakeAws) -> None:
    aws.answer = always(Told(200, b'{"SecretString": 7, "x": "planted-value"}'))
    assert (
        fault(aws.environ(), "aws:plain") == "AWS answers what is not understood, and not the JSON of its documentation"
    )
    aws.answer = always(told(200, {"Name": "plain"}))
    assert fault(aws.environ(), "aws:plain") == "holds nothing"
    aws.answer = always(told(400, {"__type": f"{VALUE} {VALUE}"}))
    assert fault(aws.environ(), "aws:plain") == f"{aws.url} answers 400, and no code that is understood"


def test_a_web_identity_is_exchanged_for_a_role(aws: FakeAws, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(POD_TOKEN)
    identity = {"AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"), "AWS_ROLE_ARN": ROLE}
    assert value({**aws.role_environ(), **identity}, "aws:plain") == VALUE
    (tmp_path / "token").write_text("another")
    assert (
        fault({**aws.role_environ(), **identity}, "aws:plain") == f"{aws.url} gives no role: 400 InvalidIdentityToken"
    )


def test_a_container_gets_its_role_from_its_endpoint(aws: FakeAws, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(POD_TOKEN)
    task = {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/v2/credentials/task",
        "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE": str(tmp_path / "token"),
    }
    assert value({**aws.role_environ(), **task}, "aws:plain") == VALUE
    far = {**task, "AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.1.1/v2/credentials/task"}
    assert fault({**aws.role_environ(), **far}, "aws:plain").startswith(
        "AWS_CONTAINER_CREDENTIALS_FULL_URI must begin with https://"
    )


def test_an_instance_gets_its_role_by_the_second_version_of_its_service(aws: FakeAws) -> None:
    assert value(aws.role_environ(), "aws:plain") == VALUE
    assert [one.method for one in aws.asked] == ["PUT", "GET", "GET", "POST"]


@pytest.mark.parametrize("place", ["web identity", "container", "instance"])
def test_the_vendors_own_client_finds_the_same_credentials_in_the_same_places(
    aws: FakeAws, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "token").write_text(POD_TOKEN)
    given = {
        "web identity": {
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
            "AWS_ROLE_ARN": ROLE,
            "AWS_ROLE_SESSION_NAME": "switchgear",
        },
        "container": {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"{aws.url}/v2/credentials/task",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": POD_TOKEN,
        },
        "instance": {},
    }[place]
    environ = {**aws.role_environ(), **given}
    for name, text in {**environ, "AWS_DEFAULT_REGION": aws.region, "HOME": str(tmp_path)}.items():
        monkeypatch.setenv(name, text)
    assert boto3.Session().client("secretsmanager").get_secret_value(SecretId="bytes")["SecretBinary"] == VALUE.encode()
    theirs = aws.paths
    aws.asked.clear()
    assert value(environ, "aws:bytes") == VALUE
    assert aws.paths == theirs


def test_the_credentials_of_a_role_are_got_again_before_they_run_out_and_when_they_are_refused(aws: FakeAws) -> None:
    clock = aws.clock = FrozenClock()
    remembered = Remembered(aws.role_environ(), clock)
    remembered.want(["aws:plain", "aws:bytes"])
    clock.advance(2399)
    remembered.refresh()
    assert aws.paths.count("/latest/api/token") == 1
    clock.advance(2)
    remembered.refresh()
    assert aws.paths.count("/latest/api/token") == 2

    remembered.want(["aws:plain"])
    aws.refusal = (400, "ExpiredTokenException")
    remembered.refresh()
    assert "ExpiredTokenException: the session's credentials have run out" in remembered.problem
    aws.refusal = None
    remembered.refresh()
    assert remembered.problem == ""
    assert aws.paths.count("/latest/api/token") == 3


@pytest.mark.parametrize(
    ("environ", "why"),
    [
        ({}, "no region: set AWS_REGION, such as eu-central-1, or refer to the secret by its ARN"),
        ({"AWS_REGION": "eu/central"}, "no region: set AWS_REGION"),
        (
            {"AWS_REGION": "eu-central-1", "AWS_ACCESS_KEY_ID": "x"},
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY go together",
        ),
        ({"AWS_REGION": "eu-central-1", "AWS_EC2_METADATA_DISABLED": "true"}, "no credentials of AWS: set AWS_ACCESS_"),
    ],
)
def test_what_the_environment_lacks_is_named(environ: Mapping[str, str], why: str) -> None:
    assert fault(environ, "aws:plain").startswith(why)


def test_a_signature_is_the_one_of_the_specification() -> None:
    body, clock = b'{"SecretId": "x"}', FrozenClock()
    sent = signed(
        {"x-amz-target": "t", "content-type": "a  b"}, body, "secretsmanager.eu-central-1.amazonaws.com",
        Credentials(KEY_ID, SECRET, SESSION), Scope("eu-central-1", "secretsmanager"), wall_ns=clock.wall_ns(),
    )  # fmt: skip
    received = {**sent, "host": "secretsmanager.eu-central-1.amazonaws.com"}
    assert is_signed("POST", "/", received, body, SECRET)
    assert not is_signed("POST", "/", received, body + b" ", SECRET)
    assert sent["x-amz-date"] == "20231114T221320Z"
    assert SECRET not in repr(Credentials(KEY_ID, SECRET, SESSION))
