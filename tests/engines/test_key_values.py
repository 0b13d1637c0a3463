"""The engines behind the port KeyValue: the contract, and what is each one's own."""

from pathlib import Path

import pytest

from switchgear.engines.files import FileKeyValue
from switchgear.engines.memory import MemoryKeyValue
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ports import KeyValue
from switchgear.testing.key_value_contract import KEEP_BYTES, KeyValueContract


class TestMemory(KeyValueContract):
    @pytest.fixture
    def store(self, clock: FrozenClock) -> KeyValue:
        return MemoryKeyValue(clock, KEEP_BYTES)


class TestFiles(KeyValueContract):
    @pytest.fixture
    def store(self, clock: FrozenClock, tmp_path: Path) -> KeyValue:
        return FileKeyValue(tmp_path / "state", clock, KEEP_BYTES)

    async def test_new_values_find_room_in_a_store_that_is_full(self, store: KeyValue) -> None:
        """As for every engine; but cleaning is not on the loop, so each round waits for it."""
        assert isinstance(store, FileKeyValue)
        large = bytes(KEEP_BYTES // 8)
        for number in range(40):
            await store.put(f"key {number}", large, 60.0 + number)
            await store.cleaned()
            assert await store.get(f"key {number}") == large
        assert sum([await store.get(f"key {number}") is not None for number in range(40)]) <= 8


async def test_memory_keeps_what_is_used_over_what_is_not() -> None:
    store = MemoryKeyValue(FrozenClock(), KEEP_BYTES, keep_entries=3)
    for key in ("a", "b", "c"):
        await store.put(key, key.encode(), 60)
    await store.get("a")
    await store.put("d", b"d", 60)
    assert [await store.get(key) for key in ("a", "b", "c", "d")] == [b"a", None, b"c", b"d"]


async def test_two_processes_with_one_directory_see_the_same(tmp_path: Path) -> None:
    one, other = (FileKeyValue(tmp_path, FrozenClock(), KEEP_BYTES) for _ in range(2))
    await one.put("key", b"value", 60)
    assert await other.get("key") == b"value"
    await other.delete("key")
    assert await one.get("key") is None


async def test_a_file_is_its_owners_alone_and_does_not_tell_its_key(tmp_path: Path) -> None:
    store = FileKeyValue(tmp_path / "state", FrozenClock(), KEEP_BYTES)
    await store.put("response:tester:resp_1", b"value", 60)
    (path,) = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert "tester" not in str(path.relative_to(tmp_path))
    assert b"tester" not in path.read_bytes()


@pytest.mark.parametrize(("kept_bytes", "more"), [(-1, b""), (10, b""), (-1, b"?")])
async def test_a_damaged_file_is_absent(tmp_path: Path, kept_bytes: int, more: bytes) -> None:
    store = FileKeyValue(tmp_path, FrozenClock(), KEEP_BYTES)
    await store.put("key", b"value", 60)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    path.write_bytes(path.read_bytes()[:kept_bytes] + more)
    assert await store.get("key") is None


async def test_cleaning_removes_what_has_run_out_and_what_was_never_finished(tmp_path: Path) -> None:
    clock = FrozenClock()
    await FileKeyValue(tmp_path, clock, KEEP_BYTES).put("old", b"value", 60)
    left_behind = next(path for path in tmp_path.rglob("*") if path.is_file()).with_name("x.1.1.new")
    left_behind.write_bytes(b"half")
    clock.advance(10 * 365 * 86_400)
    store = FileKeyValue(tmp_path, clock, KEEP_BYTES)
    await store.put("new", b"value", 60)
    await store.cleaned()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
    assert await store.get("new") == b"value"


async def test_what_is_being_written_elsewhere_is_left_alone_by_cleaning(tmp_path: Path) -> None:
    store = FileKeyValue(tmp_path, FrozenClock(), KEEP_BYTES)
    await store.put("key", b"value", 60)
    await store.cleaned()
    unfinished = next(path for path in tmp_path.rglob("*") if path.is_file()).with_name("x.1.1.new")
    unfinished.write_bytes(b"half")
    await store.put("large", bytes(KEEP_BYTES // 8), 60)
    await store.cleaned()
    assert unfinished.exists()


async def test_a_directory_that_cannot_be_written_is_an_os_error_and_reading_it_too(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_bytes(b"")
    store = FileKeyValue(blocked, FrozenClock(), KEEP_BYTES)
    with pytest.raises(NotADirectoryError):
        await store.put("key", b"value", 60)
    with pytest.raises(NotADirectoryError):
        await store.get("key")


async def test_a_write_that_fails_leaves_nothing_behind_and_the_old_value_in_place(tmp_path: Path) -> None:
    store = FileKeyValue(tmp_path, FrozenClock(), KEEP_BYTES)
    await store.put("key", b"old", 60)
    (path,) = [path for path in tmp_path.rglob("*") if path.is_file()]
    await store.delete("key")
    path.mkdir()
    with pytest.raises(IsADirectoryError):
        await store.put("key", b"new", 60)
    assert [each for each in tmp_path.rglob("*") if each.is_file()] == []
