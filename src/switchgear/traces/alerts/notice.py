"""What a receiver is told, and the small port that every way of telling fits."""

from datetime import datetime
from typing import Literal, Protocol

from msgspec import Struct

from switchgear.rest.written import moment
from switchgear.traces.alerts.machine import Event
from switchgear.traces.alerts.rule import Severity

Told = Event | Literal["test"]


class Notice(Struct, frozen=True, kw_only=True):
    """Something that is told of one alert, whole in itself: nobody need look anything up."""

    id: str
    """The same in each try, so that who was told twice can know it."""
    event: Told
    rule: str
    labels: str = ""
    project: str = ""
    severity: Severity = "warning"
    condition: str = ""
    description: str = ""
    value: float | None = None
    detail: str = ""
    episode: str = ""
    """The same in all notices of one firing."""
    since: str = ""
    at: str = ""

    @property
    def moment(self) -> datetime:
        """When it is told of."""
        return datetime.fromisoformat(self.at)

    @property
    def is_over(self) -> bool:
        """Whether it ends what was told before."""
        return self.event in ("recovered", "lapsed", "withdrawn")

    @property
    def subject(self) -> str:
        """One line."""
        about = f"{self.rule} ({self.labels})" if self.labels else self.rule
        where = f" in {self.project}" if self.project else ""
        return f"[{self.event}] {about}{where}"

    @property
    def lines(self) -> list[str]:
        """All of it, in words."""
        said = [f"condition: {self.condition}"] if self.condition else []
        if self.value is not None:
            said.append(f"value: {self.value:.6g}")
        if self.detail:
            said.append(f"found: {self.detail}")
        if self.event == "lapsed":
            said.append("nothing has been known of it for too long; it is not known to be over")
        if self.event == "withdrawn":
            said.append("its rule is gone or was changed; it is not known to be over")
        said += [f"severity: {self.severity}", f"since: {self.since}", f"at: {self.at}"]
        return [self.description, *said] if self.description else said


def trial(name: str, rule: str, at_ns: int) -> Notice:
    """What a receiver is told to try it."""
    at = moment(at_ns)
    return Notice(
        id=name,
        event="test",
        rule=rule,
        severity="info",
        description="A test of this receiver: nothing is wrong.",
        episode=f"test-{name}",
        since=at,
        at=at,
    )


class Outcome(Struct, frozen=True, kw_only=True):
    """What became of one try."""

    sent: bool
    status: int = 0
    """Of the answer, where there was one."""
    error: str = ""
    """Without any secret."""
    again: bool = True
    """Whether another try may help."""
    after_seconds: float | None = None
    """How long the receiver wants to be left alone."""


class Deliver(Protocol):
    """Tells one receiver; what goes wrong is an outcome, not an exception."""

    async def __call__(self, notice: Notice) -> Outcome:
        """Told means that the receiver said so."""
        ...
