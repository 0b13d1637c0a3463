"""How an upstream proves who it is. There is no way to switch the proof off."""

import ssl
from pathlib import Path

from switchgear.kernel.errors import ConfigError


def client_context(ca_file: Path | None = None) -> ssl.SSLContext:
    """A context that checks the chain and the host name, against the system's authorities and those in ``ca_file``.

    Takes tens of milliseconds: make it once. Raises ConfigError when ``ca_file`` cannot be read.
    """
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=ca_file)
        except (OSError, ValueError) as error:
            raise ConfigError(f"the file of certificate authorities {ca_file} cannot be used: {error}") from error
    return context


def require_verification(context: ssl.SSLContext) -> ssl.SSLContext:
    """``context`` itself. Raises ConfigError when it would accept any certificate or any host name."""
    if context.verify_mode is not ssl.CERT_REQUIRED or not context.check_hostname:
        raise ConfigError(
            "this TLS context verifies nothing: keep CERT_REQUIRED and check_hostname, and name the authority to trust"
        )
    return context
