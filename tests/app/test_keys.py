"""Keys of the control database: made, rotated, revoked, and known to gateways by the feed."""

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec import structs

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.keys import Issued, kept_key
from switchgear.app.identity.kinds import KeyScopes
from switchgear.app.identity.service import Identity, identity
from switchgear.app.keys import ring_of
from switchgear.auth.master_key import VARIABLE, MasterKeys, read_master_keys
from switchgear.config import Config, Source, parse
from switchgear.config.feed import FEED_FILE, write_feed
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.errors import ConfigError
from switchgear.rest import audit
from switchgear.rest.principal import Author, Place
from switchgear.rest.problem import Refused
from tests.auth.test_managed_keys import admits

MASTER, OTHER = "0123456789abcdef" * 4, "fedcba9876543210" * 4
ADA = Author(kind="user", name="ada")
FILE = """
providers: {sim: {kind: simulator}}
organisations: {acme: {}}
projects: {bots: {organisation: acme}}
teams: {support: {project: bots}, research: {}}
users: {ada: {teams: [support]}}
keys: [{name: of-file, key: sk-sg-0123456789abcdef}]
"""


def master(text: str) -> MasterKeys:
    return read_master_keys({VARIABLE: text})


def declared(text: str = FILE) -> Callable[[], Config]:
    config = parse(text, "file", {})
    return lambda: config


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


@pytest.fixture
def services(database: ControlDatabase, clock: FrozenClock) -> Identity:
    return identity(database, declared(), master(MASTER), clock)


async def create(database: ControlDatabase, services: Identity, name: str = "bot", **scopes: object) -> Issued:
    wanted = structs.replace(KeyScopes(), **scopes)
    async with database.write() as connection:
        return await services.keys.create(connection, name, wanted, ADA)


async def works(services: Identity, folder: Path, text: str, now_ns: int = 0, keys: str = MASTER) -> bool:
    """Whether a gateway that reads the feed admits ``text``."""
    write_feed(folder / FEED_FILE, await services.compiler(), master(keys))
    file = folder / "switchgear.yaml"
    file.write_text(f"journal: {{directory: {folder}}}\n{FILE}")
    return await admits(ring_of(Source(file, {VARIABLE: keys}).load()), text, now_ns)


async def test_a_key_is_shown_once_and_its_gateways_know_it(
    database: ControlDatabase, services: Identity, tmp_path: Path
) -> None:
    issued = await create(database, services, user="ada", models=("sim/*", "fas*"))
    assert issued.stored.place == Place(organisation="acme", project="bots", team="support")
    assert issued.text not in f"{issued!r}{issued.stored!r}"
    assert await works(services, tmp_path, issued.text)
    assert issued.text not in (tmp_path / FEED_FILE).read_text()
    assert not await works(services, tmp_path, f"{issued.text[:-1]}0" if issued.text[-1] != "0" else issued.text[:-1])


async def test_while_a_key_rotates_both_texts_work_and_then_the_new_one_alone(
    database: ControlDatabase, services: Identity, clock: FrozenClock, tmp_path: Path
) -> None:
    old = await create(database, services)
    async with database.write() as connection:
        new = await services.keys.rotate(connection, "bot", 60, ADA)
    now_ns, minute_ns = clock.wall_ns(), 60_000_000_000
    assert [await works(services, tmp_path, one.text, now_ns) for one in (old, new)] == [True, True]
    assert [await works(services, tmp_path, one.text, now_ns + minute_ns) for one in (old, new)] == [False, True]
    async with database.write() as connection:
        newest = await services.keys.rotate(connection, "bot", 0, ADA)
    assert [await works(services, tmp_path, one.text) for one in (old, new, newest)] == [False, False, True]


async def test_a_revoked_key_is_refused_and_nothing_it_ever_was_works_again(
    database: ControlDatabase, services: Identity, tmp_path: Path
) -> None:
    issued = await create(database, services)
    async with database.write() as connection:
        revoked = await services.keys.revoke(connection, "bot", ADA)
        assert kept_key(revoked).hashes == ()
        await services.keys.change(connection, "bot", KeyScopes(), ADA)
    assert not await works(services, tmp_path, issued.text)


@pytest.mark.parametrize(
    ("scopes", "told"),
    [
        ({"user": "eve"}, "unknown user 'eve'; known: ada"),
        ({"team": "suport"}, "unknown team 'suport'; did you mean 'support'?"),
        ({"user": "ada", "team": "research"}, "the user 'ada' is not in the team 'research'"),
        ({"models": ("fats",)}, "the key 'bot': unknown model 'fats'"),
        ({"models": ("f*t",)}, "a '\\*' may only stand at the end"),
        ({"ip_ranges": ("10.0.0.1/8",)}, "did you mean '10.0.0.0/8'"),
        ({"expires_at": "tomorrow"}, "'tomorrow' is no moment"),
    ],
    ids=str,
)
async def test_a_key_that_disagrees_is_refused_and_leaves_nothing_behind(
    database: ControlDatabase, services: Identity, scopes: dict[str, object], told: str
) -> None:
    with pytest.raises(Refused, match=told) as refusal:
        await create(database, services, "bot", **scopes)
    assert refusal.value.status == 422
    async with database.read() as connection:
        assert await services.objects.all(connection, "key") == []
        assert (await audit.head(connection)).count == 0


async def test_a_name_is_either_in_the_file_or_in_the_database(database: ControlDatabase, services: Identity) -> None:
    with pytest.raises(Refused, match=r"stands in switchgear\.yaml, and is changed there") as owned:
        await create(database, services, "of-file")
    assert (owned.value.status, owned.value.members) == (409, {"owned_by": "file"})
    await create(database, services)
    with pytest.raises(Refused, match="there is a key 'bot' already"):
        await create(database, services)
    async with database.write() as connection:
        with pytest.raises(Refused, match="there is no key 'none'"):
            await services.keys.rotate(connection, "none", 0, ADA)


async def test_the_audit_log_tells_every_change_and_no_hash(database: ControlDatabase, services: Identity) -> None:
    issued = await create(database, services)
    async with database.write() as connection:
        await services.keys.rotate(connection, "bot", 60, ADA)
        await services.keys.revoke(connection, "bot", ADA)
        rows = (await connection.execute(audit.AUDIT.select().order_by(audit.AUDIT.c.number))).mappings().all()
    told = [(row["kind"], row["action"], row["who"]) for row in rows]
    assert told[0][0] == "hashing_key"
    assert told[1:] == [("key", "create", "ada"), ("key", "rotate", "ada"), ("key", "revoke", "ada")]
    everything = repr([dict(row) for row in rows])
    assert issued.text not in everything
    for one in kept_key(issued.stored).hashes:
        assert one.hash not in everything


async def test_a_secret_is_kept_sealed_and_a_new_master_key_takes_over_with_every_key_still_working(
    database: ControlDatabase, services: Identity, clock: FrozenClock, tmp_path: Path
) -> None:
    issued = await create(database, services)
    async with database.write() as connection:
        await services.secrets.put(connection, "openai", "sk-a-value-nobody-may-see", "", ADA)
    both = identity(database, declared(), master(f"{OTHER} {MASTER}"), clock)
    async with database.write() as connection:
        done = await both.secrets.renew(connection, ADA)
        assert (done.renewed, done.untouched) == (("openai", "virtual-keys"), 0)
        assert (await both.secrets.renew(connection, ADA)).untouched == 2
    after = identity(database, declared(), master(OTHER), clock)
    assert await works(after, tmp_path, issued.text, keys=OTHER)
    assert "nobody-may-see" not in (tmp_path / FEED_FILE).read_text()


async def test_a_master_key_that_does_not_fit_changes_nothing(
    database: ControlDatabase, services: Identity, clock: FrozenClock
) -> None:
    await create(database, services)
    async with database.write() as connection:
        await services.secrets.put(connection, "openai", "sk-a-value-nobody-may-see", "", ADA)
    stranger = identity(database, declared(), master(OTHER), clock)
    before = await stranger.compiler()
    with pytest.raises(ConfigError, match="sealed under the master key"):
        async with database.write() as connection:
            await stranger.secrets.renew(connection, ADA)
    with pytest.raises(ConfigError, match="sealed under the master key"):
        await create(database, stranger, "other")
    with pytest.raises(ConfigError, match="given is none"):
        await create(database, identity(database, declared(), master(""), clock), "other")
    assert await identity(database, declared(), master(MASTER), clock).compiler() == before


async def test_the_feed_is_compiled_again_only_after_a_change(database: ControlDatabase, services: Identity) -> None:
    first = await services.compiler()
    assert await services.compiler() is first
    await create(database, services)
    second = await services.compiler()
    assert [key.name for key in second.keys] == ["bot"]
    assert await services.compiler() is second
