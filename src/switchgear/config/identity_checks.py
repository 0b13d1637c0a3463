"""Whether organisations, projects, teams, owners and keys agree with each other."""

from collections.abc import Iterator
from ipaddress import ip_network
from typing import Final

from msgspec import Struct

from switchgear.config.document import problem_at
from switchgear.config.identity import Key, ServiceAccountEntry, moment_ns
from switchgear.config.model import Config
from switchgear.config.ownership import ownership
from switchgear.config.problems import Problem, shown, suggestion
from switchgear.config.written import Written

_SECTIONS: Final = {
    "user": "users",
    "service_account": "service_accounts",
    "team": "teams",
    "teams": "teams",
    "project": "projects",
    "organisation": "organisations",
}
"""Where the name in a field is declared."""
_IN_WORDS: Final = {"service_account": "service account"}


class IdentityChecks:
    """Finds every disagreement among those who call."""

    def __init__(self, config: Config, written: Written) -> None:
        self._config = config
        self._written = written

    def problems(self) -> Iterator[Problem]:
        """All problems, in no particular order."""
        config = self._config
        for project in config.projects.values():
            yield from self._known(project, "organisation", project.organisation)
        for team in config.teams.values():
            yield from self._known(team, "project", team.project)
        for user in config.users.values():
            if self._written.node(user, "teams") is None:
                problems = (self._unknown("teams", name, name) for name in user.teams)
                yield from (Problem(0, 0, problem) for problem in problems if problem)
            for name, item in self._written.items(user, "teams", user.teams):
                problem = self._unknown("teams", name, str(item.value))
                if problem:
                    yield problem_at(item, problem)
        for name, account in config.service_accounts.items():
            yield from self._account(name, account)
        for key in config.keys:
            yield from self._key(key)
        yield from self._ranges(config.server, "trusted_proxies", config.server.trusted_proxies)

    def _account(self, name: str, account: ServiceAccountEntry) -> Iterator[Problem]:
        if name in self._config.users:
            text = f"{shown(name)} is a user already; one name is one owner in every record and bill"
            yield self._written.at(account, "", text)
        yield from self._known(account, "team", account.team)
        yield from self._known(account, "project", account.project)
        team = self._config.teams.get(account.team or "")
        if team is not None and team.project and account.project not in (None, team.project):
            text = f"the team {shown(account.team or '')} is in the project {shown(team.project)}; leave this out"
            yield self._written.at(account, "project", text)

    def _key(self, key: Key) -> Iterator[Problem]:
        for field in ("user", "service_account", "team", "project", "organisation"):
            yield from self._known(key, field, getattr(key, field))
        if key.user and key.service_account:
            text = "a key belongs to a user or to a service account, not to both; take one of them out"
            yield self._written.at(key, "service_account", text)
        yield from self._team_of_key(key)
        yield from self._project_of_key(key)
        yield from self._organisation_of_key(key)
        yield from self._ranges(key, "ip_ranges", key.ip_ranges)
        if key.expires_at is not None:
            yield from self._moment(key, "expires_at", key.expires_at)

    def _team_of_key(self, key: Key) -> Iterator[Problem]:
        user = self._config.users.get(key.user or "")
        account = self._config.service_accounts.get(key.service_account or "")
        if user is not None and key.team is None and len(user.teams) > 1:
            text = f"the user {shown(key.user or '')} is in several teams; say with 'team' which the key is for"
            yield self._written.at(key, "user", text)
        if user is not None and key.team is not None and key.team not in user.teams:
            text = f"the user {shown(key.user or '')} is not in the team {shown(key.team)}{suggestion('', user.teams)}"
            yield self._written.at(key, "team", text)
        if account is not None and account.team and key.team not in (None, account.team):
            text = f"the service account {shown(key.service_account or '')} is of the team {shown(account.team)}"
            yield self._written.at(key, "team", f"{text}; leave this out")

    def _project_of_key(self, key: Key) -> Iterator[Problem]:
        account = self._config.service_accounts.get(key.service_account or "")
        team_name = ownership(self._config, key).team
        team = self._config.teams.get(team_name)
        follows = (team.project if team is not None else None) or (account.project if account is not None else None)
        if follows and key.project not in (None, follows):
            whose = f"the team {shown(team_name)}" if team_name else f"its owner {shown(key.service_account or '')}"
            text = f"{whose} is in the project {shown(follows)}, not in {shown(key.project or '')}"
            yield self._written.at(key, "project", text)

    def _organisation_of_key(self, key: Key) -> Iterator[Problem]:
        name = ownership(self._config, key).project
        project = self._config.projects.get(name)
        if project is not None and project.organisation and key.organisation not in (None, project.organisation):
            text = f"the project {shown(name)} is of the organisation {shown(project.organisation)}"
            yield self._written.at(key, "organisation", f"{text}; leave this out")

    def _known(self, made: Struct, field: str, name: str | None) -> Iterator[Problem]:
        if name:
            problem = self._unknown(field, name, self._written.value(made, field, name))
            if problem:
                yield self._written.at(made, field, problem)

    def _unknown(self, field: str, name: str, written: str) -> str | None:
        declared = self._written.declared.sections[_SECTIONS[field]]
        if name in declared:
            return None
        what = _IN_WORDS.get(field, field.removesuffix("s"))
        return f"unknown {what} {shown(written)}{suggestion(written, declared)}"

    def _ranges(self, made: Struct, field: str, ranges: tuple[str, ...]) -> Iterator[Problem]:
        if self._written.node(made, field) is None:
            problems = ((text, _range_problem(text)) for text in ranges)
            yield from (Problem(0, 0, f"{shown(text)} {problem}") for text, problem in problems if problem)
        for text, item in self._written.items(made, field, ranges):
            problem = _range_problem(text)
            if problem:
                yield problem_at(item, f"{shown(str(item.value))} {problem}")

    def _moment(self, made: Struct, field: str, text: str) -> Iterator[Problem]:
        try:
            moment_ns(text)
        except (ValueError, OverflowError, OSError) as error:
            why = str(error) if "offset" in str(error) else "write 2027-01-31T18:00:00Z, or a day"
            yield self._written.at(made, field, f"{shown(self._written.value(made, field, text))} is no moment: {why}")


def _range_problem(text: str) -> str | None:
    """What is wrong with a range of addresses."""
    try:
        ip_network(text)
    except ValueError:
        try:
            meant = ip_network(text, strict=False)
        except ValueError:
            return "is no address or range of addresses; write 203.0.113.7, 10.0.0.0/8 or 2001:db8::/32"
        return f"names a single address and the size of a range; did you mean {str(meant)!r}?"
    return None
