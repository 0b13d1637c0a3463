"""The contract of the port KeyValue: subclass :class:`KeyValueContract` in a test module and give fixtures.

::

    class TestMine(KeyValueContract):
        @pytest.fixture
        def store(self, clock: FrozenClock) -> KeyValue:
            return Mine(clock, keep_bytes=KEEP_BYTES)

``clock`` is a fixture of the suite; a store of an engine with a clock of its own overrides :meth:`pass_time`.
"""

import asyncio
from typing import Final

import pytest

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ports import KeyValue

KEEP_BYTES: Final = 1_000_000
"""What the store of the suite keeps in all."""
_TTL_SECONDS: Final = 60.0
_VALUES: Final = (b"", b"one", bytes(range(256)), b"\r\n" * 50_000)
_KEYS: Final = ("", "plain", "a/b/../c", "response:tester:resp_1", "größe €", "x" * 5_000, "two\nlines", "\0")


class KeyValueContract:
    """What the product relies on, for every engine."""

    @pytest.fixture
    def clock(self) -> FrozenClock:
        return FrozenClock()

    async def pass_time(self, clock: FrozenClock, seconds: float) -> None:
        """Let ``seconds`` pass for the store."""
        clock.advance(seconds)

    async def test_a_key_that_nobody_put_is_absent(self, store: KeyValue) -> None:
        assert await store.get("nobody") is None

    @pytest.mark.parametrize("value", _VALUES, ids=len)
    async def test_what_was_put_is_there_byte_for_byte(self, store: KeyValue, value: bytes) -> None:
        await store.put("key", value, _TTL_SECONDS)
        assert await store.get("key") == value

    async def test_any_text_is_a_key_of_its_own(self, store: KeyValue) -> None:
        for number, key in enumerate(_KEYS):
            await store.put(key, b"%d" % number, _TTL_SECONDS)
        assert [await store.get(key) for key in _KEYS] == [b"%d" % number for number in range(len(_KEYS))]

    async def test_a_later_value_replaces_an_earlier_one_and_its_time(
        self, store: KeyValue, clock: FrozenClock
    ) -> None:
        await store.put("key", b"first", _TTL_SECONDS)
        await store.put("key", b"second", 10 * _TTL_SECONDS)
        await self.pass_time(clock, 2 * _TTL_SECONDS)
        assert await store.get("key") == b"second"

    async def test_a_value_is_absent_once_its_time_is_over(self, store: KeyValue, clock: FrozenClock) -> None:
        await store.put("key", b"value", _TTL_SECONDS)
        await store.put("longer", b"value", 3 * _TTL_SECONDS)
        await self.pass_time(clock, _TTL_SECONDS - 1)
        assert await store.get("key") == b"value"
        await self.pass_time(clock, 2)
        assert await store.get("key") is None
        assert await store.get("longer") == b"value"

    async def test_what_was_deleted_is_absent_and_nothing_else_is(self, store: KeyValue) -> None:
        await store.put("key", b"value", _TTL_SECONDS)
        await store.put("other", b"value", _TTL_SECONDS)
        await store.delete("key")
        assert await store.get("key") is None
        assert await store.get("other") == b"value"

    async def test_deleting_what_is_absent_harms_nobody(self, store: KeyValue) -> None:
        await store.delete("nobody")
        await store.delete("nobody")

    async def test_a_key_can_be_put_again_after_it_was_deleted(self, store: KeyValue) -> None:
        await store.put("key", b"first", _TTL_SECONDS)
        await store.delete("key")
        await store.put("key", b"second", _TTL_SECONDS)
        assert await store.get("key") == b"second"

    async def test_a_value_larger_than_the_whole_store_is_refused(self, store: KeyValue) -> None:
        await store.put("key", b"small", _TTL_SECONDS)
        with pytest.raises(OSError, match="more than the store keeps"):
            await store.put("key", bytes(KEEP_BYTES + 1), _TTL_SECONDS)

    async def test_new_values_find_room_in_a_store_that_is_full(self, store: KeyValue) -> None:
        large = bytes(KEEP_BYTES // 8)
        for number in range(40):
            await store.put(f"key {number}", large, _TTL_SECONDS + number)
            assert await store.get(f"key {number}") == large
        assert sum([await store.get(f"key {number}") is not None for number in range(40)]) <= 20

    async def test_many_at_once_do_not_get_in_each_others_way(self, store: KeyValue) -> None:
        values = {f"key {number}": b"%d" % number * 1_000 for number in range(50)}
        await asyncio.gather(*(store.put(key, value, _TTL_SECONDS) for key, value in values.items()))
        assert await asyncio.gather(*(store.get(key) for key in values)) == list(values.values())

    async def test_a_value_put_by_many_at_once_is_one_of_theirs(self, store: KeyValue) -> None:
        values = [b"%d" % number * 20_000 for number in range(8)]
        await asyncio.gather(*(store.put("key", value, _TTL_SECONDS) for value in values))
        assert await store.get("key") in values
