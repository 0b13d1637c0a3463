"""LiteLLM's settings for all models: how calls are balanced, tried again, given up and sent elsewhere."""

from collections.abc import Iterator
from typing import Final, cast

from msgspec import Struct, field

from switchgear.cli.importing.section import Section
from switchgear.cli.importing.without_equal import GENERAL, LITELLM, ROUTER

_LONGEST_SECONDS: Final = 86_400
_MOST_ATTEMPTS: Final = 10
_NEVER: Final = 1_000_000
_MAX_OPEN_SECONDS: Final = 60
_BALANCES: Final = {
    "simple-shuffle": ("weighted", ""),
    "least-busy": ("least_busy", ""),
    "latency-based-routing": ("fastest", "by the expected time to the first token, the better of two drawn at random"),
    "usage-based-routing": ("headroom", "by the share that is left of requests_per_minute and tokens_per_minute"),
    "usage-based-routing-v2": ("headroom", "by the share that is left of requests_per_minute and tokens_per_minute"),
    "cost-based-routing": ("cheapest", "by 'cost' of the deployments, which LiteLLM takes from its own list of prices"),
}
_FALLBACKS: Final = (
    ("fallbacks", "any"),
    ("context_window_fallbacks", "context_length"),
    ("content_policy_fallbacks", "content_filter"),
)
_EVERY_NAME: Final = "*"
_SAID_ALREADY: Final = "router_settings says it already, and wins"

Chains = dict[str, dict[str, list[str]]]
"""Names to go on with: by name, then by cause."""


class Settings(Struct, kw_only=True):
    """All of it, as far as it is carried."""

    routing: dict[str, object] = field(default_factory=dict[str, object])
    first_token_seconds: object = None
    chains: Chains = field(default_factory=dict[str, dict[str, list[str]]])
    default_fallbacks: list[str] = field(default_factory=list[str])
    aliases: dict[str, str] = field(default_factory=dict[str, str])
    """Other names of models."""
    chain_paths: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Where each chain stands: its path, its name, its cause."""
    alias_paths: dict[str, str] = field(default_factory=dict[str, str])

    def put(self, part: str, name: str, value: object) -> None:
        """Set one of a part's settings."""
        cast("dict[str, object]", self.routing.setdefault(part, {}))[name] = value


def read_router(section: Section, settings: Settings) -> None:
    """``router_settings``, all of them."""
    _read_balance(section, settings)
    _read_shared(section, settings)
    _read_breaker(section, settings)
    _read_aliases(section, settings)
    checks = section.names("optional_pre_call_checks")
    if "prompt_caching" in checks:
        settings.routing["affinity"] = "prompt"
        section.differs("optional_pre_call_checks", "affinity: prompt, for prompt_caching; the others have no equal")
    section.finish(ROUTER)


def read_litellm(section: Section, settings: Settings) -> None:
    """``litellm_settings``, all of them; what the router's said already is not said again."""
    _read_shared(section, settings)
    _read_breaker(section, settings)
    _read_aliases(section, settings)
    section.finish(LITELLM)


def read_general(section: Section, keys: dict[str, str]) -> None:
    """``general_settings``, all of them; ``keys`` gets the master key's value under its name."""
    master = section.get("master_key")
    if isinstance(master, str | int) and not isinstance(master, bool) and str(master):
        keys["master"] = str(master)
        section.differs("master_key", "the virtual key 'master', by reference: good for calls to all models, but it is "
                        "no administrator's; it must have 16 characters or more")  # fmt: skip
    section.finish(GENERAL)


def _read_balance(section: Section, settings: Settings) -> None:
    strategy = section.get("routing_strategy")
    if strategy is None:
        return
    balance, how = _BALANCES.get(str(strategy), ("", ""))
    if not balance:
        section.lost("routing_strategy", f"no such way of balancing; {', '.join(sorted(_BALANCES))} are known")
        return
    settings.routing["balance"] = balance
    if how:
        section.differs("routing_strategy", f"routing.balance: {balance}, {how}")
    else:
        section.carried("routing_strategy", f"routing.balance: {balance}")


def _read_shared(section: Section, settings: Settings) -> None:
    """What may stand in either part."""
    _read_retries(section, settings)
    for key in ("timeout", "request_timeout"):
        seconds = section.number(key, 0.001, _LONGEST_SECONDS)
        if seconds is not None and "total_seconds" in settings.routing:
            section.lost(key, _SAID_ALREADY)
        elif seconds is not None:
            settings.routing["total_seconds"] = seconds
            section.differs(key, "routing.total_seconds: for a call with all its attempts, not for each of them")
    first = section.number("stream_timeout", 0.001, _LONGEST_SECONDS)
    if first is not None:
        settings.first_token_seconds = first
        section.differs("stream_timeout", "timers.first_token_seconds of each deployment that has none of its own")
    for key, cause in _FALLBACKS:
        _read_chains(section, key, cause, settings)
    if section.get("default_fallbacks") is not None:
        settings.default_fallbacks += section.names("default_fallbacks")
        section.carried("default_fallbacks", "fallbacks.any of each model, behind its own")


def _read_retries(section: Section, settings: Settings) -> None:
    retries = section.number("num_retries", 0, 1000)
    if retries is not None and "retries" in settings.routing:
        section.lost("num_retries", _SAID_ALREADY)
    elif isinstance(retries, int | float):
        settings.put("retries", "attempts", min(int(retries) + 1, _MOST_ATTEMPTS))
        section.carried("num_retries", "routing.retries.attempts, which counts the first as well, and is 10 at most")
    elif retries is not None:
        section.lost("num_retries", "a number by reference counts retries, ours attempts; set routing.retries.attempts")
    wait = section.number("retry_after", 0, 60)
    if wait is not None:
        settings.put("retries", "base_seconds", wait)
        section.differs("retry_after", "routing.retries.base_seconds: waits are drawn at random, below it at first")


def _read_breaker(section: Section, settings: Settings) -> None:
    fails = section.number("allowed_fails", 0, _NEVER - 1)
    if isinstance(fails, int | float):
        settings.put("breaker", "consecutive_failures", int(fails) + 1)
        section.differs("allowed_fails", "routing.breaker.consecutive_failures: in a row, not within a minute")
    rest = section.number("cooldown_time", 0, _LONGEST_SECONDS)
    if isinstance(rest, int | float) and rest > 0:
        settings.put("breaker", "open_seconds", rest)
        settings.put("breaker", "max_open_seconds", max(rest, _MAX_OPEN_SECONDS))
        section.differs("cooldown_time", "routing.breaker.open_seconds: then one call may probe, and the time doubles "
                        "when it fails")  # fmt: skip
    elif rest is not None:
        section.lost("cooldown_time", "must be a number above 0; see routing.breaker")
    if section.truth("disable_cooldowns"):
        for name, value in (("consecutive_failures", _NEVER), ("failure_rate", 1), ("minimum_calls", _NEVER)):
            settings.put("breaker", name, value)
        section.differs("disable_cooldowns", "routing.breaker, with bounds that are never met")
    elif "disable_cooldowns" in section.values:
        section.carried("disable_cooldowns", "nothing: a deployment that fails is left alone for a while")


def _read_chains(section: Section, key: str, cause: str, settings: Settings) -> None:
    if section.get(key) is None:
        return
    for each in section.sections(key):
        for name in each.values:
            targets = _names(each, name)
            if name == _EVERY_NAME:
                settings.default_fallbacks += targets
                each.carried(name, "fallbacks.any of each model, behind its own")
                continue
            settings.chains.setdefault(name, {}).setdefault(cause, []).extend(targets)
            settings.chain_paths.append((each.at(name), name, cause))


def _names(chain: Section, name: str) -> list[str]:
    """The models of one chain; of those that bring a request of their own, the model alone."""
    value = chain.get(name)
    found: list[str] = []
    for number, item in enumerate(cast("list[object]", value) if isinstance(value, list) else [value]):
        path = f"{chain.at(name)}[{number}]"
        model = cast("dict[str, object]", item).get("model") if isinstance(item, dict) else item
        if not isinstance(model, str):
            chain.report.lost(path, "must be the name of a model")
            continue
        found.append(model)
        if isinstance(item, dict) and len(cast("dict[str, object]", item)) > 1:
            chain.report.differs(path, f"{model}, with the request as it came: a fallback changes nothing of it")
    return found


def _read_aliases(section: Section, settings: Settings) -> None:
    aliases = section.section("model_group_alias")
    for name, target in _targets(aliases):
        assert aliases is not None
        if name in settings.aliases:
            aliases.lost(name, _SAID_ALREADY)
        elif target:
            settings.aliases[name] = target
            settings.alias_paths[name] = aliases.at(name)
        else:
            aliases.lost(name, "must be the name of a model")


def _targets(aliases: Section | None) -> Iterator[tuple[str, str]]:
    """Other names, each with the model it stands for: a text, or a mapping that names it."""
    for name, value in aliases.values.items() if aliases is not None else ():
        named = cast("dict[str, object]", value).get("model") if isinstance(value, dict) else value
        yield name, named if isinstance(named, str) else ""
