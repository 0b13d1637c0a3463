"""From the configuration to which spans are made of calls."""

from switchgear.config.model import Config
from switchgear.traces.gateway_spans import CallRules


def call_rules(config: Config) -> CallRules:
    """Those in force."""
    return CallRules(
        kinds={name: entry.kind for name, entry in config.providers.items()},
        steps=config.traces.steps,
        sample=config.traces.sample,
    )
