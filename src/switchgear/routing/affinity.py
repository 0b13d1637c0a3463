"""Which deployment a conversation stays with, so that a provider's prompt cache is warm for its next turn.

Every gateway draws the same order of deployments for a conversation without asking anybody (rendezvous hashing with
weights: Thaler and Ravishankar 1998; Schindelhauer and Schomaker 2005). A conversation that had to move stays where it
went. A deployment that has more than its share in flight is passed over (bounded loads: Mirrokni et al. 2018).
"""

from collections import OrderedDict
from collections.abc import Sequence
from hashlib import blake2b
from math import ceil, log
from typing import Final

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Message, Text
from switchgear.kernel.errors import BadRequest
from switchgear.routing.deployment import Deployment
from switchgear.routing.policy import Affinity
from switchgear.routing.wishes import session_of

BOUND: Final = 1.25
"""Times the average load for its weight, rounded up: more than that is too much for one deployment."""
_MOST_REMEMBERED: Final = 65_536
_BITS: Final = 64


def conversation(call: Call, affinity: Affinity) -> bytes | None:
    """What all turns of one conversation have in common; None when nothing is known.

    The session that the caller names, or else the system prompt and the first message of the user.
    """
    session = session_of(call)
    if session:
        return _digest(session.encode())
    if affinity != "prompt" or call.dialect.family != "chat":
        return None
    try:
        return _digest(*_opening(call.chat().messages))
    except BadRequest:
        # What has no canonical form may still be relayed as it is.
        return None


class Bindings:
    """Conversations and the deployments they went to last; the oldest are forgotten."""

    __slots__ = ("_bound",)

    def __init__(self) -> None:
        self._bound: OrderedDict[tuple[str, bytes], str] = OrderedDict()

    def pick(self, name: str, key: bytes, candidates: Sequence[Deployment], now_ns: int) -> Deployment:
        """The deployment for a conversation of the model ``name`` among those that can take a call now."""
        bound = self._bound.get((name, key))
        most = _most_calls(candidates, now_ns)
        known = next((each for each in candidates if each.health.name == bound), None)
        if known is not None and known.health.calls(now_ns) < ceil(most * known.weight):
            return known
        ordered = sorted(candidates, key=lambda deployment: -_score(key, deployment))
        roomy = (each for each in ordered if each.health.calls(now_ns) < ceil(most * each.weight))
        return next(roomy, known or ordered[0])

    def bind(self, name: str, key: bytes, deployment: Deployment) -> None:
        """A call of the conversation succeeded there."""
        self._bound[(name, key)] = deployment.health.name
        self._bound.move_to_end((name, key))
        if len(self._bound) > _MOST_REMEMBERED:
            self._bound.popitem(last=False)


def _most_calls(candidates: Sequence[Deployment], now_ns: int) -> float:
    """At once, for each unit of weight, the call that comes included."""
    calls = sum([deployment.health.calls(now_ns) for deployment in candidates]) + 1
    return BOUND * calls / sum([deployment.weight for deployment in candidates])


def _score(key: bytes, deployment: Deployment) -> float:
    drawn = int.from_bytes(_digest(key, deployment.health.name.encode()), "big")
    return -deployment.weight / log((drawn + 0.5) / (1 << _BITS))


def _opening(messages: Sequence[Message]) -> list[bytes]:
    """The words before the first answer: they never change while a conversation grows."""
    words: list[bytes] = []
    for message in messages:
        if message.role in ("assistant", "tool"):
            break
        words += [message.role.encode(), *(part.text.encode() for part in message.parts if isinstance(part, Text))]
        if message.role == "user":
            break
    return words


def _digest(*pieces: bytes) -> bytes:
    digest = blake2b(digest_size=_BITS // 8)
    for piece in pieces:
        digest.update(b"%d:" % len(piece))
        digest.update(piece)
    return digest.digest()
