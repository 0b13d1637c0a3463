"""Routes of the management API: whether what users send has changed, for whoever may ask it of their project."""

from typing import Final

from switchgear.kernel.errors import Overloaded
from switchgear.rest.principal import Place
from switchgear.rest.route import Answer, Asked, Route
from switchgear.traces.drift.checking import Checks
from switchgear.traces.drift.report import Question, Report

RUN: Final = "drift:run"
_RETRY_SECONDS: Final = 5.0


def drift_routes(checks: Checks) -> tuple[Route, ...]:
    """All of them."""

    async def check(asked: Asked) -> Answer:
        question = asked.body_as(Question)
        asked.allow(Place(project=question.project), f"project {question.project!r}")
        try:
            return Answer(body=await checks.check(question))
        except OSError as error:
            text = f"the store of spans does not answer: {error}"
            raise Overloaded(text, retry_after_seconds=_RETRY_SECONDS) from error

    return (
        Route(
            method="POST",
            path="/drift",
            permission=RUN,
            summary="Check now whether what users send has changed: the last hours against the days before.",
            handler=check,
            body=Question,
            answer=Report,
            by_place=True,
            refuses=(503,),
            needs_database=False,
        ),
    )
