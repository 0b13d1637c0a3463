"""What is remembered of secrets: fetched once and side by side, again after a while, and never lost to a store."""

import asyncio
import threading
from collections.abc import Iterator, Mapping

import pytest

from switchgear.config.references import BadReference
from switchgear.config.secret_stores import Remembered
from tests.config.secret_stores.fake_vault import TOKEN, FakeVault
from tests.config.secret_stores.stand import Asked, Told

OPENAI = "vault:old/openai#api_key"
OTHERS = ("vault:old/anthropic#api_key", "vault:old/gemini#api_key")
VALUE = "planted-value"


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    made = FakeVault()
    made.plain = {name: {"api_key": f"{VALUE}-1", "user": "kim"} for name in ("openai", "anthropic", "gemini")}
    with made:
        yield made


@pytest.fixture
def remembered(vault: FakeVault) -> Iterator[Remembered]:
    made = Remembered({"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN})
    yield made
    made.stop()


def test_a_secret_is_fetched_once_whatever_fields_of_it_are_wanted(vault: FakeVault, remembered: Remembered) -> None:
    remembered.want([OPENAI, "vault:old/openai#user", OPENAI])
    assert (remembered.value(OPENAI), remembered.value("vault:old/openai#user")) == (f"{VALUE}-1", "kim")
    assert vault.paths.count("/v1/old/openai") == 1


def test_several_secrets_are_fetched_side_by_side(vault: FakeVault, remembered: Remembered) -> None:
    together, plain = threading.Barrier(3), vault.answer

    def meet(asked: Asked) -> Told:
        if asked.path.startswith("/v1/old/"):
            together.wait(20)
        return plain(asked)

    vault.answer = meet
    remembered.want([OPENAI, *OTHERS])
    assert [remembered.value(each) for each in (OPENAI, *OTHERS)] == [f"{VALUE}-1"] * 3


def test_what_is_known_is_not_fetched_again_for_another_reading(vault: FakeVault, remembered: Remembered) -> None:
    remembered.want([OPENAI])
    before = len(vault.asked)
    vault.stop()
    remembered.want([OPENAI])
    assert remembered.value(OPENAI) == f"{VALUE}-1"
    assert len(vault.asked) == before


def test_what_is_wanted_no_longer_is_forgotten(remembered: Remembered) -> None:
    remembered.want([OPENAI])
    remembered.want(OTHERS)
    assert remembered.known(OPENAI) is None
    with pytest.raises(BadReference):
        remembered.value(OPENAI)


def test_a_new_value_is_seen_and_told_as_a_new_revision(vault: FakeVault, remembered: Remembered) -> None:
    remembered.want([OPENAI, *OTHERS])
    remembered.refresh()
    assert remembered.revision == 0
    vault.plain["openai"] = {"api_key": f"{VALUE}-2"}
    remembered.refresh()
    assert (remembered.value(OPENAI), remembered.value(OTHERS[0])) == (f"{VALUE}-2", f"{VALUE}-1")
    assert remembered.revision == 1


def test_a_store_that_is_down_takes_nothing_away_and_the_problem_is_told(
    vault: FakeVault, remembered: Remembered, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    remembered.want([OPENAI])
    vault.stop()
    remembered.refresh()
    remembered.refresh()
    assert (remembered.value(OPENAI), remembered.revision) == (f"{VALUE}-1", 0)
    why = f"{vault.url} cannot be asked: Connection refused"
    assert remembered.problem == f"${{{OPENAI}}} could not be read again, and its last value stays: {why}"
    with vault:
        remembered.refresh()
    assert (remembered.problem, remembered.revision) == ("", 0)
    assert [one.getMessage() for one in caplog.records] == [
        f"${{{OPENAI}}}: {why}; its last value stays in use",
        f"${{{OPENAI}}} can be read again",
    ]
    assert VALUE not in caplog.text


def test_what_could_never_be_read_is_a_new_revision_when_it_can_and_when_the_reason_changes(
    vault: FakeVault, remembered: Remembered
) -> None:
    vault.is_sealed = True
    remembered.want([OPENAI])
    with pytest.raises(BadReference, match="503: sealed"):
        remembered.value(OPENAI)
    assert remembered.problem == ""
    remembered.refresh()
    assert remembered.revision == 0
    vault.is_sealed = False
    vault.tokens.clear()
    remembered.refresh()
    assert remembered.revision == 1
    with pytest.raises(BadReference, match="403: the token"):
        remembered.value(OPENAI)
    vault.tokens.add(TOKEN)
    remembered.refresh()
    assert (remembered.value(OPENAI), remembered.revision) == (f"{VALUE}-1", 2)


def test_a_store_that_hangs_is_waited_for_no_longer_than_all_secrets_may_take(vault: FakeVault) -> None:
    over, plain = threading.Event(), vault.answer

    def hang(asked: Asked) -> Told:
        if asked.path.startswith("/v1/old/openai"):
            over.wait(20)
        return plain(asked)

    vault.answer = hang
    remembered = Remembered({"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN}, fetch_seconds=0.3)
    try:
        remembered.want([OPENAI])
        with pytest.raises(BadReference, match=r"no answer within 0\.3 s"):
            remembered.value(OPENAI)
    finally:
        over.set()


async def test_it_is_kept_fresh_by_a_thread_of_its_own(vault: FakeVault, remembered: Remembered) -> None:
    remembered.refresh_seconds = 0.1
    remembered.keep_fresh()
    remembered.want([OPENAI])
    vault.plain["openai"] = {"api_key": f"{VALUE}-2"}
    while remembered.value(OPENAI) != f"{VALUE}-2":
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("fields", "why"),
    [({"api_key": " \n"}, "is empty"), ({"api_key": "x" * 65_537}, "is longer than 65536 bytes")],
)
def test_a_value_that_can_be_none_is_refused(
    vault: FakeVault, remembered: Remembered, fields: Mapping[str, object], why: str
) -> None:
    vault.plain["openai"] = fields
    remembered.want([OPENAI])
    with pytest.raises(BadReference, match=why):
        remembered.value(OPENAI)


class Broken:
    """A store with a mistake in it, which quotes what it read."""

    options: tuple[str, ...] = ()
    needs_field = False

    def read(self, name: str, options: Mapping[str, str]) -> str:
        raise ValueError(VALUE)


def test_a_mistake_in_a_store_shows_nothing_of_what_it_read(remembered: Remembered) -> None:
    remembered._stores["vault"] = Broken()
    remembered.want([OPENAI])
    with pytest.raises(BadReference) as caught:
        remembered.value(OPENAI)
    assert str(caught.value) == f"${{{OPENAI}}}: cannot be read: ValueError in the store 'vault'"
    assert caught.value.__cause__ is None


def test_no_representation_shows_a_secret(remembered: Remembered) -> None:
    remembered.want([OPENAI])
    assert remembered.known(OPENAI) == f"{VALUE}-1"
    assert VALUE not in f"{remembered!r}{remembered._held!r}{remembered._stores!r}"
