"""Which models a door lists."""

from switchgear.kernel.call import Call, model_allowed
from switchgear.routing.model import RouteTable


def listed_models(call: Call) -> list[str]:
    """The names of the models the caller may use, or of the one that the path asks for. Raises ModelNotFound."""
    table = call.snapshot.part(RouteTable)
    wanted = call.head.model
    if wanted:
        table.find(wanted)
        return [wanted]
    allowed = call.caller.models if call.caller is not None else ()
    return [name for name in table.listed if model_allowed(allowed, name)]
