"""Which stores of secrets there are. Another one is a file beside this, and a line here."""

from collections.abc import Mapping
from importlib import import_module
from typing import Final, cast

from switchgear.config.secret_stores.store import OpenStore, SecretStore
from switchgear.kernel.clock import Clock

_HERE: Final = __name__.rpartition(".")[0]
STORES: Final[Mapping[str, str]] = {"vault": "Vault", "aws": "SecretsManager", "gcp": "SecretManager"}
"""By what stands before the colon, which is the name of the file too: the class in it."""


def open_store(name: str, environ: Mapping[str, str], clock: Clock) -> SecretStore:
    """The store ``name``. By name, because a process without such references never loads what is behind them."""
    module = import_module(f"{_HERE}.{name}")
    return cast("OpenStore", getattr(module, STORES[name]))(environ, clock)
