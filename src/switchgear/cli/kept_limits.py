"""The work of ``switchgear limits put``, ``history``, ``revert`` and ``delete``: limits of the control database."""

from typing import Final

from switchgear.app.limit_objects import kept_limits
from switchgear.cli.kept import KeptCommands
from switchgear.cli.limit_options import DeleteLimitOptions, LimitHistoryOptions, PutLimitOptions, RevertLimitOptions
from switchgear.config.limits import LimitEntry

_COMMANDS: Final = KeptCommands("limit", LimitEntry, kept_limits)


def put(given: PutLimitOptions) -> None:
    _COMMANDS.put(given.name, given.file, given.config)


def history(given: LimitHistoryOptions) -> None:
    _COMMANDS.history(given.name, given.config, as_json=given.as_json)


def revert(given: RevertLimitOptions) -> None:
    _COMMANDS.revert(given.name, given.version, given.config)


def delete(given: DeleteLimitOptions) -> None:
    _COMMANDS.delete(given.name, given.config)
