"""Everything of identity that works on the control database, put together once for a process or a command."""

from collections.abc import Callable

from msgspec import Struct

from switchgear.app.database import ControlDatabase
from switchgear.app.identity.compiling import Compiler
from switchgear.app.identity.keys import Keys
from switchgear.app.identity.rules import Rules
from switchgear.app.identity.secrets import Secrets
from switchgear.auth.master_key import MasterKeys
from switchgear.auth.sealing import Sealer
from switchgear.config import Config
from switchgear.kernel.clock import Clock
from switchgear.kernel.ids import secret_hex
from switchgear.rest.objects import Objects


class Identity(Struct, frozen=True, kw_only=True):
    """The services, and what they stand on."""

    objects: Objects
    rules: Rules
    sealer: Sealer
    keys: Keys
    secrets: Secrets
    compiler: Compiler


def identity(
    database: ControlDatabase, declared: Callable[[], Config], master_keys: MasterKeys, clock: Clock
) -> Identity:
    """The services over ``database``; ``declared`` gives the file's configuration, without the feed."""
    objects, sealer = Objects(clock), Sealer(master_keys)
    rules = Rules(objects, declared)
    return Identity(
        objects=objects,
        rules=rules,
        sealer=sealer,
        keys=Keys(objects, rules, sealer, clock, secret_hex),
        secrets=Secrets(objects, sealer),
        compiler=Compiler(database, objects),
    )
