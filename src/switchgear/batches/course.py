"""One batch from its first look to its end.

What is done is in the database and nowhere else: a line waits until its answer is written down, in one transaction with
its count. So a process that is killed loses nothing but the calls that were under way, and whoever takes the batch over
sends those lines again.
"""

import asyncio
from collections import deque
from typing import Final

from msgspec import json

from switchgear.batches import store
from switchgear.batches.files import LINES_AT_ONCE
from switchgear.batches.finish import finish
from switchgear.batches.model import NANOSECONDS, Batch, Result, Status
from switchgear.batches.requests import LineError, Looked, RequestReader, body_of
from switchgear.batches.results import compact
from switchgear.batches.sending import Answer, Sent
from switchgear.batches.shop import Shop
from switchgear.kernel.errors import Overloaded, SwitchgearError, UpstreamUnreachable

MOST_TRIES: Final = 12
"""Of a line that an upstream fails; one that a limit holds back is not counted."""
_FAILURES_IN_A_ROW: Final = 10
"""After so many without anything else in between it is not this line: the batch waits with it."""
LONGEST_PAUSE_SECONDS: Final = 300.0
_GATEWAY_PAUSE_SECONDS: Final = 1.0
_LINES_AHEAD: Final = 32
"""So many are read before their turn; each may be long."""
_LIMITED: Final = 429
_PASSING: Final = frozenset((408, 409, 425, 500, 502, 503, 504, 529))
"""Statuses after which the same request may succeed."""
_ORDER: Final[tuple[Status, ...]] = (
    "validating",
    "in_progress",
    "cancelling",
    "finalizing",
    "completed",
    "failed",
    "expired",
    "cancelled",
)
_SUCCESS: Final = range(200, 300)


class Course:
    """Runs one batch; :attr:`batch` is how it stood when it was last looked at."""

    def __init__(self, batch: Batch, shop: Shop) -> None:
        self.batch = batch
        self._shop = shop
        self._ready: deque[int] = deque()
        self._last = 0
        """The line up to which all were fetched."""
        self._all_fetched = False
        self._contents: dict[int, bytes] = {}
        """What lines ask that were fetched and not yet sent."""
        self._later: dict[int, int] = {}
        """When lines that were sent may be sent again."""
        self._tries: dict[int, int] = {}
        self._limited = 0
        """How often in a row a limit held a line back."""
        self._failed = 0
        """How often in a row an upstream failed, whatever the line."""
        self._paused_until_ns = 0
        self._flying: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Until the batch is over. Raises OSError when the database fails: then it is taken up again."""
        if self.batch.status == "validating" and not await self._validated():
            return
        if self.batch.status == "in_progress":
            try:
                await self._work()
            except BaseException:
                for task in self._flying:
                    task.cancel()
                raise
        await finish(self._shop, self.batch.id)

    def see(self, batch: Batch) -> None:
        """How the batch stands; what was read before something newer is no news."""
        if _ORDER.index(batch.status) >= _ORDER.index(self.batch.status):
            self.batch = batch

    async def _look(self) -> None:
        async with self._shop.database.read() as connection:
            found = await store.find_batch(connection, self.batch.id)
        if found is not None:
            self.see(found)

    async def _validated(self) -> bool:
        """Whether sound lines wait now; wrong ones have ended. Else the batch has failed."""
        shop, batch = self._shop, self.batch
        reader = RequestReader(batch.endpoint)
        async with shop.database.write() as connection:
            await store.forget_lines(connection, batch.id)
        after = 0
        while True:
            async with shop.database.read() as connection:
                lines = await store.file_lines(connection, batch.input_file, after, LINES_AT_ONCE)
            if not lines:
                break
            after = lines[-1][0]
            looked = await asyncio.to_thread(_looked, reader, lines)
            if looked:
                async with shop.database.write() as connection:
                    await store.add_lines(connection, batch.id, looked)
        await (self._begin(reader) if reader.sound else self._fail(reader.errors or [_EMPTY]))
        await self._look()
        return self.batch.is_active

    async def _begin(self, reader: RequestReader) -> None:
        told = json.encode(reader.errors).decode() if reader.errors else ""
        found = {"total": reader.sound + reader.wrong, "errored": reader.wrong, "errors": told}
        values = {**found, "status": "in_progress", "in_progress_ns": self._shop.now_ns()}
        async with self._shop.database.write() as connection:
            if not await store.change_batch(connection, self.batch.id, values, only_in=("validating",)):
                # It was cancelled meanwhile.
                await store.change_batch(connection, self.batch.id, found)

    async def _fail(self, errors: list[LineError]) -> None:
        told = json.encode(errors).decode()
        values = {"status": "failed", "failed_ns": self._shop.now_ns(), "errors": told, "owner": ""}
        async with self._shop.database.write() as connection:
            await store.forget_lines(connection, self.batch.id)
            if not await store.change_batch(connection, self.batch.id, values, only_in=("validating",)):
                await store.change_batch(connection, self.batch.id, {"errors": told})

    @property
    def _is_over(self) -> bool:
        return self.batch.status != "in_progress" or self._shop.now_ns() >= self.batch.expires_ns

    async def _work(self) -> None:
        """Begin one line after another; at the end none is under way."""
        while not self._is_over:
            number = await self._next()
            if number is None:
                if not self._flying and not self._later:
                    return
                await self._rest()
            elif self._is_held:
                self._ready.appendleft(number)
                await self._rest()
            else:
                await self._begin_line(number)
        while self._flying:
            await self._rest()

    @property
    def _is_held(self) -> bool:
        """Whether no line may be begun now: outside of the windows, or while a limit is reached."""
        pace, now_ns = self._shop.pace(), self._shop.now_ns()
        return pace is None or now_ns < self._paused_until_ns or not pace.is_open(now_ns)

    async def _next(self) -> int | None:
        """The next line that may be sent now; None when there is none."""
        now_ns = self._shop.now_ns()
        due = min(self._later, key=lambda number: self._later[number], default=None)
        if due is not None and self._later[due] <= now_ns:
            del self._later[due]
            return due
        if not self._ready and not self._all_fetched:
            async with self._shop.database.read() as connection:
                found = await store.waiting_lines(connection, self.batch, self._last, _LINES_AHEAD)
            self._ready.extend(number for number, _ in found)
            self._contents.update(found)
            self._all_fetched = not found
            self._last = self._ready[-1] if found else self._last
        return self._ready.popleft() if self._ready else None

    async def _begin_line(self, number: int) -> None:
        """Send a line when there is a place and it is time, unless the batch ends meanwhile."""
        shop = self._shop
        pace = shop.pace()
        if pace is None:
            self._ready.appendleft(number)
            return
        await shop.slots.take(pace.concurrency)
        try:
            while wait_ns := shop.pacer.wait_ns(pace.requests_per_minute, shop.clock.monotonic_ns()):  # noqa: ASYNC110 (a clock tells nobody)
                await asyncio.sleep(min(wait_ns / NANOSECONDS, shop.poll_seconds))
            if self._is_over or self._is_held:
                self._ready.appendleft(number)
                await shop.slots.give_back()
                return
        except BaseException:
            await shop.slots.give_back()
            raise
        task = asyncio.create_task(self._line(number))
        self._flying.add(task)
        task.add_done_callback(self._landed)

    def _landed(self, task: asyncio.Task[None]) -> None:
        self._flying.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._shop.log.error("a line of %s failed on a defect", self.batch.id, exc_info=error)

    async def _rest(self) -> None:
        if self._flying:
            await asyncio.wait(self._flying, timeout=self._shop.poll_seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(self._shop.poll_seconds)

    async def _line(self, number: int) -> None:
        try:
            try:
                result = await self._result(number)
            except OSError as error:
                self._shop.log.error("line %s of %s waits for the database: %s", number, self.batch.id, error)  # noqa: TRY400 (an operator's concern, and no defect)
                self._later[number] = self._shop.in_seconds(_GATEWAY_PAUSE_SECONDS)
                return
            if result is not None:
                await self._shop.keeper.keep(self.batch.id, number, result)
                self._tries.pop(number, None)
        except Exception:
            # Whatever it is, it must not have the line sent again and again.
            self._shop.log.exception("line %s of %s failed on a defect", number, self.batch.id)
            self._later[number] = self._shop.in_seconds(LONGEST_PAUSE_SECONDS)
            await self._shop.keeper.keep(self.batch.id, number, _DEFECT)
            del self._later[number]
        finally:
            await self._shop.slots.give_back()

    async def _result(self, number: int) -> Result | None:
        """What becomes of a line; None when it is to be sent again. Raises OSError."""
        line = self._contents.pop(number, None) or await self._read(number)
        if line is None:
            return Result(state="errored", status=500, response=_told("the file of the batch is gone", "server_error"))
        try:
            answer = await self._shop.send(self._sent(number, line))
        except (UpstreamUnreachable, Overloaded):
            # Nothing was sent: the gateways are being restarted.
            self._later[number] = self._paused_until_ns = self._shop.in_seconds(_GATEWAY_PAUSE_SECONDS)
            return None
        except SwitchgearError as error:
            answer = Answer(status=error.status, request_id="", body=_told(error.message, error.code))
        if answer.status == _LIMITED:
            self._hold(number, answer)
            return None
        self._limited = 0
        self._failed = self._failed + 1 if answer.status in _PASSING else 0
        if answer.status in _PASSING and self._again(number, answer):
            return None
        state = "succeeded" if answer.status in _SUCCESS else "errored"
        return Result(state=state, status=answer.status, request_id=answer.request_id, response=compact(answer.body))

    async def _read(self, number: int) -> bytes | None:
        async with self._shop.database.read() as connection:
            return await store.file_line(connection, self.batch.input_file, number)

    def _sent(self, number: int, line: bytes) -> Sent:
        batch = self.batch
        request = json.decode(line, type=dict[str, object])
        return Sent(
            key=batch.key,
            batch=batch.id,
            number=number,
            custom_id=str(request.get("custom_id", "")),
            path=batch.endpoint,
            body=body_of(line),
        )

    def _hold(self, number: int, answer: Answer) -> None:
        """A limit is reached, which other lines of the batch would reach too: all of it waits."""
        self._limited += 1
        pause = self._pause(self._limited) if answer.retry_after_seconds is None else answer.retry_after_seconds
        self._paused_until_ns = max(self._paused_until_ns, self._shop.in_seconds(pause))
        self._later[number] = self._paused_until_ns

    def _again(self, number: int, answer: Answer) -> bool:
        """Whether a line that failed is to be sent again, and when."""
        if self._failed >= _FAILURES_IN_A_ROW:
            pause = self._pause(self._failed - _FAILURES_IN_A_ROW + 1)
            self._paused_until_ns = max(self._paused_until_ns, self._shop.in_seconds(pause))
        tries = self._tries[number] = self._tries.get(number, 0) + 1
        if tries >= MOST_TRIES:
            return False
        self._later[number] = self._shop.in_seconds(max(self._pause(tries), answer.retry_after_seconds or 0.0))
        return True

    def _pause(self, tries: int) -> float:
        return min(self._shop.first_pause_seconds * 2.0 ** min(tries - 1, 16), LONGEST_PAUSE_SECONDS)


_EMPTY: Final = LineError(code="empty_file", message="The file has no requests.")


def _looked(reader: RequestReader, lines: list[tuple[int, bytes]]) -> list[Looked]:
    """The lines that are not blank."""
    read = (reader.read(number, line) for number, line in lines)
    return [each for each in read if each is not None]


def _told(message: str, code: str) -> bytes:
    return json.encode({"error": {"message": message, "type": "server_error", "param": None, "code": code}})


_DEFECT: Final = Result(
    state="errored",
    status=500,
    response=_told("the line failed on a defect; the log has the details", "internal_error"),
)
