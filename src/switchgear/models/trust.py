"""What a configuration says of signatures; apart from them, so that gateways load no cryptography they do not need."""

from typing import Annotated, Final

from msgspec import Meta

PUBLIC_KEY: Final = r"^ed25519:[A-Za-z0-9+/]{43}=$"
PublicKeyText = Annotated[str, Meta(pattern=PUBLIC_KEY)]
SIGNATURE_SUFFIX: Final = ".sig"
"""Behind a table's name: the name of its signature."""
