"""Whether a change leaves everybody in agreement: the file's own checks, over the file and the database together."""

from collections.abc import Callable
from pathlib import Path

from msgspec import structs
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.app.identity.compiling import compiled
from switchgear.config import Config
from switchgear.config.effective import Effective, laid_over
from switchgear.config.feed import Feed
from switchgear.config.identity_checks import IdentityChecks
from switchgear.config.reader import Places
from switchgear.config.written import Declared, Written
from switchgear.rest.objects import Objects
from switchgear.rest.problem import Refused

_SECTIONS = ("organisations", "projects", "teams", "users", "service_accounts")


class Rules:
    """``declared`` gives the file's configuration, without the feed."""

    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self._declared = declared

    async def together(self, connection: AsyncConnection) -> Effective:
        """File and database, as they are in this transaction."""
        return _over(self._declared(), await compiled(connection, self._objects))

    async def require(self, connection: AsyncConnection, before: Effective) -> Effective:
        """The new state, once nothing in it disagrees that did not before. Raises Refused (422), which undoes it."""
        after = await self.together(connection)
        new = sorted(_problems(after) - _problems(before))
        if new:
            raise Refused(422, "invalid_object", "; ".join(new), members={"errors": [{"message": one} for one in new]})
        return after

    def require_free(self, section: str, name: str) -> None:
        """Raises Refused (409) for a name that the file owns: what stands there is changed there."""
        declared = self._declared()
        named = {key.name for key in declared.keys} if section == "keys" else getattr(declared, section, {})
        if name in named:
            raise Refused(
                409,
                "owned_by_file",
                f"{section}.{name} stands in switchgear.yaml, and is changed there",
                members={"owned_by": "file"},
            )


def _over(declared: Config, feed: Feed) -> Effective:
    return laid_over(declared, feed, Path(declared.journal.directory), None)


def _problems(config: Config) -> set[str]:
    declared = Declared(
        providers=frozenset(config.providers),
        models=frozenset(config.models).union(*(entry.aliases for entry in config.models.values())),
        faulty_keys=False,
        sections={section: frozenset(getattr(config, section)) for section in _SECTIONS},
    )
    written = Written(Places(), structs.replace(declared))
    checks = IdentityChecks(config, written)
    told = {problem.text for problem in checks.problems()}
    for key in config.keys:
        for allowed in key.models:
            problem = _model_problem(written, allowed)
            if problem:
                told.add(f"the key {key.name!r}: {problem}")
    return told


def _model_problem(written: Written, allowed: str) -> str | None:
    if "*" in allowed[:-1]:
        return f"{allowed!r}: a '*' may only stand at the end"
    return None if allowed.endswith("*") else written.unknown_model(allowed, allowed)
