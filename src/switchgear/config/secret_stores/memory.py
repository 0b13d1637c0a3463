"""What stores of secrets answered, in this process's memory and nowhere else.

A secret is fetched when a configuration first refers to it, all new ones side by side, and again every so many seconds.
A store that is down takes nothing away: what it said last stays, and the problem is told. So a reload for any other
reason asks nobody, and the revocation of a key never waits for a store.
"""

import logging
import queue
import threading
from collections.abc import Collection, Iterable, Mapping
from typing import Final

from msgspec import Struct

from switchgear.config.references import BadReference
from switchgear.config.secret import Secret
from switchgear.config.secret_stores.registry import STORES, open_store
from switchgear.config.secret_stores.store import SecretStore, StoreProblem, Where
from switchgear.kernel.clock import Clock, SystemClock

REFRESH_SECONDS: Final = 300.0
FETCH_SECONDS: Final = 10.0
"""For all secrets of a configuration together."""
RETRY_SECONDS: Final = 15.0
"""How soon a store that gave no answer is asked again."""
_AT_ONCE: Final = 8
_LOOK_SECONDS: Final = 0.5
_MAX_REFERENCES: Final = 1000
_LOG: Final = logging.getLogger("switchgear.config")

Document = tuple[str, str, tuple[tuple[str, str], ...]]
"""A store, a name in it, and what was said behind the '?': what is fetched once, whatever fields of it are wanted."""
Answer = Secret | StoreProblem


class Held(Struct, frozen=True):
    """What is known of one reference: its last value, if there ever was one, and why there is no newer one."""

    value: Secret | None = None
    problem: str = ""


class Remembered:
    """The secrets behind ``STORE:WHERE``, for every store of the network; may be used by several threads."""

    def __init__(
        self, environ: Mapping[str, str], clock: Clock | None = None, fetch_seconds: float = FETCH_SECONDS
    ) -> None:
        self._environ = environ
        self._clock = clock or SystemClock()
        self._fetch_seconds = fetch_seconds
        self._stores: dict[str, SecretStore] = {}
        self._held: dict[str, Held] = {}
        self._lock = threading.Lock()
        self._wanting = threading.Lock()
        """Held by who changes what is wanted, while a network is waited for."""
        self._fetched_ns = 0
        self._thread: threading.Thread | None = None
        self._stopping = threading.Event()
        self._keeps_fresh = False
        self.refresh_seconds = REFRESH_SECONDS
        self.revision = 0
        """Changes when a configuration that is read now may not be what it was."""

    def want(self, references: Iterable[str]) -> None:
        """Fetch what is not known yet, and forget what is wanted no longer. What fails is told by :meth:`value`."""
        wanted = list(dict.fromkeys(references))[:_MAX_REFERENCES]
        with self._wanting:
            self._want(wanted)

    def _want(self, wanted: list[str]) -> None:
        with self._lock:
            missing = [each for each in wanted if each not in self._held]
        found = self._fetch(missing)
        with self._lock:
            self._held = {each: self._held.get(each) or found[each] for each in wanted}
            if missing:
                self._fetched_ns = self._clock.monotonic_ns()
            if wanted and self._keeps_fresh and self._thread is None:
                self._thread = threading.Thread(target=self._keep_fresh, name="secrets", daemon=True)
                self._thread.start()

    def known(self, reference: str) -> str | None:
        """The value that was fetched last; None: there is none."""
        held = self._held.get(reference)
        return None if held is None or held.value is None else held.value.reveal()

    def value(self, reference: str) -> str:
        """The value that was fetched last. Raises BadReference when there is none, and says why."""
        found = self.known(reference)
        if found is None:
            held = self._held.get(reference)
            why = held.problem if held is not None else f"is one of more than {_MAX_REFERENCES}"
            raise BadReference(f"${{{reference[:200]}}}: {why}")
        return found

    @property
    def problem(self) -> str:
        """Which secrets could not be read again, a line to each; empty when all could."""
        held = self._held
        return "\n".join(
            f"${{{name[:200]}}} could not be read again, and its last value stays: {one.problem}"
            for name, one in held.items()
            if one.problem and one.value is not None
        )

    def keep_fresh(self) -> None:
        """From now on fetch again every ``refresh_seconds``, by a thread that ends with the process or by ``stop``.

        To be called before the first secret is wanted.
        """
        self._keeps_fresh = True

    def stop(self) -> None:
        """Fetch no more."""
        self._stopping.set()

    def refresh(self) -> None:
        """Fetch everything again; a value that cannot be had now stays what it was."""
        with self._lock:
            before = dict(self._held)
        found = self._fetch(list(before))
        with self._lock:
            self._fetched_ns = self._clock.monotonic_ns()
            changed = False
            for name in [each for each in before if each in self._held]:
                fresh = found[name]
                _tell(name, before[name], fresh)
                if fresh.value is None and before[name].value is not None:
                    fresh = Held(before[name].value, fresh.problem)
                # A problem of one that has a value changes nothing that is in force.
                old = before[name]
                changed |= fresh.value != old.value or (fresh.value is None and fresh.problem != old.problem)
                self._held[name] = fresh
            self.revision += changed

    def _keep_fresh(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            failing = any(one.problem for one in tuple(self._held.values()))
            pause = min(self.refresh_seconds, RETRY_SECONDS if failing else self.refresh_seconds)
            if self._clock.monotonic_ns() - self._fetched_ns >= pause * 1e9:
                self.refresh()

    def _fetch(self, references: list[str]) -> dict[str, Held]:
        found: dict[str, Held] = {}
        parsed: dict[str, tuple[Document, Where]] = {}
        for reference in references:
            store, _, text = reference.partition(":")
            try:
                where = Where.parse(text, self._store(store))
                parsed[reference] = ((store, where.name, where.options), where)
            except StoreProblem as problem:
                found[reference] = Held(problem=str(problem))
        texts = _Round(self._stores, self._clock).fetch(
            {document for document, _ in parsed.values()}, self._fetch_seconds
        )
        for reference, (document, where) in parsed.items():
            late = StoreProblem(f"no answer within {self._fetch_seconds:g} s")
            found[reference] = _held(texts.get(document, late), where)
        return found

    def _store(self, name: str) -> SecretStore:
        if name not in self._stores:
            self._stores[name] = open_store(name, self._environ, self._clock)
        return self._stores[name]

    def __repr__(self) -> str:
        return f"Remembered({', '.join(STORES)}; {len(self._held)} secrets)"


class _Round:
    """One round of fetching, by threads that nobody waits for when a store does not answer in time."""

    def __init__(self, stores: Mapping[str, SecretStore], clock: Clock) -> None:
        self._stores = stores
        self._monotonic_ns = clock.monotonic_ns
        self._waiting: queue.SimpleQueue[Document] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[tuple[Document, Answer]] = queue.SimpleQueue()

    def fetch(self, documents: Collection[Document], seconds: float) -> dict[Document, Answer]:
        """What each of ``documents`` holds, or why it cannot be had; those that took too long are left out."""
        for document in documents:
            self._waiting.put(document)
        for _ in range(min(_AT_ONCE, len(documents))):
            threading.Thread(target=self._work, name="secret", daemon=True).start()
        found: dict[Document, Answer] = {}
        end_ns = self._monotonic_ns() + seconds * 1e9
        while len(found) < len(documents):
            try:
                document, answer = self._answers.get(timeout=max(0.0, (end_ns - self._monotonic_ns()) / 1e9))
            except queue.Empty:
                break
            found[document] = answer
        return found

    def _work(self) -> None:
        while True:
            try:
                document = self._waiting.get_nowait()
            except queue.Empty:
                return
            self._answers.put((document, self._read(document)))

    def _read(self, document: Document) -> Answer:
        store, name, options = document
        try:
            return Secret(self._stores[store].read(name, dict(options)))
        except StoreProblem as problem:
            return problem
        except Exception as error:  # noqa: BLE001 (its text may quote a secret, and must reach no log)
            return StoreProblem(f"cannot be read: {type(error).__name__} in the store {store!r}")


def _held(answer: Answer, where: Where) -> Held:
    if isinstance(answer, StoreProblem):
        return Held(problem=str(answer))
    try:
        return Held(value=Secret(where.pick(answer.reveal())))
    except StoreProblem as problem:
        return Held(problem=str(problem))


def _tell(reference: str, before: Held, fresh: Held) -> None:
    """Say what changed, once for each change, and no value."""
    name = f"${{{reference[:200]}}}"
    if fresh.problem and fresh.problem != before.problem:
        rest = "" if before.value is None else "; its last value stays in use"
        _LOG.error("%s: %s%s", name, fresh.problem, rest)
    elif not fresh.problem and before.problem:
        _LOG.info("%s can be read again", name)
    if fresh.value is not None and before.value is not None and fresh.value != before.value:
        _LOG.info("%s has a new value", name)
