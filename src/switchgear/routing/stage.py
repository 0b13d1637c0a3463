"""The Route stage, last of the pipeline: a model name becomes a deployment, and the call an attempt."""

from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.errors import NotOffered
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.reply import Reply
from switchgear.routing.attempt import attempt
from switchgear.routing.model import RouteTable, choose


class Route:
    """Answers a call at one of its model's deployments, chosen by weight.

    Raises ModelNotFound, NotOffered, and whatever the attempt raises.
    """

    __slots__ = ("_clock", "_random_bits")

    def __init__(self, clock: Clock, random_bits: RandomBits) -> None:
        self._clock = clock
        self._random_bits = random_bits

    async def __call__(self, call: Call) -> Reply:
        deployments = call.snapshot.part(RouteTable).deployments(call.head.model)
        if call.pinned:
            deployments = tuple(each for each in deployments if each.name == call.pinned) or deployments
        deployment = choose(deployments, self._random_bits)
        plan = deployment.plan(call.operation, call.dialect)
        if plan is None:
            raise NotOffered(
                f"provider {deployment.provider_name!r} does not offer {call.operation.replace('_', ' ')}; "
                f"choose another model than {call.head.model!r}",
                param="model",
            )
        return await attempt(call, deployment, plan, self._clock)
