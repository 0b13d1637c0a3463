"""From a configuration to what each deployment's calls cost."""

import hashlib
from importlib import import_module
from pathlib import Path
from typing import Final

from msgspec import json

from switchgear.config.model import Config, Prices, ProviderEntry
from switchgear.config.version import VERSION_DIGITS
from switchgear.kernel.errors import ConfigError
from switchgear.kernel.pricing import Price
from switchgear.models.price_table import PriceTable, packaged_table, read_table
from switchgear.models.rate_card import RateCard
from switchgear.models.trust import SIGNATURE_SUFFIX

_EVERY_OTHER: Final = "*"
_MOST_BYTES: Final = 64 * 1024 * 1024


class PriceBook:
    """Prices by provider and model: the provider's own, then the operator's table, then the packaged one.

    ``packaged`` is read where it is not given. Raises ConfigError when any of them cannot be used.
    """

    def __init__(self, config: Config, packaged: PriceTable | None = None) -> None:
        self.tables: list[PriceTable] = []
        """The operator's first."""
        self._file_digest = b""
        if config.prices.file is not None:
            content = _content(Path(config.prices.file))
            _check_signature(config.prices, config.prices.file, content)
            self._file_digest = hashlib.sha256(content).digest()
            self.tables.append(read_table(content, config.prices.file))
        self.tables.append(packaged_table() if packaged is None else packaged)
        self.blocks_unknown = config.prices.unknown == "block"
        self._kinds = {name: entry.kind for name, entry in config.providers.items()}
        self._declared = {name: _declared(name, entry) for name, entry in config.providers.items()}

    def price(self, provider: str, model: str) -> Price | None:
        """What a call of ``model`` costs at ``provider``; None when nobody knows."""
        declared = self._declared.get(provider, {})
        found = declared.get(model) or declared.get(_EVERY_OTHER)
        if found is not None:
            return found
        kind = self._kinds.get(provider, "")
        return next((price for table in self.tables if (price := table.find(kind, model)) is not None), None)

    def marked(self, version: str) -> str:
        """The configuration's version, with the content of the operator's table taken in."""
        if not self._file_digest:
            return version
        return hashlib.sha256(version.encode() + self._file_digest).hexdigest()[:VERSION_DIGITS]


def declared_version(card: RateCard) -> str:
    """What a price that the file or the control database gives is recorded under: the same rates, the same version."""
    content = json.encode(card, order="deterministic")
    return f"declared-{hashlib.sha256(content).hexdigest()[:VERSION_DIGITS]}"


def _declared(provider: str, entry: ProviderEntry) -> dict[str, Price]:
    found: dict[str, Price] = {}
    for model, card in entry.prices.items():
        try:
            found[model] = card.price(declared_version(card))
        except ValueError as error:
            raise ConfigError(f"providers.{provider}.prices.{model}: {error}") from None
    return found


def _check_signature(declared: Prices, name: str, content: bytes) -> None:
    """Raises ConfigError when the table must be signed and is not, or not by one of those who may."""
    if not declared.trusted_keys:
        return
    # By name, because most gateways need no cryptography and should not load it.
    signatures = import_module("switchgear.models.signature")
    path = Path(f"{name}{SIGNATURE_SUFFIX}")
    keys = [signatures.PublicKey(text) for text in declared.trusted_keys]
    try:
        signatures.verify(content, _content(path) if path.exists() else None, keys, name)
    except ConfigError as error:
        raise ConfigError(f"prices.file: {error.message}") from None


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"prices.file: {path} cannot be read: {error.strerror}") from None
    if len(content) > _MOST_BYTES:
        raise ConfigError(f"prices.file: {path} is larger than {_MOST_BYTES} bytes")
    return content
