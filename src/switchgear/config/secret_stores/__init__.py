"""Stores of secrets that are asked over the network: HashiCorp Vault and the clouds' own, one file for each."""

from switchgear.config.secret_stores.memory import Remembered
from switchgear.config.secret_stores.registry import STORES

__all__ = ["STORES", "Remembered"]
