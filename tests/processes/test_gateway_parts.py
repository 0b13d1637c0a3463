"""A gateway process is put together as its configuration says."""

from pathlib import Path

import pytest

from switchgear.config.model import Config, Journal, ProviderEntry, WhenUnread
from switchgear.processes.gateway import build
from switchgear.processes.options import GatewayOptions
from switchgear.traces.offsets import FileOffsets
from switchgear.traces.segment import segments
from tests.traces.samples import write


@pytest.mark.parametrize(("when_unread", "deleted"), [("keep", 0), ("delete", 1)])
async def test_the_journal_treats_unread_segments_as_declared(
    tmp_path: Path, when_unread: WhenUnread, deleted: int
) -> None:
    write(tmp_path, 1)
    (unread,) = segments(tmp_path)
    FileOffsets(tmp_path / "store.offsets").commit({})
    config = Config(
        journal=Journal(directory=str(tmp_path), fsync="strict", keep_bytes=1, when_unread=when_unread),
        providers={"sim": ProviderEntry(kind="simulator")},
    )
    parts = build(config, GatewayOptions())
    # A round of the flusher ends with the clearing up: the second round has it behind the first.
    await parts.journal.flushed()
    await parts.journal.flushed()
    assert parts.journal.counts()["deleted_segments"] == deleted
    assert unread.exists() is not bool(deleted)
    parts.journal.close()
    await parts.transport.aclose()
