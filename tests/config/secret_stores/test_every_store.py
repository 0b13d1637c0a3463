"""What holds for every store, whoever made it: bounded, silent about values, and no trouble before it is asked."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from msgspec import Struct

from switchgear.config.references import BadReference
from switchgear.config.secret_stores import STORES, Remembered
from switchgear.config.secret_stores.client import MAX_ANSWER_BYTES
from switchgear.config.secret_stores.registry import open_store
from switchgear.config.secret_stores.store import StoreProblem
from switchgear.kernel.clock import SystemClock
from tests.config.secret_stores.fake_aws import FakeAws
from tests.config.secret_stores.fake_gcp import FakeGcp
from tests.config.secret_stores.fake_vault import TOKEN, FakeVault
from tests.config.secret_stores.stand import Asked, Stand, Told, always, told

VALUE = "planted-value"
SECRET = "projects/shop/secrets/openai"


class Case(Struct):
    """A store that runs, a secret in it, how it is asked for, and which requests are for the secret itself."""

    stand: Stand
    environ: Mapping[str, str]
    reference: str
    is_for_the_secret: Callable[[Asked], bool]

    def garble(self, answer: Told) -> None:
        """Answer so to whoever asks for the secret; logins stay as they are."""
        plain = self.stand.answer

        def serve(asked: Asked) -> Told:
            return answer if self.is_for_the_secret(asked) else plain(asked)

        self.stand.answer = serve


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture(params=sorted(STORES))
def case(request: pytest.FixtureRequest, tmp_path: Path, key: rsa.RSAPrivateKey) -> Iterator[Case]:
    vault, aws, gcp = FakeVault(), FakeAws(), FakeGcp(key)
    vault.plain["openai"] = {"api_key": VALUE}
    aws.versions["openai"] = {"v2": VALUE}
    gcp.versions[f"{SECRET}/versions/latest"] = VALUE.encode()
    stand: Stand = {"vault": vault, "aws": aws, "gcp": gcp}[request.param]
    with stand:
        yield {
            "vault": lambda: Case(
                vault,
                {"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN},
                "vault:old/openai#api_key",
                lambda asked: asked.path == "/v1/old/openai",
            ),
            "aws": lambda: Case(aws, aws.environ(), "aws:openai", lambda asked: "x-amz-target" in asked.headers),
            "gcp": lambda: Case(
                gcp, gcp.environ(tmp_path), f"gcp:{SECRET}", lambda asked: asked.path.endswith(":access")
            ),
        }[request.param]()


def read(case: Case) -> str:
    remembered = Remembered(case.environ)
    remembered.want([case.reference])
    return remembered.value(case.reference)


def problem(case: Case) -> str:
    with pytest.raises(BadReference) as caught:
        read(case)
    assert VALUE not in str(caught.value)
    assert caught.value.__context__ is None
    return str(caught.value).removeprefix(f"${{{case.reference}}}: ")


def test_it_reads(case: Case) -> None:
    assert read(case) == VALUE


@pytest.mark.parametrize("name", sorted(STORES))
def test_it_complains_of_nothing_before_it_is_asked(name: str) -> None:
    store = open_store(name, {"AWS_EC2_METADATA_DISABLED": "true", "GCE_METADATA_HOST": "127.0.0.1:9"}, SystemClock())
    with pytest.raises(StoreProblem):
        store.read("projects/a/secrets/b" if name == "gcp" else "a/b", {})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("body", [VALUE.encode(), f'{{"error": "{VALUE}", "__type": "{VALUE} x"}}'.encode(), b""])
def test_a_refusal_shows_its_status_and_nothing_of_its_text(case: Case, status: int, body: bytes) -> None:
    case.garble(Told(status, body))
    assert problem(case).startswith(f"{case.stand.url} answers {status}")


@pytest.mark.parametrize(
    "body",
    [b"", b"null", b"[]", VALUE.encode(), b'{"data": "', b"[" * 100_000, b"\xff\xfe", f'{{"data": "{VALUE}"'.encode()],
)
def test_an_answer_that_is_none_is_told_as_such(case: Case, body: bytes) -> None:
    case.garble(Told(200, body))
    assert "answers what is not understood" in problem(case)


def test_too_large_an_answer_is_not_read(case: Case) -> None:
    case.garble(Told(200, b" " * (MAX_ANSWER_BYTES + 1)))
    assert problem(case) == f"{case.stand.url} answers with more than {MAX_ANSWER_BYTES} bytes"


def test_a_redirect_is_not_followed(case: Case) -> None:
    with Stand(always(told(200, {}))) as elsewhere:
        case.garble(Told(302, headers={"location": elsewhere.url}))
        assert problem(case) == f"{case.stand.url} answers 302 and sends us to '127.0.0.1', which is not followed"
        assert elsewhere.asked == []


def test_nobody_there_is_told(case: Case) -> None:
    case.stand.stop()
    assert problem(case).endswith(f"{case.stand.url} cannot be asked: Connection refused")
