"""The configuration: what may stand in ``switchgear.yaml``, how it is read, checked, named and watched."""

from switchgear.config.environment import read_environment
from switchgear.config.identity import Key
from switchgear.config.loading import DEFAULT_FILE, discover, listening, load, parse
from switchgear.config.model import Config, Journal, ProviderEntry
from switchgear.config.routing import DeploymentEntry, ModelEntry, TimersEntry
from switchgear.config.schema import schema
from switchgear.config.secret import Secret
from switchgear.config.server import Server
from switchgear.config.source import Source
from switchgear.config.version import config_version
from switchgear.config.watcher import ConfigWatcher

__all__ = [
    "DEFAULT_FILE",
    "Config",
    "ConfigWatcher",
    "DeploymentEntry",
    "Journal",
    "Key",
    "ModelEntry",
    "ProviderEntry",
    "Secret",
    "Server",
    "Source",
    "TimersEntry",
    "config_version",
    "discover",
    "listening",
    "load",
    "parse",
    "read_environment",
    "schema",
]
