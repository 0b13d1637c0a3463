"""``switchgear database``: what its commands take."""

from dataclasses import dataclass

from switchgear.cli.settings import ConfigOption


@dataclass(frozen=True, kw_only=True)
class UpgradeOptions:
    """Bring the control database forward to what this version needs; a control process does so when it starts."""

    config: ConfigOption = None


@dataclass(frozen=True, kw_only=True)
class CurrentOptions:
    """Print the revision of the control database; exit status 1 when this version needs another."""

    config: ConfigOption = None
