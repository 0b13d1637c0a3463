"""``switchgear audit``: what its commands take."""

from dataclasses import dataclass
from typing import Annotated

import typer

from switchgear.cli.settings import ConfigOption

AsJson = Annotated[bool, typer.Option("--json", help="Print it as JSON.")]


@dataclass(frozen=True, kw_only=True)
class AuditListOptions:
    """List what was changed, newest first."""

    config: ConfigOption = None
    kind: Annotated[
        str, typer.Option(metavar="KIND", help="Only this kind of object, such as role.", show_default=False)
    ] = ""
    name: Annotated[str, typer.Option(metavar="NAME", help="Only objects of this name.", show_default=False)] = ""
    who: Annotated[str, typer.Option(metavar="NAME", help="Only what they changed.", show_default=False)] = ""
    before: Annotated[
        int | None,
        typer.Option(metavar="NUMBER", min=1, help="Only rows older than this one.", show_default=False),
    ] = None
    limit: Annotated[int, typer.Option(metavar="ROWS", min=1, max=1000, help="How many at most.")] = 50
    as_json: AsJson = False


@dataclass(frozen=True, kw_only=True)
class AuditVerifyOptions:
    """Walk the whole log and name each row that was changed, is missing or was moved; exit status 1 when one is.

    It prints where the log ends. Kept elsewhere and given to --head later, that proves that nobody has rewritten all
    of it meanwhile.
    """

    config: ConfigOption = None
    head: Annotated[
        str | None,
        typer.Option(metavar="COUNT:HASH", help="Where the log ended once, as this printed it.", show_default=False),
    ] = None
    as_json: AsJson = False
