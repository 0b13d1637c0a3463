"""How a journal fares: what went wrong last, when to try again, and what is said about it."""

import errno
import logging
from collections.abc import Callable
from typing import Final

_RETRY_NS: Final = 1_000_000_000
"""Between two tries after something failed, and between two words about it in the log."""


class Health:
    """Told by the writer and by the flusher's thread how things go; :attr:`last_error` is empty while all is well."""

    def __init__(self, monotonic_ns: Callable[[], int], log: logging.Logger) -> None:
        self._monotonic_ns = monotonic_ns
        self._log = log
        self._retry_ns = 0
        self._next_word_ns = 0
        self.last_error = ""
        self.failed_flushes = 0
        self.lost_records = 0
        """Records that could not be written."""
        self.segment_full = False
        """The current file may not grow (EFBIG): only another one helps."""

    def failed(self, error: OSError) -> None:
        """There is no room, or no way to the disk."""
        now_ns = self._monotonic_ns()
        if not self.last_error:
            self._retry_ns = now_ns + _RETRY_NS
        self.last_error = str(error)
        self.segment_full |= error.errno == errno.EFBIG
        if now_ns >= self._next_word_ns:
            self._next_word_ns = now_ns + _RETRY_NS
            self._log.error("the journal cannot be written: %s; %d records are lost", error, self.lost_records)

    def flush_failed(self, error: OSError) -> None:
        """What was stored is not on the disk; the next flush tries all of it again."""
        self.failed_flushes += 1
        self.failed(error)

    def well(self) -> None:
        """There is room ahead, and all that was stored is on the disk."""
        if self.last_error:
            self.last_error = ""
            self._log.warning("the journal can be written again; %d records were lost", self.lost_records)

    def try_now(self) -> bool:
        """Whether it is time for another try, which is then the caller's; once a second."""
        now_ns = self._monotonic_ns()
        if now_ns < self._retry_ns:
            return False
        self._retry_ns = now_ns + _RETRY_NS
        return True
