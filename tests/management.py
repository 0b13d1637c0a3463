"""The management API as a test calls it: the whole application of the control process, without a socket."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

import httpx
from fastapi import FastAPI

from switchgear.app.control import control
from switchgear.app.database import ControlDatabase
from switchgear.app.identity.service import identity
from switchgear.app.listing import Routes
from switchgear.app.management import Management, Sources
from switchgear.auth.directory import Directory
from switchgear.auth.master_key import MasterKeys, read_master_keys
from switchgear.config import Config
from switchgear.kernel.clock import Clock, FrozenClock
from switchgear.kernel.ids import Ids
from switchgear.kernel.record import CallRecord
from switchgear.rest.principal import Asker, Principal
from switchgear.traces.import_api import Imports, as_it_is
from switchgear.traces.ingest import Ingest
from switchgear.traces.normaliser import Normaliser
from tests.memory_spans import MemorySpans

BASE_URL = "http://localhost"
AS = "x-as"
"""The header in which a test says who it is: `user:ada`."""
FILE = "switchgear.yaml"


class Counting:
    """Ids that are told from each other, and are the same in every run."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, bits: int) -> int:
        self._next += 1
        return self._next


def no_calls(limit: int) -> list[CallRecord]:
    return []


SPANS = MemorySpans()
SOURCES = Sources(
    version="1.2.3",
    models=list,
    metrics=str,
    newest=no_calls,
    routes=lambda: Routes(models=[]),
    spans=SPANS,
    imports=Imports(importing=Ingest(SPANS, Normaliser(), as_it_is, FrozenClock())),
)


def master_keys() -> MasterKeys:
    return read_master_keys({})


def management(database: ControlDatabase, declared: Config | None = None, clock: Clock | None = None) -> Management:
    """What the control process has, with callers who say in a header who they are."""
    file = Config() if declared is None else declared
    clock = FrozenClock() if clock is None else clock
    people = identity(database, lambda: file, master_keys(), clock)
    directory = Directory(people.objects)

    async def by_header(asker: Asker) -> Principal | None:
        said = asker.headers.get(AS)
        if said is None:
            return None
        kind, _, name = said.partition(":")
        async with database.read() as connection:
            return await directory.member(connection, kind, name)

    return Management(
        database=database,
        identity=people,
        directory=directory,
        clock=clock,
        ids=Ids(clock, Counting()),
        declared=lambda: file,
        file=FILE,
        resolvers=(by_header,),
    )


def application(database: ControlDatabase, declared: Config | None = None) -> FastAPI:
    """The whole application."""
    return control(SOURCES, management(database, declared))


@asynccontextmanager
async def client(
    app: FastAPI, address: str = "127.0.0.1", base_url: str = BASE_URL
) -> AsyncGenerator[httpx.AsyncClient]:
    """Calls ``app`` from ``address``; defects are answered as in a server, not raised."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 50_000))
    async with httpx.AsyncClient(transport=transport, base_url=f"{base_url}/api/v1") as made:
        yield made


async def bind(api: httpx.AsyncClient, name: str, subject: str, role: str, **place: str) -> None:
    """Give somebody a role, as the operator."""
    spec = {"subject": subject, "role": role, **place}
    answer = await api.post("/bindings", json={"name": name, "spec": spec})
    assert answer.status_code == 201, answer.text


def as_(subject: str) -> Mapping[str, str]:
    return {AS: subject}
