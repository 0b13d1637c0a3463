"""Whatever fails, and in whatever order: in the end every call is counted once, and nothing is held."""

from itertools import count

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec import Struct, structs

from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import seeded_bits
from switchgear.kernel.ports import Claim
from switchgear.testing.counters_contract import at_once, claim
from tests.engines.test_patient_counters import Elsewhere, Prompt

LIMIT = 10**12
TTL_SECONDS = 600.0


class Step(Struct, frozen=True):
    what: str
    call: int
    amount: int


class Course:
    """Calls through patient counters, and what they should have come to."""

    def __init__(self) -> None:
        self.clock = FrozenClock()
        self.elsewhere = Elsewhere(self.clock)
        self.counters = Prompt(self.elsewhere, "g1", self.clock, seeded_bits())
        self.names = count()
        self.open: dict[int, str] = {}
        self.expected = 0

    def claims(self, amount: int) -> tuple[Claim, ...]:
        shared = structs.replace(claim("shared", amount, LIMIT), when_unreachable="local_share")
        return (claim("open", amount, LIMIT), shared, at_once(limit=LIMIT))

    async def take(self, step: Step) -> None:
        if step.what == "begin" and step.call not in self.open:
            self.open[step.call] = f"call {next(self.names)}"
        if step.what in {"begin", "grow"} and step.call in self.open:
            standings = await self.counters.reserve(self.open[step.call], self.claims(step.amount), TTL_SECONDS)
            assert all(each.fits for each in standings)
        elif step.what == "end" and step.call in self.open:
            await self.counters.settle(self.open.pop(step.call), self.claims(0), (step.amount, step.amount, 0))
            self.expected += step.amount
        elif step.what == "void" and step.call in self.open:
            await self.counters.settle(self.open.pop(step.call))
        elif step.what == "entry":
            await self.counters.count(f"entry {next(self.names)}", self.claims(step.amount))
            self.expected += step.amount
        elif step.what in {"cut", "deaf", "slow"}:
            setattr(self.elsewhere, step.what, bool(step.amount % 2))
        elif step.what == "round":
            await self.counters._return()
        elif step.what == "time":
            self.clock.advance(TTL_SECONDS)

    async def finish(self) -> list[int]:
        """Everything works again, and every call ends."""
        self.elsewhere.cut = self.elsewhere.deaf = self.elsewhere.slow = False
        for call in list(self.open):
            await self.take(Step("end", call, 1))
        for _ in range(3):
            await self.counters._return()
        assert self.counters.owed == 0
        return [each.used for each in await self.elsewhere.standings(self.claims(0))]


steps = st.builds(
    Step,
    what=st.sampled_from(
        ["begin", "begin", "begin", "grow", "end", "end", "void", "entry", "cut", "deaf", "slow", "round", "time"]
    ),
    call=st.integers(0, 3),
    amount=st.integers(0, 9),
)


@settings(max_examples=400, deadline=None)
@given(course=st.lists(steps, max_size=30))
async def test_any_course_of_failures_counts_every_call_once(course: list[Step]) -> None:
    made = Course()
    await made.counters.start()
    for step in course:
        await made.take(step)
    assert await made.finish() == [made.expected, made.expected, 0]
