"""Which models a door lists, and what of them."""

from collections.abc import Callable

from msgspec import Struct

from switchgear.kernel.call import Call, model_allowed
from switchgear.kernel.capabilities import Capabilities
from switchgear.routing.model import RouteTable


class Listed(Struct, frozen=True, kw_only=True):
    """What is known of one name."""

    capabilities: Capabilities
    stage: str
    version: str
    deprecated: str
    """The day on which it was, or will be, deprecated; empty: not known."""
    retired: str
    stage_at: Callable[[int], str]
    """The stage at a moment of wall time."""
    is_simulated: bool
    """Nobody answers to it but the simulator, whatever its provider is called."""


class Catalogued(Struct, frozen=True, kw_only=True):
    """Finds what is known of a name."""

    find: Callable[[str], Listed]


def listed_models(call: Call) -> list[str]:
    """The names of the models the caller may use, or of the one that the path asks for. Raises ModelNotFound.

    Those that are retired are not listed; one that is asked for by its name is shown as what it is.
    """
    table = call.snapshot.part(RouteTable)
    wanted = call.head.model
    if wanted:
        table.find(wanted)
        return [wanted]
    allowed = call.caller.models if call.caller is not None else ()
    find = call.snapshot.part(Catalogued).find
    names = [name for name in table.listed if model_allowed(allowed, name)]
    return [name for name in names if find(name).stage_at(call.started_wall_ns) != "retired"]
