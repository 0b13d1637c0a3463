"""The built-in model: a provider and a transport without a socket that speaks every dialect it is handed.

It counts one token for a word, with the white space around it; media counts one token apiece. It is labelled a
simulator wherever it appears: in a header of every reply, in lists of models, in ids and in ``system_fingerprint``.
"""

from typing import Final

from switchgear.kernel.upstream import ProviderSettings
from switchgear.providers.kind import Environment, Kind
from switchgear.providers.simulator.catalogue import MODELS, SimulatedModel
from switchgear.providers.simulator.provider import SimulatorProvider
from switchgear.providers.simulator.transport import Simulator

__all__ = ["KINDS", "MODELS", "SimulatedModel", "Simulator", "SimulatorProvider"]


def _build(settings: ProviderSettings) -> SimulatorProvider:
    return SimulatorProvider(settings)


KINDS: Final = (Kind(name="simulator", build=_build, environment=Environment(always=True), provider_name="sim"),)
