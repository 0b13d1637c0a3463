"""The Authenticate stage of lines of batches, which come by a private socket and show a credential of their own."""

from typing import TYPE_CHECKING

from switchgear.auth.line_credential import HEADER, verify
from switchgear.auth.model import KeyRing, VirtualKey
from switchgear.auth.stage import ANONYMOUS
from switchgear.kernel.call import Call, Caller, model_allowed
from switchgear.kernel.errors import Forbidden, Unauthenticated
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.reply import Reply

_HEADER = HEADER.encode()


class AuthenticateLine:
    """Finds the key that created the batch, as it stands now: what it may not do any more fails here.

    From where it may be used was looked at when the batch was created. Raises Unauthenticated or Forbidden.
    """

    __slots__ = ("_named", "_ring", "_secret")

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self._ring: KeyRing | None = None
        self._named: dict[str, list[tuple[VirtualKey, Caller]]] = {}

    async def __call__(self, call: Call, next: Next) -> Reply:
        credential = call.headers.get(_HEADER, b"").decode("latin-1")
        line = verify(self._secret, credential, call.started_wall_ns)
        if line is None:
            raise Unauthenticated("this socket is for lines of batches, and the request shows no credential of one")
        caller = self._caller(call, line.key)
        if caller.models and call.head.model and not model_allowed(caller.models, call.head.model):
            raise Forbidden(f"key {caller.key!r} may not use model {call.head.model[:200]!r}", param="model")
        call.caller = caller
        call.batched = True
        return await next(call)

    def _caller(self, call: Call, name: str) -> Caller:
        ring = call.snapshot.part(KeyRing)
        if name == ANONYMOUS.key and ring.allows_anonymous_loopback:
            return ANONYMOUS
        for key, caller in self._by_name(ring).get(name, ()):
            ended = key.expires_ns != 0 and call.started_wall_ns >= key.expires_ns
            if not key.disabled and not ended:
                if key.doors and call.door not in key.doors:
                    raise Forbidden(
                        f"key {name!r} may not use the door {call.door!r}; it may use {', '.join(key.doors)}"
                    )
                return caller
        raise Unauthenticated(f"the key {name!r}, which created the batch, is no longer valid")

    def _by_name(self, ring: KeyRing) -> dict[str, list[tuple[VirtualKey, Caller]]]:
        """The keys of the ring; while one is rotated there are two of its name."""
        if ring is not self._ring:
            named: dict[str, list[tuple[VirtualKey, Caller]]] = {}
            for found in (*ring.callers.values(), *ring.managed.values()):
                named.setdefault(found[0].name, []).append(found)
            self._ring, self._named = ring, named
        return self._named


if TYPE_CHECKING:
    _: type[Stage] = AuthenticateLine
