"""Which of a name's deployments is asked first: nearly every call comes no further."""

from collections.abc import Awaitable, Callable, Sequence

from msgspec import Struct

from switchgear.kernel.call import Call
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import RandomBits
from switchgear.kernel.record import Wait
from switchgear.routing.affinity import Bindings, conversation
from switchgear.routing.balance import BALANCERS, unqueued
from switchgear.routing.deployment import Deployment, Plan
from switchgear.routing.hedge import Lateness
from switchgear.routing.model import Alias

Sleep = Callable[[float], Awaitable[None]]


class Means(Struct, frozen=True, kw_only=True):
    """What all calls share on their way to a deployment."""

    clock: Clock
    random_bits: RandomBits
    sleep: Sleep
    bindings: Bindings
    lateness: Lateness


def binding_of(call: Call, alias: Alias) -> bytes | None:
    """What keeps the call at the deployment of its conversation, where the name asks for that."""
    affinity = alias.policy.affinity
    return None if affinity == "none" else conversation(call, affinity)


def first_choice(call: Call, alias: Alias, binding: bytes | None, means: Means) -> tuple[Deployment, Plan] | None:
    """One that can take the call at once, of the lowest tier that has such; None: somebody must look closer."""
    now_ns = means.clock.monotonic_ns()
    wanted = (call.operation, call.dialect.name)
    for tier in alias.tiers:
        roomy = [
            each
            for each in tier
            if each.health.has_room(now_ns) and (each.plans.get(wanted) or each.plan(call.operation, call.dialect))
        ]
        if roomy:
            chosen = roomy[0] if len(roomy) == 1 else choose(alias, roomy, now_ns, binding, means)
            plan = chosen.plans[wanted]
            return None if plan is None else (chosen, plan)
    return None


def choose(alias: Alias, free: Sequence[Deployment], now_ns: int, binding: bytes | None, means: Means) -> Deployment:
    """One of several that are free."""
    if len(free) == 1:
        return free[0]
    if binding is not None:
        return means.bindings.pick(alias.name, binding, free, now_ns)
    return BALANCERS[alias.policy.balance](unqueued(free, now_ns), now_ns, means.random_bits)


async def wait_for_place(
    call: Call, deployment: Deployment, clock: Clock, priority: int, longest_seconds: float
) -> None:
    """Wait at a deployment's gate, and have the record tell how long. Raises what the gate raises."""
    began_ns = clock.monotonic_ns()
    try:
        await deployment.health.gate.wait(priority, longest_seconds)
    finally:
        waited_ns, since_ns = clock.monotonic_ns() - began_ns, began_ns - call.started_monotonic_ns
        call.waits += (Wait(deployment=deployment.name, began_ns=since_ns, duration_ns=waited_ns),)
