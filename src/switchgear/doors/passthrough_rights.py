"""Who may pass on what, and which deployment answers a call that names a model."""

from switchgear.auth.model import model_allowed
from switchgear.kernel.call import Call
from switchgear.kernel.errors import BadRequest, Forbidden
from switchgear.routing.course import Means
from switchgear.routing.deployment import Deployment
from switchgear.routing.failures import all_rest
from switchgear.routing.lifecycle import heed
from switchgear.routing.model import RouteTable, all_full
from switchgear.routing.passthrough import PassThrough, Way

_SHOWN = 200


def require_model(call: Call, model: str) -> None:
    """Raise Forbidden unless the caller may use the model, which is known only after Authenticate."""
    caller = call.caller
    if caller is not None and not model_allowed(caller.models, model):
        raise Forbidden(f"key {caller.key!r} may not use model {model[:_SHOWN]!r}", param="model")


def require_provider(call: Call, way: Way) -> None:
    """Raise Forbidden unless the caller may use all of a provider's models, as a call that names none could."""
    caller = call.caller
    if caller is not None and not model_allowed(caller.models, f"{way.name}/"):
        raise Forbidden(
            f"key {caller.key!r} may use some models only, and this call could use any of {way.name!r}; "
            f"it takes a key that may use '{way.name}/*'"
        )


def deployment_for(call: Call, model: str, provider: str) -> Deployment:
    """The first deployment of a name, or its first at ``provider``, where that is not empty.

    Raises ModelNotFound, ModelRetired, or BadRequest where the provider has none.
    """
    found = _deployments(call, model, provider)
    return found[0]


def healthy_deployment(call: Call, model: str, provider: str, means: Means) -> Deployment:
    """The same, passing over those that rest, or have no place. Raises what ``all_rest`` says where all rest."""
    now_ns = means.clock.monotonic_ns()
    found = _deployments(call, model, provider)
    able = [each for each in found if each.health.admits(now_ns)]
    if not able:
        raise all_rest(model, {each: each.health.wait_seconds(now_ns) for each in found})
    return next((each for each in able if not each.health.gate.is_full), able[0])


def _deployments(call: Call, model: str, provider: str) -> list[Deployment]:
    """In the order of their tiers, those of OpenAI's API alone where there is one. Raises ModelRetired."""
    table = call.snapshot.part(RouteTable)
    alias = table.find(model)
    if alias.lifecycle is not None:
        alias = table.find(heed(call, model, alias.lifecycle, table.called))
    deployments = alias.deployments
    found = [each for each in deployments if provider in ("", each.provider_name)]
    if not found:
        raise BadRequest(f"the model {model[:_SHOWN]!r} has no deployment at the provider {provider[:_SHOWN]!r}")
    if call.avoided:
        found = [each for each in found if each.provider_name not in call.avoided]
    if not found:
        raise all_full(model)
    ways = call.snapshot.part(PassThrough).ways
    return [each for each in found if _speaks_openai(ways.get(each.provider_name))] or found


def _speaks_openai(way: Way | None) -> bool:
    return way is not None and way.speaks_openai
