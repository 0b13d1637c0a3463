"""Paths of the gateway's own that lead to a provider: what they look like, and what stands for them there.

A ``*`` stands for one segment, at the end for all that follows; a ``/`` at the end is short for ``/*``. What it stands
for takes the place of the same ``*`` in the provider's path.
"""

import re
from typing import Final

from msgspec import Struct

STAR: Final = "*"


class Mount(Struct, frozen=True, kw_only=True):
    """One declared path."""

    path: str
    provider: str
    pattern: re.Pattern[str]
    upstream_parts: tuple[str, ...]
    """The provider's path, cut at each ``*``."""
    methods: frozenset[str]
    """Empty: all that are passed through."""
    websocket: bool

    def leads_to(self, path: str) -> str | None:
        """The provider's path for one of the gateway's; None where it is another."""
        found = self.pattern.fullmatch(path)
        if found is None:
            return None
        first, *others = self.upstream_parts
        return first + "".join(stood + part for stood, part in zip(found.groups(), others, strict=True))

    def takes(self, method: str) -> bool:
        """Whether calls of this method are passed on."""
        return not self.methods or method in self.methods

    @property
    def prefixes(self) -> tuple[str, str] | None:
        """What the paths here and there begin with, where all that follows is the same."""
        parts = parted(self.path)
        return (parts[0], self.upstream_parts[0]) if len(parts) == 2 and not parts[1] else None


def parted(path: str) -> tuple[str, ...]:
    """A declared path, cut at each ``*``."""
    return tuple((path + STAR if path.endswith("/") else path).split(STAR))


def mount(path: str, provider: str, upstream_path: str, methods: tuple[str, ...], *, websocket: bool) -> Mount:
    """A declared path; both paths must have the same number of ``*``."""
    parts = parted(path)
    written = "([^/]+)".join(re.escape(part) for part in parts)
    if len(parts) > 1 and not parts[-1]:
        written = "([^/]+)".join(re.escape(part) for part in parts[:-1]) + "(.*)"
    return Mount(
        path=path,
        provider=provider,
        pattern=re.compile(written, re.DOTALL),
        upstream_parts=parted(upstream_path),
        methods=frozenset(methods),
        websocket=websocket,
    )
