"""What names look like in a configuration, and the mark of what is never repeated."""

from typing import Annotated, Final

from msgspec import Meta

HIDDEN: Final = {"hidden": True}
"""Marks a field whose value is never repeated in an error: a key may have been put there by mistake."""
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"

Name = Annotated[str, Meta(pattern=NAME)]
