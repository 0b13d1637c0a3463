"""Whose price counts: the provider's own, then the operator's table, then the packaged one."""

import json
import re
from pathlib import Path

import pytest

from switchgear.app.prices import PriceBook, declared_version
from switchgear.config.model import Config, Prices, ProviderEntry
from switchgear.kernel.chat import Usage
from switchgear.kernel.errors import ConfigError
from switchgear.models.rate_card import PriceCard
from switchgear.models.signature import PrivateKey

MILLION = Usage(input=1_000_000)


def write(path: Path, dollars: str, model: str = "gpt-4o") -> None:
    vendor = {"kinds": ["openai"], "source": "", "models": {model: {"input": dollars, "output": "1"}}}
    path.write_text(json.dumps({"version": "own", "vendors": {"openai": vendor}}), encoding="utf-8")


def book(file: Path | None = None, /, **cards: PriceCard) -> PriceBook:
    openai = ProviderEntry(kind="openai", prices=dict(cards))
    return PriceBook(Config(providers={"openai": openai}, prices=Prices(file=None if file is None else str(file))))


SIGNER = PrivateKey.new()


def sealed_book(file: Path) -> PriceBook:
    prices = Prices(file=str(file), trusted_keys=(SIGNER.public.text,))
    return PriceBook(Config(providers={"openai": ProviderEntry(kind="openai")}, prices=prices))


def dollars(found: PriceBook, model: str) -> float | None:
    price = found.price("openai", model)
    return None if price is None else price.cost(MILLION) / 1e9


def test_the_packaged_table_is_the_last_word(tmp_path: Path) -> None:
    write(tmp_path / "prices.json", "7", model="gpt-4o-mini")

    assert dollars(book(tmp_path / "prices.json"), "gpt-4o") == 2.5


def test_the_operators_table_goes_before_it(tmp_path: Path) -> None:
    write(tmp_path / "prices.json", "7")

    assert dollars(book(tmp_path / "prices.json"), "gpt-4o") == 7


def test_what_the_provider_itself_declares_goes_before_both(tmp_path: Path) -> None:
    write(tmp_path / "prices.json", "7")
    found = book(tmp_path / "prices.json", **{"gpt-4o": PriceCard(input="9", output="1")})

    assert dollars(found, "gpt-4o") == 9
    price = found.price("openai", "gpt-4o")
    assert price is not None
    assert price.version == declared_version(PriceCard(output="1", input="9"))


def test_other_rates_are_another_version_and_the_same_are_the_same_wherever_they_stand() -> None:
    cards = [PriceCard(input="9", output="1"), PriceCard(input="9", output="1", cache_read="2")]
    versions = {declared_version(card) for card in cards}
    assert len(versions) == 2
    assert all(re.fullmatch(r"declared-[0-9a-f]{12}", version) for version in versions)
    assert declared_version(PriceCard(input="9", output="1", later=())) in versions


def test_a_star_is_for_all_models_that_the_provider_does_not_name() -> None:
    found = book(**{"*": PriceCard(input="4", output="1"), "a": PriceCard(input="5", output="1")})

    assert (dollars(found, "a"), dollars(found, "gpt-4o"), dollars(found, "never-seen")) == (5, 4, 4)


def test_what_nobody_knows_has_no_price() -> None:
    assert dollars(book(), "never-seen") is None


def test_a_table_that_is_not_there_is_told_by_its_name(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"prices\.file: .*none\.json cannot be read: No such file"):
        book(tmp_path / "none.json")


def test_a_declared_price_that_is_too_fine_is_told_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"providers\.openai\.prices\.m: output: "):
        book(m=PriceCard(input="1", output="0.0000001"))


def test_another_table_is_another_version_of_the_configuration(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    write(path, "7")
    first = book(path).marked("abc")
    write(path, "8")

    assert "abc" == book().marked("abc") != first != book(path).marked("abc")


def test_a_table_that_a_trusted_key_signed_is_used(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    write(path, "7")
    (tmp_path / "prices.json.sig").write_bytes(SIGNER.sign(path.read_bytes()))

    assert dollars(sealed_book(path), "gpt-4o") == 7


def test_a_table_that_must_be_signed_and_is_not_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "prices.json", "7")

    with pytest.raises(ConfigError, match=r"^prices\.file: .*prices\.json must be signed, and there is no .*\.sig"):
        sealed_book(tmp_path / "prices.json")


def test_a_table_that_was_changed_after_it_was_signed_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "prices.json"
    write(path, "7")
    (tmp_path / "prices.json.sig").write_bytes(SIGNER.sign(path.read_bytes()))
    write(path, "0")

    with pytest.raises(ConfigError, match=rf"^prices\.file: .* is not what the key {SIGNER.public.id} signed"):
        sealed_book(path)


def test_a_table_that_needs_no_signature_may_have_any(tmp_path: Path) -> None:
    write(tmp_path / "prices.json", "7")
    (tmp_path / "prices.json.sig").write_bytes(b"whatever")

    assert dollars(book(tmp_path / "prices.json"), "gpt-4o") == 7


def test_the_signature_is_watched_like_its_table() -> None:
    config = Config(prices=Prices(file="a/prices.json", trusted_keys=(SIGNER.public.text,)))

    assert config.files == (Path("a/prices.json"), Path("a/prices.json.sig"))
