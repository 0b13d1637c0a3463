"""Checks for drift put together: the store of spans, and an embedder where one is installed."""

import logging

from switchgear.app.database import ControlDatabase
from switchgear.engines.wordllama import WordLlama, installed
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import Ids
from switchgear.kernel.ports import TraceStore
from switchgear.traces.drift.checking import Checks
from switchgear.traces.drift.observation import Embedder
from switchgear.traces.drift.service import Drift


def drift_work(store: TraceStore, database: ControlDatabase, clock: Clock, ids: Ids) -> Drift:
    """For one control process."""
    return Drift(Checks(store, clock, embedder), database, clock, ids)


def embedder() -> Embedder | None:
    """The one that is installed; None without the extra ``embeddings``, or where its files cannot be read."""
    folder = installed()
    if folder is None:
        return None
    try:
        return WordLlama(folder)
    except (OSError, ValueError) as error:
        logging.getLogger("switchgear.drift").warning("inputs are compared without embeddings: %s", error)
        return None
