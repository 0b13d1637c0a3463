"""What the connections of one server share."""

import asyncio
from collections.abc import Mapping
from typing import Protocol, TypeVar

from switchgear.doors.bounds import Bounds, Room
from switchgear.doors.gateway import Gateway
from switchgear.doors.turns import Turns
from switchgear.kernel.outbox import Outbox

Member_contra = TypeVar("Member_contra", contravariant=True)


class Hub(Protocol[Member_contra]):
    """What the connections of a server share."""

    loop: asyncio.AbstractEventLoop
    gateway: Gateway
    bounds: Bounds
    room: Room
    turns: Turns
    outbox: Outbox
    status_lines: Mapping[int, bytes]
    draining: bool

    def opened(self, connection: Member_contra) -> None: ...

    def closed(self, connection: Member_contra) -> None: ...

    def failed(self, error: Exception) -> None: ...
