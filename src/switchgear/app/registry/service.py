"""Models that are changed at run time: put, moved from stage to stage, brought back to what they were.

A model is an entry of ``models``, its card included. Every version is kept; a change that would leave the models in
disagreement, or skip a stage, is refused before it is committed.
"""

import asyncio
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from msgspec import DecodeError, Struct, ValidationError, json, structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.registry.agreement import Disagreement, disagreements
from switchgear.config import Config
from switchgear.config.routing import ModelEntry
from switchgear.kernel.clock import Clock
from switchgear.models.card import MOVES, ModelCard, Stage, Stages
from switchgear.rest import audit
from switchgear.rest.objects import Objects, Stored, Version, Wanted
from switchgear.rest.principal import EVERYWHERE, Author
from switchgear.rest.problem import Refused, not_found

KIND: Final = "model"
_NEWEST: Final = 1 << 62
_MOST_PROBLEMS: Final = 20
_NANOSECONDS: Final = 1_000_000_000
_NEXT: Final[dict[Stage, Stage]] = {"experimental": "staging", "staging": "production"}


class Move(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a model goes, and what is announced of its end."""

    stage: Stage
    retired: str | None = None
    """The day from which on it will not be served."""
    redirect_to: str | None = None


class Registry:
    """Every method works in the transaction that it is given, and raises Refused, which undoes it.

    Those that change something take their turn first: what they read is then what they change.
    """

    def __init__(self, objects: Objects, declared: Callable[[], Config], clock: Clock) -> None:
        """``declared`` is the file's configuration."""
        self.objects = objects
        self._declared = declared
        self._clock = clock

    @property
    def of_file(self) -> dict[str, ModelEntry]:
        """The models of the file, which can be changed only there."""
        return dict(self._declared().models)

    async def all(self, connection: AsyncConnection) -> dict[str, ModelEntry]:
        """Every model, the file's first."""
        kept = await self.objects.all(connection, KIND)
        return self.of_file | {one.name: entry_of(one) for one in kept if one.name not in self.of_file}

    async def find(self, connection: AsyncConnection, name: str) -> Stored:
        """A model of the database. Raises Refused when there is none, or the file has it."""
        self._require_free(name)
        stored = await self.objects.get(connection, KIND, name)
        if stored is None:
            raise not_found(f"model {name[:200]!r} in the control database")
        return stored

    async def put(
        self, connection: AsyncConnection, name: str, entry: ModelEntry, author: Author, action: str = ""
    ) -> Stored:
        """Make a model, or replace it."""
        await audit.head(connection, to_add=True)
        self._require_free(name)
        before = await self.objects.get(connection, KIND, name)
        wanted = Wanted(kind=KIND, name=name, place=EVERYWHERE, body=json.encode(entry).decode())
        stored = await self.objects.put(connection, wanted, author, action)
        await self.check(connection, name, None if before is None else entry_of(before), entry)
        return stored

    async def delete(self, connection: AsyncConnection, name: str, author: Author) -> None:
        """Forget a model that no other one leads to; its versions stay."""
        await audit.head(connection, to_add=True)
        stored = await self.find(connection, name)
        await self.objects.delete(connection, stored, author)
        await self.check(connection, name, entry_of(stored), None)

    async def move(self, connection: AsyncConnection, name: str, move: Move, author: Author) -> Stored:
        """Bring a model to another stage, today; the day is noted on its card."""
        await audit.head(connection, to_add=True)
        entry = entry_of(await self.find(connection, name))
        card = _moved(entry.card, move, self._today())
        return await self.put(connection, name, structs.replace(entry, card=card), author, f"move to {move.stage}")

    async def promote(self, connection: AsyncConnection, name: str, author: Author) -> Stored:
        """Bring a model to the next stage, up to production."""
        await audit.head(connection, to_add=True)
        stage = entry_of(await self.find(connection, name)).card.stage
        following = _NEXT.get(stage)
        if following is None:
            raise Refused(409, "illegal_stage", f"the model {name!r} is in {stage}; there is nothing to promote it to")
        return await self.move(connection, name, Move(stage=following), author)

    async def history(self, connection: AsyncConnection, name: str, limit: int = 100) -> list[Version]:
        """The versions of a model, newest first; also of one that was deleted."""
        found = await self.objects.versions(connection, KIND, name, _NEWEST, limit)
        if not found:
            self._require_free(name)
            raise not_found(f"model {name[:200]!r} in the control database")
        return found

    async def revert(self, connection: AsyncConnection, name: str, number: int, author: Author) -> Stored:
        """Make a model what it was in an older version; also one that was deleted."""
        version = await self.objects.version(connection, KIND, name, number)
        if version is None:
            raise not_found(f"version {number} of the model {name[:200]!r}")
        if version.body is None:
            raise Refused(409, "deleted_version", f"in version {number} the model was deleted")
        return await self.put(connection, name, entry_in(version.body, f"version {number}"), author, "revert")

    async def check(
        self, connection: AsyncConnection, name: str, before: ModelEntry | None, after: ModelEntry | None
    ) -> None:
        """Raise Refused for a change, already made in the transaction, that skips a stage or breaks the agreement.

        What was wrong elsewhere before, because the file has changed since, stands in nobody's way.
        """
        if before is not None and after is not None:
            _check_move(before.card.stage, after.card.stage)
        models = self._of_today(await self.all(connection))
        # Reading them takes milliseconds for each hundred, and nobody else should wait for that.
        problems = await asyncio.to_thread(disagreements, self._declared(), models)
        if problems:
            others = {each: entry for each, entry in models.items() if each != name}
            earlier = others if before is None else self._of_today({**others, name: before})
            known = {one.fact for one in await asyncio.to_thread(disagreements, self._declared(), earlier)}
            problems = [one for one in problems if one.model == name or one.fact not in known]
        if problems:
            raise _disagreement(problems[:_MOST_PROBLEMS])

    def _of_today(self, models: dict[str, ModelEntry]) -> dict[str, ModelEntry]:
        """``models``, with those retired whose announced day has come."""
        now_ns = self._clock.wall_ns()
        return {name: _retired_by(entry, now_ns) for name, entry in models.items()}

    def _require_free(self, name: str) -> None:
        if name in self.of_file:
            text = f"the model {name!r} is declared in the configuration file, and can be changed only there"
            raise Refused(409, "owned_by_file", text, members={"source": "file"})

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock.wall_ns() / _NANOSECONDS, UTC).date().isoformat()


def entry_of(stored: Stored) -> ModelEntry:
    """A model as it is kept. Raises Refused for one that this version cannot read."""
    return entry_in(stored.body, f"the model {stored.name!r} in the control database")


def entry_in(body: str, what: str) -> ModelEntry:
    """The model in a body that was kept; ``what`` names it in the error. Raises Refused."""
    try:
        return json.decode(body, type=ModelEntry)
    except (DecodeError, ValidationError) as error:
        raise Refused(409, "outdated_version", f"{what} is not of this version of the program: {error}") from None


def _disagreement(problems: Sequence[Disagreement]) -> Refused:
    told = (f"in {one.model!r}: {one.text}" if one.model else one.text for one in problems)
    errors = [{"message": one.text, "model": one.model or None} for one in problems]
    return Refused(422, "disagreement", f"the models would not agree: {'; '.join(told)}", members={"errors": errors})


def _retired_by(entry: ModelEntry, wall_ns: int) -> ModelEntry:
    try:
        stage = entry.card.stage_at(wall_ns)
    except ValueError:  # a day of no calendar, which the checks tell
        return entry
    if stage != "retired":
        return entry
    return structs.replace(entry, card=structs.replace(entry.card, stage="retired"))


def _check_move(before: Stage, after: Stage) -> None:
    if after != before and after not in MOVES[before]:
        allowed = " or ".join(MOVES[before])
        raise Refused(409, "illegal_stage", f"a model goes from {before} to {allowed}, and not to {after} at once")


def _moved(card: ModelCard, move: Move, today: str) -> ModelCard:
    """The card with the new stage and its day; of the stages behind it only an announced end is kept."""
    _check_move(card.stage, move.stage)
    order = Stages.__struct_fields__
    passed = order[: order.index(move.stage)]
    dates = {stage: getattr(card.dates, stage) for stage in passed} | {move.stage: today}
    if move.stage == "deprecated":
        announced = None if card.stage == "retired" else card.dates.retired
        dates["retired"] = move.retired or announced
    return structs.replace(
        card, stage=move.stage, dates=Stages(**dates), redirect_to=move.redirect_to or card.redirect_to
    )
