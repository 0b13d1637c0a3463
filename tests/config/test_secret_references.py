"""References to stores of secrets in a configuration: told with their line, and followed while it runs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from switchgear.auth.master_key import read_master_keys
from switchgear.config import Config, ConfigWatcher, Source, config_version
from switchgear.config.feed import FEED_FILE, Feed, ManagedKey, write_feed
from switchgear.kernel.errors import ConfigError
from tests.config.secret_stores.fake_vault import TOKEN, FakeVault

VALUE = "planted-value"
UNUSABLE_PORT = 4999
OPENAI = "${vault:old/openai#api_key}"
CONFIG = """providers:
  openai: {{kind: openai, api_key: "{key}"}}
journal: {{directory: {directory}}}
# a line that says ${{vault:old/commented#api_key}}
secrets: {{refresh_seconds: 86400}}
"""


@pytest.fixture
def vault() -> Iterator[FakeVault]:
    made = FakeVault()
    made.plain = {"openai": {"api_key": f"{VALUE}-1"}}
    with made:
        yield made


class House:
    """A gateway's eye on its configuration: what is in force, and what was told."""

    def __init__(self, path: Path, vault: FakeVault) -> None:
        self.path = path
        self.source = Source(path, {"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN})
        self.watcher = ConfigWatcher(
            self.source.first_file, {}, lambda _path, _environ: self.source.load(), self._apply, self._report
        )
        self.watcher.watch(self.source.seen)
        self.watcher.otherwise(self.source.load_feed, self.source.took)
        self.problems: list[str] = []
        self.configs: list[Config] = []

    def write(self, key: str) -> None:
        self.path.write_text(CONFIG.format(key=key, directory=self.path.parent / "journal"))

    def start(self) -> None:
        config = self.source.load()
        self.watcher.follow(config)
        self.configs.append(config)

    async def look(self) -> None:
        """As often as it takes until nothing changes any more."""
        for _ in range(3):
            await self.watcher.look()

    @property
    def key(self) -> str:
        secret = self.configs[-1].providers["openai"].api_key
        assert secret is not None
        return secret.reveal()

    def _apply(self, config: Config) -> None:
        if config.server.port == UNUSABLE_PORT:
            raise ConfigError("nothing can be had there")
        self.configs.append(config)

    def _report(self, error: ConfigError) -> None:
        self.problems.append(error.message)


@pytest.fixture
def house(tmp_path: Path, vault: FakeVault) -> House:
    made = House(tmp_path / "switchgear.yaml", vault)
    made.write(OPENAI)
    return made


def test_a_secret_of_a_store_stands_where_its_reference_stood(house: House, vault: FakeVault) -> None:
    house.start()
    assert house.key == f"{VALUE}-1"
    assert vault.paths.count("/v1/old/openai") == 1
    assert not any("commented" in path for path in vault.paths)
    assert VALUE not in repr(house.configs) + repr(house.source.remembered)


def test_at_the_start_an_error_names_the_reference_and_its_line(house: House, vault: FakeVault) -> None:
    vault.is_sealed = True
    with pytest.raises(ConfigError) as caught:
        house.start()
    assert caught.value.message == (
        f"{house.path}:2:35: providers.openai.api_key: {OPENAI}: {vault.url} answers 503: sealed, or down for "
        "maintenance"
    )


def test_a_reference_to_no_known_store_names_those_there_are(house: House) -> None:
    house.write("${safe:openai}")
    with pytest.raises(ConfigError, match="no store of secrets is called 'safe'; known: secret, file, vault, aws, gcp"):
        house.start()


async def test_a_store_that_is_down_at_a_reload_leaves_the_configuration_in_force(
    house: House, vault: FakeVault
) -> None:
    house.start()
    await house.look()
    before = len(house.configs)
    vault.stop()
    house.write("${vault:old/another#api_key}")
    await house.look()
    assert (len(house.configs), house.key) == (before, f"{VALUE}-1")
    assert all("${vault:old/another#api_key}: " in one and "Connection refused" in one for one in house.problems)
    assert house.problems

    vault.plain["another"] = {"api_key": f"{VALUE}-2"}
    with vault:
        house.source.remembered.refresh()
        await house.look()
    assert house.key == f"{VALUE}-2"


@pytest.mark.parametrize("wrong", ["a secret", "the file", "what it asks for"])
async def test_keys_are_revoked_whatever_is_wrong_with_the_file(house: House, vault: FakeVault, wrong: str) -> None:
    feed, keys = house.path.parent / "journal" / FEED_FILE, read_master_keys({})
    write_feed(feed, Feed(keys=(ManagedKey(name="bot"),)), keys)
    house.start()
    await house.look()
    vault.is_sealed = True
    house.write("${vault:old/another#api_key}" if wrong == "a secret" else OPENAI)
    if wrong != "a secret":
        more = "serve: {}" if wrong == "the file" else f"server: {{port: {UNUSABLE_PORT}}}"
        house.path.write_text(f"{house.path.read_text()}{more}\n")
    await house.look()
    await house.look()
    assert house.problems
    assert [key.name for key in house.configs[-1].keys] == ["bot"]

    write_feed(feed, Feed(), keys)
    told = len(house.problems)
    await house.look()
    assert (house.configs[-1].keys, house.key) == ((), f"{VALUE}-1")
    assert len(house.problems) > told


async def test_a_reload_for_another_reason_needs_no_store(house: House, vault: FakeVault) -> None:
    house.start()
    await house.look()
    vault.stop()
    house.path.write_text(house.path.read_text() + "server: {port: 4711}\n")
    await house.look()
    assert (house.configs[-1].server.port, house.key, house.problems) == (4711, f"{VALUE}-1", [])


async def test_a_rotated_value_comes_into_use_as_another_version(house: House, vault: FakeVault) -> None:
    house.start()
    await house.look()
    before, version = len(house.configs), config_version(house.configs[-1])
    vault.plain["openai"] = {"api_key": f"{VALUE}-2"}
    house.source.remembered.refresh()
    await house.look()
    assert (len(house.configs), house.key) == (before + 1, f"{VALUE}-2")
    assert config_version(house.configs[-1]) != version
    house.source.remembered.refresh()
    await house.look()
    assert len(house.configs) == before + 1


async def test_a_secret_in_a_file_is_followed_too(house: House, tmp_path: Path) -> None:
    secret = tmp_path / "openai"
    secret.write_text(f"{VALUE}-1\n")
    house.write(f"${{file:{secret}}}")
    house.start()
    await house.look()
    secret.write_text(f"{VALUE}-22\n")
    await house.look()
    assert (house.key, house.problems) == (f"{VALUE}-22", [])
    secret.unlink()
    await house.look()
    assert house.key == f"{VALUE}-22"
    assert len(house.problems) == 1
    secret.write_text(f"{VALUE}-333\n")
    await house.look()
    assert house.key == f"{VALUE}-333"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x" * 65_537, "is longer than 65536 bytes"),
        ("€".encode() * 30_000, "is longer than 65536 bytes"),
        (b"\xff", "is not UTF-8"),
        (b" \n", "is empty"),
    ],
)
def test_a_file_that_is_no_secret_is_told_and_never_cut(
    house: House, tmp_path: Path, content: bytes, told: str
) -> None:
    (tmp_path / "openai").write_bytes(content)
    house.write(f"${{file:{tmp_path / 'openai'}}}")
    with pytest.raises(ConfigError, match=told):
        house.source.load()


def test_a_glance_asks_no_store_and_knows_what_was_fetched_before(house: House, vault: FakeVault) -> None:
    assert house.source.glance().providers["openai"].api_key is not None
    assert vault.asked == []
    house.start()
    house.configs.append(house.source.glance())
    assert house.key == f"{VALUE}-1"


def test_how_often_they_are_read_again_is_declared(house: House) -> None:
    house.start()
    assert house.source.remembered.refresh_seconds == 86400
