"""A gateway process is put together as its configuration says."""

from pathlib import Path

import pytest

from switchgear.config.model import Config, Journal, ProviderEntry, WhenUnread
from switchgear.config.routing import DeploymentEntry, ModelEntry
from switchgear.kernel.errors import UpstreamUnreachable
from switchgear.processes.gateway import build
from switchgear.processes.options import GatewayOptions
from switchgear.routing.policy import BreakerRules
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


async def test_a_gateway_that_runs_alone_shows_how_its_deployments_stand(tmp_path: Path) -> None:
    config = Config(
        journal=Journal(directory=str(tmp_path)),
        providers={"sim": ProviderEntry(kind="simulator")},
        models={"m": ModelEntry(deployments=(DeploymentEntry(model="sim/echo"),))},
    )
    parts = build(config, GatewayOptions())
    health = parts.outside.fleet.find("sim/echo")
    assert health is not None
    for _ in range(BreakerRules().consecutive_failures):
        health.failed("unreachable", 0, UpstreamUnreachable("gone"))
    await parts.sharing.round()
    assert b'switchgear_breaker_state{deployment="sim/echo"} 2' in (parts.state.metrics().body or b"")
    parts.journal.close()
    await parts.transport.aclose()
