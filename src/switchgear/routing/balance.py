"""Which of several deployments takes a call: a function for each way, in a table under the configuration's words."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from switchgear.kernel.ids import RandomBits
from switchgear.routing.deployment import Deployment
from switchgear.routing.policy import Balance

Balancer = Callable[[Sequence[Deployment], int, RandomBits], Deployment]
"""Takes at least one candidate and the monotonic time."""

_PRECISION: Final = 53


def weighted(candidates: Sequence[Deployment], now_ns: int, random_bits: RandomBits) -> Deployment:
    """Each with a chance in proportion to its weight."""
    if len(candidates) == 1:
        return candidates[0]
    total = sum([deployment.weight for deployment in candidates])
    mark = (random_bits(_PRECISION) / (1 << _PRECISION)) * total
    for deployment in candidates:
        mark -= deployment.weight
        if mark < 0:
            return deployment
    return candidates[-1]


def least_busy(candidates: Sequence[Deployment], now_ns: int, random_bits: RandomBits) -> Deployment:
    """The fewest calls under way for its weight; among equals, by weight."""
    loads = [deployment.health.calls(now_ns) / deployment.weight for deployment in candidates]
    best = min(loads)
    equals = [each for each, load in zip(candidates, loads, strict=True) if load == best]
    return weighted(equals, now_ns, random_bits)


def fastest(candidates: Sequence[Deployment], now_ns: int, random_bits: RandomBits) -> Deployment:
    """The better of two drawn at random (Mitzenmacher 2001), by expected time to the first token."""
    if len(candidates) == 1:
        return candidates[0]
    if len(candidates) == 2:
        # Both are drawn: only whom a tie favours is left to chance.
        one, other = candidates
        difference = one.health.load(now_ns) - other.health.load(now_ns)
        if difference:
            return one if difference < 0 else other
        return weighted(candidates, now_ns, random_bits)
    first = weighted(candidates, now_ns, random_bits)
    second = weighted([each for each in candidates if each is not first], now_ns, random_bits)
    return first if first.health.load(now_ns) <= second.health.load(now_ns) else second


def cheapest(candidates: Sequence[Deployment], now_ns: int, random_bits: RandomBits) -> Deployment:
    """The lowest declared cost; among equals, by weight."""
    best = min([deployment.cost for deployment in candidates])
    return weighted([each for each in candidates if each.cost == best], now_ns, random_bits)


def headroom(candidates: Sequence[Deployment], now_ns: int, random_bits: RandomBits) -> Deployment:
    """The largest share left of its requests and tokens per minute; among equals, by weight."""
    left = [deployment.health.headroom(now_ns) for deployment in candidates]
    best = max(left)
    return weighted([each for each, share in zip(candidates, left, strict=True) if share == best], now_ns, random_bits)


def unqueued(candidates: Sequence[Deployment], now_ns: int) -> Sequence[Deployment]:
    """Those whose servers hold no request back, as far as is known; all, where every server does."""
    for each in candidates:
        if each.health.told is not None:
            break
    else:
        return candidates
    free = [each for each in candidates if (told := each.health.reading(now_ns)) is None or not told.waiting]
    return free or candidates


BALANCERS: Final[Mapping[Balance, Balancer]] = {
    "weighted": weighted,
    "least_busy": least_busy,
    "fastest": fastest,
    "cheapest": cheapest,
    "headroom": headroom,
}


def by_tier(deployments: Iterator[Deployment]) -> Iterator[list[Deployment]]:
    """Groups of the same tier, lowest first; the deployments come in that order."""
    group: list[Deployment] = []
    for deployment in deployments:
        if group and group[0].tier != deployment.tier:
            yield group
            group = []
        group.append(deployment)
    if group:
        yield group
