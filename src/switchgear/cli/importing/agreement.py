"""What names of the new file must agree on: LiteLLM lets each entry speak for itself, and names lead in circles.

Each change is told of, for it is not quite what the old file said.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, cast

from switchgear.config.sharing import BOUNDS

Tree = dict[str, object]
Tell = Callable[[str], None]

_LONGEST_CALL_SECONDS: Final = 600


def agree(routing: Tree, models: Mapping[str, Tree], tell: Tell) -> None:
    """Change models and routing until they agree, and ``tell`` of each change."""
    _one_word_of_each_deployment(models, tell)
    for cause in ("any", "context_length", "content_filter"):
        _cut_circles(models, cause, tell)
    _lift_deadlines(routing, models, tell)
    _drop_idle_balance(routing, models, tell)


def _deployments(model: Tree) -> list[Tree]:
    return cast("list[Tree]", model["deployments"])


def _one_word_of_each_deployment(models: Mapping[str, Tree], tell: Tell) -> None:
    """A deployment has one set of bounds here, whatever name calls it: the first in the file."""
    first: dict[tuple[object, str], tuple[str, object]] = {}
    for name, deployment, field in _bounds(models):
        said = first.setdefault((deployment["model"], field), (name, deployment[field]))
        if said[1] != deployment[field]:
            tell(
                f"{field} of {deployment['model']} is {said[1]} under models.{name}, as under models.{said[0]}, "
                f"for it is one deployment; {deployment[field]} is left out"
            )
            deployment[field] = said[1]


def _bounds(models: Mapping[str, Tree]) -> Iterator[tuple[str, Tree, str]]:
    for name, model in models.items():
        for deployment in _deployments(model):
            yield from ((name, deployment, field) for field in BOUNDS if field in deployment)


def _chain(model: Tree, cause: str) -> list[str]:
    return cast("dict[str, list[str]]", model.get("fallbacks", {})).get(cause, [])


def _cut_circles(models: Mapping[str, Tree], cause: str, tell: Tell) -> None:
    """Leave out each fallback that leads back; what would have answered stands in a tier of its own instead."""
    kept: dict[str, list[str]] = {}
    for name, model in models.items():
        kept[name] = []
        for target in _chain(model, cause):
            if not _leads(kept, target, name):
                kept[name].append(target)
                continue
            instead = ""
            if cause == "any" and target != name and _stand_in(model, models[target]):
                instead = "; its deployments stand in a tier of their own instead"
            tell(f"models.{name}.fallbacks.{cause} is without {target!r}, which leads back to it{instead}")
        _put_chain(model, cause, kept[name])


def _put_chain(model: Tree, cause: str, chain: list[str]) -> None:
    fallbacks = dict(cast("dict[str, list[str]]", model.pop("fallbacks", {})))
    if chain:
        fallbacks[cause] = chain
    else:
        fallbacks.pop(cause, None)
    if fallbacks:
        model["fallbacks"] = fallbacks


def _leads(ways: Mapping[str, list[str]], start: str, end: str) -> bool:
    seen: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name == end:
            return True
        if name not in seen:
            seen.add(name)
            waiting += ways.get(name, ())
    return False


def _tier(deployment: Tree) -> int:
    tier = deployment.get("tier", 0)
    return tier if isinstance(tier, int) else 0


def _stand_in(model: Tree, other: Tree) -> bool:
    """Put the deployments of another model behind a model's own; whether there are any that it had not."""
    own = _deployments(model)
    known = {deployment["model"] for deployment in own}
    behind = max(map(_tier, own)) + 1
    new = [{**each, "tier": behind + _tier(each)} for each in _deployments(other) if each["model"] not in known]
    model["deployments"] = [*own, *new]
    return bool(new)


def _lift_deadlines(routing: Tree, models: Mapping[str, Tree], tell: Tell) -> None:
    """An entry's own timeout outlasts the common one, as it does with LiteLLM."""
    common = routing.get("total_seconds", _LONGEST_CALL_SECONDS)
    for name, model in models.items():
        own = [cast("Tree", each.get("timers", {})).get("total_seconds") for each in _deployments(model)]
        longest = max((each for each in own if isinstance(each, int | float)), default=0)
        if isinstance(common, int | float) and longest > common:
            model["total_seconds"] = longest
            tell(f"models.{name}.total_seconds is {longest:g}, for a deployment of it may take so long")


def _drop_idle_balance(routing: Tree, models: Mapping[str, Tree], tell: Tell) -> None:
    balance = routing.get("balance")
    wanted = {"cheapest": _costs_differ, "headroom": _limits_differ}.get(str(balance))
    if wanted is not None and not any(wanted(tier) for model in models.values() for tier in _tiers(model)):
        del routing["balance"]
        what = "costs that differ" if balance == "cheapest" else "limits to go by"
        tell(
            f"routing.balance is left out: deployments of one tier have no {what}, so that {balance!r} decides nothing"
        )


def _tiers(model: Tree) -> Iterator[list[Tree]]:
    found = _deployments(model)
    for tier in sorted(set(map(_tier, found))):
        yield [deployment for deployment in found if _tier(deployment) == tier]


def _costs_differ(tier: list[Tree]) -> bool:
    return len({deployment.get("cost", 0) for deployment in tier}) > 1


def _limits_differ(tier: list[Tree]) -> bool:
    limits = ("requests_per_minute", "tokens_per_minute")
    return len(tier) > 1 and any(field in deployment for deployment in tier for field in limits)
