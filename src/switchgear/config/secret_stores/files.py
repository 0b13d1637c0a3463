"""Tokens and keys in files, as platforms put them beside a process."""

from pathlib import Path
from typing import Final

from switchgear.config.secret_stores.store import StoreProblem

_MAX_FILE_BYTES: Final = 64 * 1024


def read_credential(path: str, source: str) -> str:
    """The text in the file ``path`` without white space around it, read anew each time. Raises StoreProblem.

    ``source`` names the setting that ``path`` comes from.
    """
    try:
        with Path(path).open("rb") as file:
            text = file.read(_MAX_FILE_BYTES).decode().strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StoreProblem(f"{source}: the file {path[:200]!r} cannot be read: {why}") from None
    if not text:
        raise StoreProblem(f"{source}: the file {path[:200]!r} is empty")
    return text
