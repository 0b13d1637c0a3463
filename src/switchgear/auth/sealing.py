"""Envelopes: each secret is encrypted under a random data key, and that under the master key, both by AES-256-GCM.

The context (``secret openai``) is authenticated with both, so that an envelope under another name does not open. A new
master key needs only the data keys encrypted again, never the secrets (NIST SP 800-38D; 96-bit random nonces, each key
used for one message or, the master key, for as many as there are secrets).
"""

import os
from typing import TYPE_CHECKING, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from switchgear.auth.master_key import MasterKeys
from switchgear.auth.sealed import Opens, Sealed
from switchgear.kernel.errors import ConfigError

_NONCE_BYTES: Final = 12
_DATA_KEY_BITS: Final = 256
_PURPOSE: Final = "sealing"


class Sealer:
    """Seals and opens under the master keys of this process."""

    def __init__(self, keys: MasterKeys) -> None:
        self._keys = keys

    def seal(self, secret: bytes, context: str) -> Sealed:
        """A fresh envelope. Raises ConfigError without a master key."""
        master = self._keys.sealing()
        data_key = AESGCM.generate_key(_DATA_KEY_BITS)
        wrapped_nonce, nonce = os.urandom(_NONCE_BYTES), os.urandom(_NONCE_BYTES)
        bound = context.encode()
        return Sealed(
            master=master.id,
            wrapped_nonce=wrapped_nonce,
            wrapped=AESGCM(master.derived(_PURPOSE)).encrypt(wrapped_nonce, data_key, bound),
            nonce=nonce,
            text=AESGCM(data_key).encrypt(nonce, secret, bound),
        )

    def open(self, sealed: Sealed, context: str) -> bytes:
        """The secret inside. Raises ConfigError when no master key fits, or when the envelope was changed."""
        data_key = self._data_key(sealed, context)
        try:
            return AESGCM(data_key).decrypt(sealed.nonce, sealed.text, context.encode())
        except (InvalidTag, ValueError):
            raise _damaged(context) from None

    def renewed(self, sealed: Sealed, context: str) -> Sealed:
        """The same secret under the master key that seals now. Raises ConfigError."""
        master = self._keys.sealing()
        if sealed.master == master.id:
            return sealed
        self.open(sealed, context)
        data_key = self._data_key(sealed, context)
        wrapped_nonce = os.urandom(_NONCE_BYTES)
        wrapped = AESGCM(master.derived(_PURPOSE)).encrypt(wrapped_nonce, data_key, context.encode())
        return Sealed(
            master=master.id, wrapped_nonce=wrapped_nonce, wrapped=wrapped, nonce=sealed.nonce, text=sealed.text
        )

    def _data_key(self, sealed: Sealed, context: str) -> bytes:
        try:
            master = self._keys.find(sealed.master)
        except ConfigError as error:
            raise ConfigError(f"{context}: {error.message}") from None
        try:
            return AESGCM(master.derived(_PURPOSE)).decrypt(sealed.wrapped_nonce, sealed.wrapped, context.encode())
        except (InvalidTag, ValueError):
            raise _damaged(context) from None


def _damaged(context: str) -> ConfigError:
    return ConfigError(f"{context}: the sealed value was changed since it was stored, or is another's; store it again")


if TYPE_CHECKING:
    _: type[Opens] = Sealer
