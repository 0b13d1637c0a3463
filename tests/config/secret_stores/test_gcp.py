"""`${gcp:projects/P/secrets/S/versions/V}`: an account's key, a machine's account, a damaged payload, and refusals."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from switchgear.config.secret_stores import Remembered
from switchgear.config.secret_stores.gcp import crc32c
from tests.config.secret_stores.fake_gcp import TOKENS, FakeGcp
from tests.config.secret_stores.stand import Told, always, problem, told, value

VALUE = "planted-value"
SECRET = "projects/shop/secrets/openai"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def gcp(key: rsa.RSAPrivateKey) -> Iterator[FakeGcp]:
    made = FakeGcp(key)
    made.versions[f"{SECRET}/versions/latest"] = f"{VALUE}\n".encode()
    made.versions[f"{SECRET}/versions/1"] = b'{"api_key": "first"}'
    made.versions[f"{SECRET}/versions/2"] = b"\xff\xfe"
    made.checksums[f"{SECRET}/versions/latest"] = str(crc32c(f"{VALUE}\n".encode()))
    with made:
        yield made


def fault(environ: Mapping[str, str], reference: str) -> str:
    return problem(environ, reference, (VALUE, *TOKENS, "PRIVATE KEY"))


@pytest.mark.parametrize(
    ("data", "expected"),
    # The first is the check value of the catalogue of CRCs, the others are of RFC 3720, appendix B.4.
    [
        (b"123456789", 0xE3069283),
        (bytes(32), 0x8A9136AA),
        (b"\xff" * 32, 0x62A8AB43),
        (bytes(range(32)), 0x46DD794E),
    ],
)
def test_the_checksum_is_castagnolis(data: bytes, expected: int) -> None:
    assert crc32c(data) == expected


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (f"gcp:{SECRET}", VALUE),
        (f"gcp:{SECRET}/versions/latest", VALUE),
        (f"gcp:{SECRET}/versions/1#api_key", "first"),
    ],
)
def test_a_version_is_read_as_a_service_account(gcp: FakeGcp, tmp_path: Path, reference: str, expected: str) -> None:
    assert value(gcp.environ(tmp_path), reference) == expected
    issued, ends = gcp.claims["iat"], gcp.claims["exp"]
    assert isinstance(issued, int)
    assert ends == issued + 3600


def test_a_machine_asks_as_its_own_account(gcp: FakeGcp, tmp_path: Path) -> None:
    environ = {**gcp.environ(tmp_path), "GCE_METADATA_HOST": gcp.url.removeprefix("http://")}
    del environ["GOOGLE_APPLICATION_CREDENTIALS"]
    assert value(environ, f"gcp:{SECRET}") == VALUE
    gcp.answer = always(told(200, {"access_token": "t", "expires_in": 1}))
    assert fault(environ, f"gcp:{SECRET}") == f"{gcp.url} is not the metadata server of Google Cloud"


def test_a_token_serves_several_secrets_and_is_got_again_when_it_is_refused(gcp: FakeGcp, tmp_path: Path) -> None:
    remembered = Remembered(gcp.environ(tmp_path))
    remembered.want([f"gcp:{SECRET}", f"gcp:{SECRET}/versions/1"])
    assert gcp.paths.count("/token") == 1
    gcp.refusal = (401, "UNAUTHENTICATED")
    remembered.refresh()
    gcp.refusal = None
    remembered.refresh()
    assert remembered.problem == ""
    assert gcp.paths.count("/token") >= 2


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        (f"gcp:{SECRET}/versions/9", "URL answers 404 NOT_FOUND: there is no such secret, or no such version of it"),
        (f"gcp:{SECRET}/versions/2", "is binary, and no text in UTF-8"),
        (f"gcp:{SECRET}#api_key", "is no JSON object, and so has no fields; name none"),
        (f"gcp:{SECRET}?version=1", "this store knows no 'version' behind a '?'; it knows none"),
        ("gcp:openai", "is no secret of Google Cloud; write projects/P/secrets/S/versions/V"),
        ("gcp:projects/a/secrets/../b", "is no secret of Google Cloud; write projects/P/secrets/S/versions/V"),
    ],
)
def test_what_cannot_be_read_is_told(gcp: FakeGcp, tmp_path: Path, reference: str, why: str) -> None:
    assert fault(gcp.environ(tmp_path), reference) == why.replace("URL", gcp.url)


@pytest.mark.parametrize(
    ("status", "code", "why"),
    [
        (
            403,
            "PERMISSION_DENIED",
            "the account may not read this secret (roles/secretmanager.secretAccessor), or the API",
        ),
        (400, "FAILED_PRECONDITION", "this version is disabled or destroyed"),
        (503, "UNAVAILABLE", "it is down"),
    ],
)
def test_a_refusal_is_told_by_its_status(gcp: FakeGcp, tmp_path: Path, status: int, code: str, why: str) -> None:
    gcp.refusal = (status, code)
    assert fault(gcp.environ(tmp_path), f"gcp:{SECRET}").startswith(f"{gcp.url} answers {status} {code}: {why}")


def test_a_damaged_payload_is_not_used(gcp: FakeGcp, tmp_path: Path) -> None:
    gcp.checksums[f"{SECRET}/versions/latest"] = "1"
    why = "arrived damaged: its CRC32C is another one than Google Cloud tells"
    assert fault(gcp.environ(tmp_path), f"gcp:{SECRET}") == why


def test_an_answer_that_is_none_is_told_and_not_shown(gcp: FakeGcp, tmp_path: Path) -> None:
    for body in (b"{", b'{"payload": {"data": 7}}', b'{"payload": {"data": "planted-value"}}'):
        gcp.garbled = Told(200, body)
        assert fault(gcp.environ(tmp_path), f"gcp:{SECRET}").startswith("Google Cloud answers ")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"type": "authorized_user"}, "GOOGLE_APPLICATION_CREDENTIALS must name the key file of a service account"),
        (
            {"private_key": "planted-value"},
            "the private key in the file that GOOGLE_APPLICATION_CREDENTIALS names is no",
        ),
        ({"token_uri": "http://token.example/"}, "token_uri in "),
        ({"client_email": 7}, "the file "),
    ],
)
def test_a_key_file_that_cannot_be_used_is_told(
    gcp: FakeGcp, tmp_path: Path, changed: Mapping[str, object], why: str
) -> None:
    path = gcp.account_file(tmp_path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    assert fault({"GOOGLE_APPLICATION_CREDENTIALS": str(path)}, f"gcp:{SECRET}").startswith(why)


def test_a_key_file_that_is_not_there_is_named() -> None:
    environ = {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/account.json"}
    assert fault(environ, f"gcp:{SECRET}") == (
        "GOOGLE_APPLICATION_CREDENTIALS: the file '/nowhere/account.json' cannot be read: No such file or directory"
    )
