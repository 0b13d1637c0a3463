"""The thread that writes: whatever waits becomes one transaction, and is answered after it is on the disk."""

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from switchgear.engines.sqlite_spans.checkpoints import Checkpoints
from switchgear.engines.sqlite_spans.dooming import doomed_traces
from switchgear.engines.sqlite_spans.failures import failures
from switchgear.engines.sqlite_spans.sealed_tables import Sealed
from switchgear.engines.sqlite_spans.sketch import merged
from switchgear.engines.sqlite_spans.wiping import Wiping
from switchgear.engines.sqlite_spans.writing import Writing
from switchgear.kernel.query import Doomed
from switchgear.kernel.span import Span

_MOST_SPANS: Final = 5_000
"""In one transaction, unless one request alone has more."""
_MOST_LAST_STEPS: Final = 100
"""Of wiping, before the file is closed; the rest is done when it is opened again."""


@dataclass(slots=True, eq=False)
class _Write:
    spans: Sequence[Span]
    replace: bool
    done: "Future[int]" = field(default_factory=Future[int])


@dataclass(slots=True, eq=False)
class _Delete:
    doomed: Doomed
    done: "Future[int | None]" = field(default_factory=Future[int | None])


@dataclass(slots=True, eq=False)
class _Task:
    work: "Callable[[sqlite3.Connection, Writing], Any]"
    done: "Future[Any]" = field(default_factory=Future[Any])


class _Stop:
    """Nothing more is to be done."""


_Request = _Write | _Delete | _Task | _Stop
_Done = TypeVar("_Done")


class Writer:
    """Owns the connection that writes."""

    def __init__(self, connection: sqlite3.Connection, path: Path, sealed: Sealed | None = None) -> None:
        connection.create_function("merged", 2, merged, deterministic=True)
        self._connection = connection
        self._path = path
        self._sealed = sealed
        self._writing = Writing(connection, sealed)
        self._wiping = Wiping(connection)
        self._log = logging.getLogger("switchgear.traces")
        self._waiting: SimpleQueue[_Request] = SimpleQueue()
        self._is_closing = False
        self._closing = threading.Lock()
        (log_pages,) = connection.execute("PRAGMA wal_autocheckpoint").fetchone()
        self._checkpoints = Checkpoints(path, log_pages)
        self._thread = threading.Thread(target=self._run, name="spans-write", daemon=True)
        self._thread.start()

    def write(self, spans: Sequence[Span], *, replace: bool) -> "Future[int]":
        """How many were new, once they are on the disk; OSError."""
        request = _Write(spans, replace)
        self._ask(request)
        return request.done

    def delete(self, doomed: Doomed) -> "Future[int | None]":
        """How many spans of some traces are gone; None when there was none left."""
        request = _Delete(doomed)
        self._ask(request)
        return request.done

    def work(self, work: "Callable[[sqlite3.Connection, Writing], _Done]") -> _Done:
        """What comes of some work in a transaction of its own, for another thread. Raises what it raises."""
        task = _Task(work)
        self._ask(task)
        return task.done.result()

    def close(self) -> None:
        """Finish all that waits, then close the file."""
        with self._closing:
            self._is_closing = True
            self._waiting.put(_Stop())
        self._thread.join()
        self._checkpoints.close()
        self._connection.close()

    def _ask(self, request: _Request) -> None:
        with self._closing:
            if self._is_closing:
                raise OSError(f"{self._path} is being closed")
            self._waiting.put(request)

    def _run(self) -> None:
        following: _Request | None = None
        while not isinstance(request := following or self._next(), _Stop):
            if not isinstance(request, _Write):
                following = None
                self._do(request)
            else:
                batch, following = self._batch(request)
                self._write(batch)
            self._checkpoints.note()
            if self._checkpoints.rest_is_due:
                self._checkpoints.finish(self._connection)
        for _ in range(_MOST_LAST_STEPS):
            if self._wiping.is_due:
                self._wipe()

    def _next(self) -> _Request:
        """What waits; while nothing does, words of what was deleted are wiped."""
        while self._wiping.is_due:
            try:
                return self._waiting.get_nowait()
            except Empty:
                self._wipe()
        return self._waiting.get()

    def _wipe(self) -> None:
        try:
            with failures(self._path):
                self._wiping.step()
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever is wrong with the file
            self._wiping.put_off()
            self._log.error("words of deleted traces are not wiped from %s yet: %s", self._path, error)

    def _batch(self, first: _Write) -> "tuple[list[_Write], _Request | None]":
        """All writes that wait, up to a bound, and what else was met on the way."""
        batch, count = [first], len(first.spans)
        while count < _MOST_SPANS:
            try:
                waiting = self._waiting.get_nowait()
            except Empty:
                break
            if not isinstance(waiting, _Write):
                return batch, waiting
            batch.append(waiting)
            count += len(waiting.spans)
        return batch, None

    def _do(self, request: _Delete | _Task) -> None:
        try:
            with self._transaction():
                done = self._deleted(request.doomed) if isinstance(request, _Delete) else self._worked(request)
                self._writing.finish()
                if done and isinstance(request, _Delete):
                    self._wiping.note(request.doomed, done)
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever a request holds
            _fail([request], error)
        else:
            _answer(request, done)

    def _deleted(self, doomed: Doomed) -> int | None:
        traces = doomed_traces(self._connection, doomed, self._sealed)
        return self._writing.delete(traces, state="aged" if doomed.before_ns else "erased") if traces else None

    def _worked(self, task: _Task) -> Any:
        return task.work(self._connection, self._writing)

    def _write(self, batch: list[_Write]) -> None:
        """All in one transaction; where a request is at fault and not the disk, each in one of its own."""
        try:
            with self._transaction():
                counts = [count for run in _runs(batch) for count in self._written(run)]
                self._writing.finish()
        except OSError as error:
            _fail(batch, error)
        except Exception as error:  # noqa: BLE001 - the thread outlives whatever a request holds
            if len(batch) == 1:
                _fail(batch, error)
                return
            for request in batch:
                self._write([request])
        else:
            for request, count in zip(batch, counts, strict=True):
                _answer(request, count)

    def _written(self, run: list[_Write]) -> list[int]:
        return self._writing.write([request.spans for request in run], replace=run[0].replace)

    @contextmanager
    def _transaction(self) -> Generator[None]:
        with failures(self._path):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
                self._connection.execute("COMMIT")
            except BaseException:
                self._writing.forget()
                # SQLite itself undoes a transaction for which there was no room.
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise


def _runs(batch: list[_Write]) -> Iterator[list[_Write]]:
    """Neighbours that can be written as one."""
    run: list[_Write] = []
    for request in batch:
        if run and (request.replace or run[-1].replace):
            yield run
            run = []
        run.append(request)
    if run:
        yield run


def _fail(requests: Sequence[_Write | _Delete | _Task], error: Exception) -> None:
    for request in requests:
        if request.done.set_running_or_notify_cancel():
            request.done.set_exception(error)


def _answer(request: _Write | _Delete | _Task, done: Any) -> None:
    # Who asked may have gone away meanwhile.
    if not request.done.set_running_or_notify_cancel():
        return
    request.done.set_result(done)
