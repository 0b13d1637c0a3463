"""Second tries at a call that is passed through.

They have one owner, this, and are few: where nothing of the call has left, or where it may be made twice (RFC 9110
§9.2.2) and its body is held. They come out of the provider's budget. All others are the client's to make.
"""

from typing import Final

from msgspec import structs

from switchgear.doors.passthrough_account import Account, Errand
from switchgear.kernel.call import Call
from switchgear.kernel.errors import SwitchgearError, UpstreamError
from switchgear.kernel.upstream import Timers
from switchgear.routing.causes import AGAIN, cause_of
from switchgear.routing.course import Means
from switchgear.routing.wishes import wishes_of

_REPEATABLE: Final = frozenset(("GET", "HEAD", "PUT", "DELETE"))
_IDEMPOTENCY_KEY: Final = b"idempotency-key"
_NANOSECONDS: Final = 1_000_000_000
_PRECISION: Final = 53
_LONGEST_WAIT_SECONDS: Final = 30.0
"""An upstream that says to come back later than that is not waited for."""
_SHORTEST_SECONDS: Final = 0.001


class Tries:
    """Of one call. Raises BadRequest for wishes that cannot be understood."""

    __slots__ = ("_allowed", "_call", "_deadline_ns", "_errand", "_means", "_priority", "_wait_seconds", "made")

    def __init__(self, call: Call, errand: Errand, means: Means) -> None:
        self._call = call
        self._errand = errand
        self._means = means
        wishes = wishes_of(call)
        total_seconds = min(errand.timers.total_seconds, wishes.timeout_seconds or errand.timers.total_seconds)
        self._deadline_ns = means.clock.monotonic_ns() + round(total_seconds * _NANOSECONDS)
        self._allowed = errand.retries.attempts if wishes.retries is None else 1 + wishes.retries
        self._priority = wishes.priority
        self._wait_seconds = 0.0
        self.made = 0
        if errand.budget is not None:
            errand.budget.calls += 1

    async def begin(self) -> tuple[Account, Timers]:
        """Open the entry of the next one, once the deployment has a place for it; its timers. Raises Overloaded."""
        self.made += 1
        health = self._errand.health
        if health is not None and health.gate.is_full:
            await health.gate.wait(self._priority, max(self._left_seconds(), _SHORTEST_SECONDS))
        elif health is not None:
            health.gate.take()
        account = Account(self._call, self._errand, self._means.clock, "" if self.made == 1 else "retry")
        timers = self._errand.timers
        left_seconds = max(self._left_seconds(), _SHORTEST_SECONDS)
        if left_seconds < timers.total_seconds:
            timers = structs.replace(timers, total_seconds=left_seconds)
        return account, timers

    def again(self, error: SwitchgearError, account: Account) -> bool:
        """Whether the call may be made again after ``error``; the budget has then paid for it."""
        if self.made >= self._allowed or not self._may_repeat(error, account):
            return False
        retries = self._errand.retries
        longest = min(retries.max_seconds, retries.base_seconds * 2 ** (self.made - 1))
        drawn = longest * self._means.random_bits(_PRECISION) / (1 << _PRECISION)
        self._wait_seconds = max(drawn, error.retry_after_seconds or 0.0)
        if self._wait_seconds > min(_LONGEST_WAIT_SECONDS, self._left_seconds()):
            return False
        return self._errand.budget is not None and self._errand.budget.spend()

    async def pause(self) -> None:
        """Wait before the next one."""
        await self._means.sleep(self._wait_seconds)

    def last_word(self, error: SwitchgearError) -> SwitchgearError:
        """The error for the client, who need not do again what was done here."""
        if self.made > 1 and isinstance(error, UpstreamError):
            error.retryable = False
        return error

    def _may_repeat(self, error: SwitchgearError, account: Account) -> bool:
        upload = self._errand.upload
        if error.fault == "caller" or (upload is not None and upload.begun):
            return False
        cause = cause_of(error, answered=account.entry.status != 0)
        if cause == "unreachable" or (cause == "unanswered" and upload is not None):
            return True
        harmless = self._errand.target.method in _REPEATABLE or _IDEMPOTENCY_KEY in self._call.headers
        return cause in AGAIN and harmless and upload is None

    def _left_seconds(self) -> float:
        return (self._deadline_ns - self._means.clock.monotonic_ns()) / _NANOSECONDS
