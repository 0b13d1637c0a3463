"""The generated parts of the page on the management API: its routes, its roles."""

from pathlib import Path

from switchgear.app.database import open_database
from switchgear.app.identity.service import identity
from switchgear.app.listing import Routes
from switchgear.app.management import Management, Sources, routes
from switchgear.auth.directory import Directory
from switchgear.auth.master_key import read_master_keys
from switchgear.auth.roles import BUILT_IN
from switchgear.config import Config
from switchgear.engines.sqlite_spans.store import SqliteSpans
from switchgear.kernel.clock import FrozenClock
from switchgear.kernel.ids import Ids
from switchgear.kernel.record import CallRecord
from switchgear.rest.openapi import listed
from switchgear.traces.import_api import Imports, as_it_is
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser


def routes_table() -> str:
    """Every route with the permission that it needs; nothing is connected to find them."""
    lines = ["| route | permission | what it does |", "|---|---|---|"]
    for method, path, permission, summary in listed(routes(_sources(), _management())):
        lines.append(f"| `{method} {path}` | `{permission}` | {summary} |")
    return "\n".join(lines)


def roles_table() -> str:
    """The roles that are built in."""
    lines = ["| role | what it may do |", "|---|---|"]
    lines += [f"| `{name}` | {role.description} |" for name, role in BUILT_IN.items()]
    return "\n".join(lines)


def _sources() -> Sources:
    store = SqliteSpans(Path())  # never opened: only the routes are looked at
    return Sources(
        version="",
        models=list,
        metrics=str,
        newest=_no_calls,
        routes=lambda: Routes(models=[]),
        spans=store,
        imports=Imports(importing=Ingest(store, Normaliser(), as_it_is, FrozenClock())),
    )


def _no_calls(limit: int) -> list[CallRecord]:
    return []


def _management() -> Management:
    config, clock = Config(), FrozenClock()
    database = open_database(config.control)
    people = identity(database, lambda: config, read_master_keys({}), clock)
    return Management(
        database=database,
        identity=people,
        directory=Directory(people.objects),
        clock=clock,
        ids=Ids(clock, lambda _: 0),
        declared=lambda: config,
        file="switchgear.yaml",
    )
