"""The Authenticate stage: a virtual key becomes a caller, or the call ends with 401."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qs

from switchgear.auth.address import client_address, is_within, names_this_machine
from switchgear.auth.model import KeyRing, VirtualKey
from switchgear.kernel.call import Call, Caller, Snapshot, model_allowed
from switchgear.kernel.errors import Forbidden, Unauthenticated
from switchgear.kernel.pipeline import Next, Stage
from switchgear.kernel.reply import Reply

_NOBODY: Final = (VirtualKey(name="", digest=bytes(32), disabled=True), Caller(key=""))
"""Compared against when no key has the digest, so that the answer takes as long."""
ANONYMOUS: Final = Caller(key="anonymous")
_OF_GATEWAYS: Final = (b"helicone-auth", b"x-portkey-api-key", b"x-litellm-api-key")
"""Where other gateways' clients put the gateway's key; the vendor's is then in ``Authorization``, and goes nowhere."""
_KEY_HEADERS: Final = (b"x-api-key", b"api-key", b"x-goog-api-key")
_KEY_PROTOCOL: Final = b"openai-insecure-api-key."
"""Before a key among a WebSocket's subprotocols: browsers cannot send it in another way."""
_MANAGED: Final = b"sk-sg-"
_LOOKUP: Final = slice(6, 18)
_DASH: Final = slice(18, 19)
"""Where ``key_text`` has what, in keys that the control database keeps."""
_REFUSAL: Final = (
    "No valid virtual key was given. Send one as 'Authorization: Bearer KEY', 'x-api-key: KEY' or "
    "'x-goog-api-key: KEY'; "
    "`switchgear keys create` makes one, or declare it under 'keys' in switchgear.yaml."
)
_FROM_ELSEWHERE: Final = (
    f"Without a key this gateway answers its own machine alone, asked as localhost, 127.0.0.1 or [::1]. {_REFUSAL}"
)


class Authenticate:
    """Finds the caller by the key in ``Authorization``, ``x-api-key``, ``api-key`` or ``x-goog-api-key``.

    A key in the query (``?key=``), as Google's examples show it, counts when no header has one.

    Before those, in the header that a client of Helicone, Portkey or LiteLLM has for its gateway's key.

    Raises Unauthenticated, or Forbidden when the key may not use the model or the door, or not from there.
    """

    __slots__ = ()

    async def __call__(self, call: Call, next: Next) -> Reply:
        ring = call.snapshot.part(KeyRing)
        key, caller = _find(ring, _presented_key(call.headers, call.query), call.started_wall_ns)
        if caller is None:
            caller = _anonymous(ring, call.headers, loopback=call.loopback)
        elif key.ip_ranges or key.doors:
            _require_place(call, key, ring)
        if caller.models and call.head.model and not model_allowed(caller.models, call.head.model):
            raise Forbidden(f"key {caller.key!r} may not use model {call.head.model[:200]!r}", param="model")
        call.caller = caller
        return await next(call)


def require_key(snapshot: Snapshot, headers: Mapping[bytes, bytes], query: str, now_ns: int, *, loopback: bool) -> None:
    """Raise Unauthenticated for a request of a stranger, by its head alone: its body need not be taken then."""
    ring = snapshot.part(KeyRing)
    if _find(ring, _presented_key(headers, query), now_ns)[1] is None:
        _anonymous(ring, headers, loopback=loopback)


def _anonymous(ring: KeyRing, headers: Mapping[bytes, bytes], *, loopback: bool) -> Caller:
    if not ring.allows_anonymous_loopback:
        raise Unauthenticated(_REFUSAL)
    if not (loopback and _from_this_machine(headers)):
        raise Unauthenticated(_FROM_ELSEWHERE)
    return ANONYMOUS


def _find(ring: KeyRing, presented: bytes, now_ns: int) -> tuple[VirtualKey, Caller | None]:
    """The key that is ``presented`` and its caller.

    No caller for a wrong, expired, disabled or missing key, all at the same cost.
    """
    digest = hashlib.sha256(presented).digest()
    key, caller = ring.callers.get(digest, _NOBODY)
    if presented[_DASH] == b"-" and presented.startswith(_MANAGED):
        # Of this form it may be one that the database keeps, or one of the file that only looks so: both are tried.
        keyed = hmac.digest(ring.hashing_key, presented, "sha256")
        managed = ring.managed.get(presented[_LOOKUP], _NOBODY)
        if hmac.compare_digest(managed[0].digest, keyed):
            key, caller = managed
            digest = keyed
    ended = key.expires_ns != 0 and now_ns >= key.expires_ns
    if hmac.compare_digest(key.digest, digest) and not key.disabled and not ended:
        return key, caller
    return key, None


def key_in(ring: KeyRing, presented: bytes, now_ns: int, address: str) -> VirtualKey | None:
    """The key that is ``presented`` from ``address`` to something else than a door; None when it may not be used."""
    key, caller = _find(ring, presented, now_ns)
    if caller is None or (key.ip_ranges and not is_within(address, key.ip_ranges)):
        return None
    return key


def _require_place(call: Call, key: VirtualKey, ring: KeyRing) -> None:
    """Raise Forbidden for a door that the key may not use, or a place that it may not be used from."""
    if key.doors and call.door not in key.doors:
        raise Forbidden(f"key {key.name!r} may not use the door {call.door!r}; it may use {', '.join(key.doors)}")
    if key.ip_ranges:
        address = client_address(call.peer, call.headers, ring.trusted_proxies)
        if not is_within(address, key.ip_ranges):
            raise Forbidden(f"key {key.name!r} may not be used from {address or 'an unknown address'}")


def _presented_key(headers: Mapping[bytes, bytes], query: str) -> bytes:
    for name in _OF_GATEWAYS:
        if presented := headers.get(name):
            scheme, _, credentials = presented.strip().rpartition(b" ")
            return credentials if scheme.strip().lower() in (b"", b"bearer") else b""
    authorization = headers.get(b"authorization")
    if authorization is not None:
        scheme, _, credentials = authorization.partition(b" ")
        if scheme.lower() == b"bearer":
            return credentials.strip()
    for name in _KEY_HEADERS:
        if presented := headers.get(name):
            return presented
    for protocol in headers.get(b"sec-websocket-protocol", b"").split(b","):
        if protocol.strip().startswith(_KEY_PROTOCOL):
            return protocol.strip()[len(_KEY_PROTOCOL) :]
    return parse_qs(query).get("key", [""])[0].encode() if "key=" in query else b""


def _from_this_machine(headers: Mapping[bytes, bytes]) -> bool:
    """Whether the request names this machine; without keys a browser on it is a way in."""
    host = headers.get(b"host", b"localhost").decode("latin-1")
    origin = headers.get(b"origin")
    return names_this_machine(host, None if origin is None else origin.decode("latin-1"))


if TYPE_CHECKING:
    _: type[Stage] = Authenticate
