"""SQLite's errors as what the port says: OSError, with the number that tells a full disk from a broken one."""

import errno
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from switchgear.kernel.errors import BadRequest

_NUMBERS: Final = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_CANTOPEN: errno.ENOENT,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_BUSY: errno.EBUSY,
    sqlite3.SQLITE_LOCKED: errno.EBUSY,
}
_PRIMARY: Final = 0xFF
"""The bits of an extended code that name its kind."""


@contextmanager
def failures(path: Path) -> Generator[None]:
    """Raises OSError where the engine failed, BadRequest where a question is beyond it."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & _PRIMARY
        if "integer overflow" in str(error):
            raise BadRequest("the sum is too large: ask for a shorter time") from error
        if "phrase queries are not supported" in str(error):
            raise BadRequest("the text has letters that full text does not know: leave them out") from error
        raise OSError(_NUMBERS.get(code, errno.EIO), f"the trace store failed: {error}", str(path)) from error
