"""Whether budgets have counted what the ledger says was spent.

Counters and ledger hear of a call one after the other, so a counter is read before the ledger and after it: what was
settled long before must be in the ledger, and what is in the ledger must be settled soon after. Between the two numbers
they agree. What an upstream may bill without having told it stays in the counters, and is a difference that is shown.

Only the present window of a budget can be compared, and only budgets of whole days whose calls the ledger sums up.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from switchgear.app.limits import rules_of
from switchgear.app.state import readable_counters
from switchgear.config import Config
from switchgear.config.state import CountersEntry
from switchgear.engines.memory_counters import MemoryCounters
from switchgear.kernel.clock import Clock
from switchgear.kernel.ports import Claim
from switchgear.ledger.reconciling import Finding, Proof
from switchgear.ledger.row import DAY_NS
from switchgear.ledger.service import Ledger
from switchgear.ledger.totals import EVERYTHING, TAG
from switchgear.limits.model import EVERY, Rule, Scope, Window, window_at
from switchgear.limits.plan import counter_name
from switchgear.processes.written_counts import FOLDER

SETTLED_SECONDS: Final = 3.0
"""After so long the ledger has what was counted, and files of counters are written."""
_IN_LEDGER: Final[Mapping[Scope, str]] = {
    "key": "key",
    "user": "owner",
    "team": "team",
    "project": "project",
    "organisation": "organisation",
    "end_user": "end_user",
    "tag": TAG,
}
"""The ledger's names of scopes; it knows models and providers by what answered, limits by what was asked."""

ReadCounters = Callable[[Sequence[Claim]], Awaitable[list[int]]]
"""What is settled of each counter. Raises OSError."""
Pause = Callable[[float], Awaitable[None]]


class _Budget(Struct, frozen=True):
    """A counter of money, and what the ledger says of the same calls and days."""

    claim: Claim
    spent_nano_usd: int


class CounterProof:
    """Compares the counters of one installation with its ledger."""

    def __init__(
        self, ledger: Ledger, config: Callable[[], Config], clock: Clock, read: ReadCounters, pause: Pause
    ) -> None:
        self._ledger = ledger
        self._config = config
        self._clock = clock
        self._read = read
        self._pause = pause

    async def prove(self) -> Proof:
        """Compare the budgets that can be. Raises OSError."""
        proof = Proof(between="totals_counters")
        now_ns = self._clock.wall_ns()
        rules = [rule for rule in rules_of(self._config()).all if _can_be_compared(rule)]
        asked = [budget.claim for rule in rules for budget in await self._budgets(rule, now_ns)]
        if not asked:
            return proof
        before = await self._read(asked)
        await self._pause(SETTLED_SECONDS)
        spent = {
            budget.claim.counter: budget.spent_nano_usd
            for rule in rules
            for budget in await self._budgets(rule, now_ns)
        }
        await self._pause(SETTLED_SECONDS)
        after = await self._read(asked)
        for claim, *counted in zip(asked, before, after, strict=True):
            _compare(proof, claim, counted, spent.get(claim.counter, 0))
        return proof

    async def _budgets(self, rule: Rule, now_ns: int) -> list[_Budget]:
        window = _window(rule, now_ns)
        scope, wanted = rule.scopes[0] if rule.scopes else (None, "")
        days = window.begins_ns // DAY_NS, window.ends_ns // DAY_NS
        spent = await self._ledger.spent(EVERYTHING if scope is None else _IN_LEDGER[scope], *days)
        names = list(spent) if wanted == EVERY else [wanted]
        return [
            _Budget(
                Claim(
                    counter=counter_name(rule, [name] if rule.scopes else []),
                    amount=0,
                    limit=rule.limit,
                    window=window.name,
                ),
                spent.get(name, 0),
            )
            for name in names
        ]


def _can_be_compared(rule: Rule) -> bool:
    whole_days = rule.period in {"day", "month"} and not rule.sliding
    return rule.quantity == "usd" and whole_days and len(rule.scopes) <= 1 and _known(rule.scopes)


def _known(scopes: Iterable[tuple[Scope, str]]) -> bool:
    return all(scope in _IN_LEDGER for scope, _ in scopes)


def _window(rule: Rule, now_ns: int) -> Window:
    return window_at("month" if rule.period == "month" else "day", now_ns, sliding=False)


def _compare(proof: Proof, claim: Claim, counted: Sequence[int], spent: int) -> None:
    agreed = min(max(spent, min(counted)), max(counted))
    proof.compared += 1
    proof.one_nano_usd += spent
    proof.other_nano_usd += agreed
    if agreed != spent:
        finding = Finding(between=proof.between, what="sum", where=f"{claim.counter}, {claim.window}")
        finding.one_nano_usd, finding.other_nano_usd = spent, agreed
        proof.find(finding)


def reader(declared: CountersEntry, journal: Path, clock: Clock) -> ReadCounters:
    """Reads what ``declared`` counts in. Raises ConfigError when the extra is not installed."""
    if declared.engine == "memory":

        async def from_files(claims: Sequence[Claim]) -> list[int]:
            found = await asyncio.to_thread(lambda: list(_saved(journal / FOLDER, clock)))
            sums = [0] * len(claims)
            for counters in found:
                standings = await counters.standings(claims)
                sums = [one + each.used - each.held for one, each in zip(sums, standings, strict=True)]
            return sums

        return from_files
    shared = readable_counters(declared)

    async def from_server(claims: Sequence[Claim]) -> list[int]:
        await shared.connect()
        return [each.used - each.held for each in await shared.standings(claims)]

    return from_server


def _saved(folder: Path, clock: Clock) -> Iterator[MemoryCounters]:
    """Raises OSError."""
    for path in sorted(folder.glob("*.counts")):
        counters = MemoryCounters(clock)
        try:
            counters.load(path.read_bytes())
        except ValueError as error:
            raise OSError(f"{path} is damaged") from error
        yield counters
