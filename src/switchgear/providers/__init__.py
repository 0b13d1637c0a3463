"""Vendors: where each one is, how to authenticate, which dialects it speaks and which quirks it has.

One file to a kind, found by looking through this folder; a file that offers ``KINDS`` is one.
"""

from switchgear.providers.kind import Environment, Kind
from switchgear.providers.registry import discover, found_in

__all__ = ["Environment", "Kind", "discover", "found_in"]
