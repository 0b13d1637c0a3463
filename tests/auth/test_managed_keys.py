"""Keys that the control database keeps: found by a prefix, proven by a keyed hash, two at once while they rotate."""

import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from types import FrameType

from switchgear.auth.key_text import fresh_key, keyed_hash
from switchgear.auth.model import KeyRing, VirtualKey, digest_of, key_ring
from switchgear.auth.stage import Authenticate
from switchgear.kernel.call import Call, Caller
from switchgear.kernel.errors import Unauthenticated
from switchgear.kernel.ids import secret_hex
from switchgear.kernel.reply import Reply
from tests.auth.test_authenticate import admitted, call

HASHING_KEY = bytes(range(32))
FIRST, SECOND, OTHER = fresh_key(secret_hex), fresh_key(secret_hex), fresh_key(secret_hex)


def managed(text: str, lookup: str, **scopes: object) -> VirtualKey:
    digest = keyed_hash(HASHING_KEY, text.encode())
    return VirtualKey(name="bot", lookup=lookup.encode(), digest=digest, **scopes)  # pyright: ignore[reportArgumentType]


def ring(*keys: VirtualKey) -> KeyRing:
    return key_ring(keys, allow_anonymous_loopback=False, hashing_key=HASHING_KEY)


async def admits(keys: KeyRing, text: str, now_ns: int = 0) -> bool:
    one = call({b"x-api-key": text.encode()}, keys)
    one.started_wall_ns = now_ns
    with suppress(Unauthenticated):
        return await admitted(one) == "bot"
    return False


def test_a_key_has_a_prefix_to_find_it_by_and_192_random_bits() -> None:
    first, lookup, rest = FIRST.text.removeprefix("sk-sg-").partition("-")
    assert (first, lookup, len(rest)) == (FIRST.lookup, "-", 48)
    assert FIRST.text != SECOND.text
    assert FIRST.text not in repr(FIRST)


async def test_a_key_is_known_by_its_whole_text() -> None:
    keys = ring(managed(FIRST.text, FIRST.lookup))
    assert await admits(keys, FIRST.text)
    assert not await admits(keys, FIRST.text[:-1])
    assert not await admits(keys, f"sk-sg-{FIRST.lookup}-{'0' * 48}")
    assert not await admits(keys, OTHER.text)


async def test_what_is_kept_of_a_key_is_worth_nothing_under_another_hashing_key() -> None:
    keys = ring(managed(FIRST.text, FIRST.lookup))
    elsewhere = KeyRing(callers={}, allows_anonymous_loopback=False, managed=keys.managed, hashing_key=bytes(32))
    assert not await admits(elsewhere, FIRST.text)


async def test_while_a_key_rotates_both_of_its_texts_work_and_then_one() -> None:
    keys = ring(managed(FIRST.text, FIRST.lookup, expires_ns=100), managed(SECOND.text, SECOND.lookup))
    assert [await admits(keys, FIRST.text, 99), await admits(keys, SECOND.text, 99)] == [True, True]
    assert [await admits(keys, FIRST.text, 100), await admits(keys, SECOND.text, 100)] == [False, True]


async def test_a_key_of_the_file_that_looks_like_a_managed_one_works_beside_them() -> None:
    of_file = VirtualKey(name="bot", digest=digest_of(FIRST.text))
    assert await admits(ring(of_file, managed(SECOND.text, SECOND.lookup)), FIRST.text)


class Counted(Mapping[bytes, tuple[VirtualKey, Caller]]):
    """A table that counts how often it is asked."""

    def __init__(self, callers: Mapping[bytes, tuple[VirtualKey, Caller]], steps: list[str], name: str) -> None:
        self._callers, self._steps, self._name = callers, steps, name

    def __getitem__(self, key: bytes) -> tuple[VirtualKey, Caller]:
        self._steps.append(self._name)
        return self._callers[key]

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._callers)

    def __len__(self) -> int:
        return len(self._callers)


class CalledInC:
    """A profiler that notes every function in C that runs."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def __call__(self, frame: FrameType, event: str, argument: object) -> None:
        if event == "c_call":
            self.names.append(getattr(argument, "__qualname__", repr(argument)))


async def work_for(kind: str) -> list[str]:
    """All that is asked, hashed and compared for one key."""
    text = {"another with its prefix": f"sk-sg-{FIRST.lookup}-{'0' * 48}", "unknown": OTHER.text}.get(kind, FIRST.text)
    keys = ring(managed(FIRST.text, FIRST.lookup, expires_ns=int(kind == "expired"), disabled=kind == "disabled"))
    steps: list[str] = []
    watched = KeyRing(
        callers=Counted(keys.callers, steps, "by digest"),
        allows_anonymous_loopback=False,
        managed=Counted(keys.managed, steps, "by prefix"),
        hashing_key=keys.hashing_key,
    )
    one = call({b"x-api-key": text.encode()}, watched)
    one.started_wall_ns = 10
    called = CalledInC()
    sys.setprofile(called)
    try:
        with suppress(Unauthenticated):
            await Authenticate()(one, refuse)
    finally:
        sys.setprofile(None)
    return steps + [name for name in called.names if "digest" in name or "sha256" in name]


async def test_every_managed_key_costs_the_same_looks_hashes_and_comparisons() -> None:
    """The work is counted, not timed."""
    known = await work_for("known")
    assert known.count("by prefix") == known.count("by digest") == 1
    assert known.count("compare_digest") == 2
    for kind in ("another with its prefix", "unknown", "expired", "disabled"):
        assert await work_for(kind) == known


async def refuse(passed: Call) -> Reply:
    raise Unauthenticated(f"{passed.id}: the stage let it pass")
