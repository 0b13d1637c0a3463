"""The feed: whole or refused, of this installation or refused, and laid over the file."""

from pathlib import Path

import pytest

from switchgear.app.keys import ring_of
from switchgear.auth.key_text import fresh_key, keyed_hash
from switchgear.auth.master_key import VARIABLE, MasterKeys, read_master_keys
from switchgear.auth.sealing import Sealer
from switchgear.config import ConfigWatcher, Source, config_version
from switchgear.config.effective import Effective
from switchgear.config.feed import FEED_FILE, Feed, KeyHash, ManagedKey, read_feed, write_feed
from switchgear.config.identity import TeamEntry, UserEntry
from switchgear.config.model import Config
from switchgear.config.server import Server
from switchgear.config.source import HASHING_KEY, secret_context
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.ids import secret_hex

MASTER, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
KEYS, NONE = read_master_keys({VARIABLE: MASTER}), read_master_keys({})
PLANTED = "sk-a-value-nobody-may-see"
FEED = Feed(teams={"support": TeamEntry(project="bots")}, keys=(ManagedKey(name="bot", team="support"),))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / FEED_FILE


@pytest.mark.parametrize("keys", [KEYS, NONE], ids=["with a master key", "without"])
def test_a_feed_is_read_as_it_was_written_and_written_only_when_it_says_something_new(
    path: Path, keys: MasterKeys
) -> None:
    assert read_feed(path, keys) is None
    assert write_feed(path, FEED, keys)
    assert not write_feed(path, FEED, keys)
    assert read_feed(path, keys) == FEED
    assert path.stat().st_mode & 0o777 == 0o600
    assert write_feed(path, Feed(), keys)


@pytest.mark.parametrize("keys", [KEYS, NONE], ids=["with a master key", "without"])
def test_a_feed_cut_or_changed_anywhere_is_refused(path: Path, keys: MasterKeys) -> None:
    write_feed(path, FEED, keys)
    whole = path.read_bytes()
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at])
        with pytest.raises(ConfigError):
            read_feed(path, keys)
    for at in range(len(whole) - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
        with pytest.raises(ConfigError):
            read_feed(path, keys)


@pytest.mark.parametrize(
    ("written", "read", "told"),
    [
        (MASTER, OTHER, "this was sealed under the master key"),
        (MASTER, "", "given is none"),
        ("", MASTER, "written without a master key"),
    ],
)
def test_a_feed_of_another_installation_is_refused(path: Path, written: str, read: str, told: str) -> None:
    write_feed(path, FEED, read_master_keys({VARIABLE: written}))
    with pytest.raises(ConfigError, match=told):
        read_feed(path, read_master_keys({VARIABLE: read}))


def test_a_feed_of_another_form_is_refused(path: Path) -> None:
    path.write_text('{"switchgear_feed": 2, "master": "", "proof": ""}\n{}\n')
    with pytest.raises(ConfigError, match="has the form 2"):
        read_feed(path, NONE)
    path.write_text("some other file\n")
    with pytest.raises(ConfigError, match="is no feed"):
        read_feed(path, NONE)


def file_in(folder: Path, more: str = "") -> Path:
    path = folder / "switchgear.yaml"
    path.write_text(f"journal: {{directory: {folder}}}\nproviders:\n  sim: {{kind: simulator}}\n{more}")
    return path


def source(folder: Path, more: str = "", master: str = MASTER) -> Source:
    return Source(file_in(folder, more), {VARIABLE: master})


def test_the_database_s_objects_lie_over_the_file_and_a_name_in_both_is_the_file_s(tmp_path: Path, path: Path) -> None:
    feed = Feed(
        teams={"support": TeamEntry(project="bots"), "research": TeamEntry()},
        users={"ada": UserEntry(teams=("support",))},
        keys=(ManagedKey(name="bot", user="ada"), ManagedKey(name="of-file", disabled=True)),
    )
    write_feed(path, feed, KEYS)
    more = "teams: {support: {project: labs}}\nprojects: {labs: {}}\nkeys: [{name: of-file, key: sk-sg-0123456789}]\n"
    config = source(tmp_path, more).load()
    assert config.teams["support"].project == "labs"
    assert set(config.teams) == {"support", "research"}
    assert [(key.name, key.disabled) for key in config.keys] == [("of-file", False), ("bot", False)]


def test_a_version_is_that_of_both(tmp_path: Path, path: Path) -> None:
    versions = {config_version(source(tmp_path).load())}
    write_feed(path, FEED, KEYS)
    versions.add(config_version(source(tmp_path).load()))
    versions.add(config_version(source(tmp_path, "teams: {other: {}}\n").load()))
    assert len(versions) == 3
    assert config_version(source(tmp_path).load()) in versions


def test_a_managed_key_works_with_each_of_its_texts_until_the_older_ends(tmp_path: Path, path: Path) -> None:
    hashing_key = bytes(range(32))
    old, new = fresh_key(secret_hex), fresh_key(secret_hex)
    hashes = (
        KeyHash(lookup=old.lookup, hash=keyed_hash(hashing_key, old.text.encode()).hex(), until="1970-01-01T00:01:00Z"),
        KeyHash(lookup=new.lookup, hash=keyed_hash(hashing_key, new.text.encode()).hex()),
    )
    sealed = Sealer(KEYS).seal(hashing_key.hex().encode(), HASHING_KEY)
    write_feed(path, Feed(keys=(ManagedKey(name="bot", hashes=hashes),), hashing_key=sealed), KEYS)
    ring = ring_of(source(tmp_path).load())
    assert ring.hashing_key == hashing_key
    assert not ring.callers
    assert not ring.allows_anonymous_loopback
    assert ring.managed[old.lookup.encode()][0].expires_ns == 60_000_000_000
    assert ring.managed[new.lookup.encode()][0].expires_ns == 0
    assert hashing_key.hex() not in path.read_text() + repr(source(tmp_path).load())


@pytest.mark.parametrize("require_key", [False, True])
def test_before_there_is_a_key_callers_on_this_machine_need_none_unless_one_is_required(*, require_key: bool) -> None:
    ring = ring_of(Config(server=Server(require_key=require_key)))
    assert ring.allows_anonymous_loopback is not require_key


def test_the_file_may_refer_to_a_secret_of_the_database(tmp_path: Path, path: Path) -> None:
    sealed = Sealer(KEYS).seal(PLANTED.encode(), secret_context("openai"))
    write_feed(path, Feed(secrets={"openai": sealed}), KEYS)
    more = "  openai: {kind: openai, api_keys: ['${secret:openai}', '${secret:openai}-2']}\n"
    config = source(tmp_path, more).load()
    assert [key.reveal() for key in config.providers["openai"].api_keys] == [PLANTED, f"{PLANTED}-2"]
    assert PLANTED not in repr(config) + path.read_text()


def test_a_secret_that_is_not_there_is_told_with_its_place(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"4:35: providers.openai.api_key: the control database has no"):
        source(tmp_path, "  openai: {kind: openai, api_key: '${secret:openai}'}\n").load()


def test_a_secret_may_be_in_a_file(tmp_path: Path) -> None:
    kept = tmp_path / "openai.txt"
    kept.write_text(f"{PLANTED}\n")
    more = f"  openai: {{kind: openai, api_key: '${{file:{kept}}}'}}\n"
    key = source(tmp_path, more).load().providers["openai"].api_key
    assert key is not None
    assert key.reveal() == PLANTED
    kept.unlink()
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        source(tmp_path, more).load()


async def test_a_change_of_the_feed_is_applied_and_a_broken_one_changes_nothing(tmp_path: Path, path: Path) -> None:
    applied: list[Config] = []
    told: list[str] = []
    origin = source(tmp_path)

    def report(error: ConfigError) -> None:
        told.append(error.message)

    watcher = ConfigWatcher(origin.first_file, {}, lambda _path, _environ: origin.load(), applied.append, report)
    first = origin.load()
    assert isinstance(first, Effective)
    write_feed(path, FEED, KEYS)  # between the first reading and the watching
    watcher.follow(first)
    await watcher.look()
    assert [key.name for key in applied[-1].keys] == ["bot"]
    path.write_bytes(path.read_bytes()[:-9])
    await watcher.look()
    await watcher.look()
    assert len(applied) == 1
    assert [message.partition(": ")[2] for message in told] == ["is torn, or was changed by another hand"]
    write_feed(path, Feed(), KEYS)
    await watcher.look()
    assert applied[-1].keys == ()
