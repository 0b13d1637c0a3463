"""A short name for the content of a configuration."""

import hashlib
from typing import Final

from msgspec import json

from switchgear.config.identity import HASH_PREFIX
from switchgear.config.model import Config
from switchgear.config.secret import Secret

VERSION_DIGITS: Final = 12


def config_version(config: Config) -> str:
    """The first 12 hexadecimal digits of the SHA-256 of the content; secrets take part only through their own digest.

    Equal configurations have equal versions, whatever the order of their keys, the layout and the comments.
    """
    content = json.encode(config, enc_hook=_digest, order="sorted")
    return hashlib.sha256(content).hexdigest()[:VERSION_DIGITS]


def _digest(value: object) -> str:
    if isinstance(value, Secret):
        return f"{HASH_PREFIX}{value.digest().hex()}"
    raise TypeError(f"a configuration holds no {type(value).__name__}")
