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
from switchgear.rest.resource import Proposal

_SECTIONS = ("organisations", "projects", "teams", "users", "service_accounts")


class Rules:
    """``declared`` gives the file's configuration, without the feed."""

    def __init__(self, objects: Objects, declared: Callable[[], Config]) -> None:
        self._objects = objects
        self.declared = declared

    async def together(self, connection: AsyncConnection) -> Effective:
        """File and database, as they are in this transaction."""
        return _over(self.declared(), await compiled(connection, self._objects))

    async def require(self, connection: AsyncConnection, before: Effective) -> Effective:
        """The new state, once nothing in it disagrees that did not before. Raises Refused (422), which undoes it."""
        after = await self.together(connection)
        _compare(before, after)
        return after

    async def require_of(self, connection: AsyncConnection, section: str, proposal: Proposal) -> None:
        """The same for one entry of a section, which was changed already. Raises Refused."""
        after = await self.together(connection)
        entries = dict(getattr(after, section))
        entries.pop(proposal.name, None)
        if proposal.before is not None:
            entries[proposal.name] = proposal.before
        _compare(structs.replace(after, **{section: entries}), after)

    def require_free(self, section: str, name: str) -> None:
        """Raises Refused (409) for a name that the file owns: what stands there is changed there."""
        declared = self.declared()
        named = {key.name for key in declared.keys} if section == "keys" else getattr(declared, section, {})
        if name in named:
            raise Refused(
                409,
                "owned_by_file",
                f"{section}.{name} stands in switchgear.yaml, and is changed there",
                members={"owned_by": "file"},
            )


class AgreementCheck:
    """The check of a resource whose objects are the entries of ``section``."""

    def __init__(self, rules: Rules, section: str) -> None:
        self._rules = rules
        self._section = section

    async def __call__(self, connection: AsyncConnection, proposal: Proposal) -> None:
        """Raises Refused."""
        await self._rules.require_of(connection, self._section, proposal)


def _compare(before: Config, after: Config) -> None:
    new = sorted(_problems(after) - _problems(before))
    if new:
        raise Refused(422, "disagreement", "; ".join(new), members={"errors": [{"message": one} for one in new]})


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
