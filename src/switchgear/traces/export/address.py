"""Where a collector is."""

from typing import Final

from msgspec import structs

from switchgear.kernel.upstream import Target
from switchgear.traces.alerts.deliver.posting import read_address

PATH: Final = "/v1/traces"
"""Where an address goes that names no path."""


def address(endpoint: str) -> Target:
    """A POST to it, without headers. Raises ConfigError, which repeats nothing of it."""
    read = read_address(endpoint)
    return structs.replace(read, path=PATH if read.path == "/" else read.path, headers=())
