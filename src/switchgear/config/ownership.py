"""To whom a key belongs: what its entry says, and what follows from its owner, team and project."""

from typing import Protocol

from msgspec import Struct

from switchgear.config.model import Config


class Ownership(Struct, frozen=True, kw_only=True):
    """Whose a key is; empty: nobody's."""

    user: str = ""
    """A user or a service account."""
    team: str = ""
    project: str = ""
    organisation: str = ""
    disabled: bool = False
    """Whether one of them is."""


class Owned(Protocol):
    """What says to whom it belongs, as an entry under ``keys`` does."""

    @property
    def user(self) -> str | None: ...

    @property
    def service_account(self) -> str | None: ...

    @property
    def team(self) -> str | None: ...

    @property
    def project(self) -> str | None: ...

    @property
    def organisation(self) -> str | None: ...


def ownership(config: Config, key: Owned) -> Ownership:
    """What holds for ``key``; a name that is not declared leads no further."""
    user = config.users.get(key.user or "")
    account = config.service_accounts.get(key.service_account or "")
    of_user = user.teams[0] if user is not None and len(user.teams) == 1 else ""
    of_account = account.team if account is not None else ""
    team_name = key.team or of_user or of_account or ""
    team = config.teams.get(team_name)
    of_team = team.project if team is not None else ""
    project_name = key.project or of_team or (account.project if account is not None else "") or ""
    project = config.projects.get(project_name)
    organisation_name = key.organisation or (project.organisation if project is not None else "") or ""
    organisation = config.organisations.get(organisation_name)
    above = (user, account, team, project, organisation)
    return Ownership(
        user=key.user or key.service_account or "",
        team=team_name,
        project=project_name,
        organisation=organisation_name,
        disabled=any(one is not None and one.disabled for one in above),
    )
