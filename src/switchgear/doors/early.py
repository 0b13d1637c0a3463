"""Streams whose head goes out before their answer is there: nothing of this runs for any other.

As long as nothing has gone out, a failure has its own status, and another deployment can answer unseen. But proxies
cut a connection that is silent for long. So when a stream's first content takes longer than ``server.hold_seconds``,
its head goes out, and keep-alives in the client's dialect; behind them retries and fallbacks go on as before. What
fails after that is told inside the stream.
"""

from typing import TYPE_CHECKING, Final

from switchgear.doors.endpoint import Endpoint
from switchgear.kernel.errors import Internal, Overloaded, SwitchgearError
from switchgear.kernel.reply import Frame, Frames, Reply

_STREAM: Final = 200


class OnlyFailure:
    """The frames of a stream that never began."""

    __slots__ = ("_error",)

    def __init__(self, error: SwitchgearError) -> None:
        self._error = error

    def __aiter__(self) -> "OnlyFailure":
        return self

    async def __anext__(self) -> Frame:
        raise self._error

    def close(self) -> None:
        """Nothing is open."""


def unanswered() -> Reply:
    """The stream that is promised; should the gateway stop before there is an answer, its frames say so."""
    error = Overloaded("the gateway is restarting and could not wait any longer")
    return Reply(_STREAM, [], frames=OnlyFailure(error))


def behind_its_head(reply: Reply) -> Reply:
    """What goes on behind a head that is out: frames as they are; a refusal as the only failure of the stream."""
    if reply.frames is not None:
        return reply
    error = reply.error or Internal("a stream was answered whole, which cannot be told behind its head")
    return Reply(_STREAM, reply.headers, frames=OnlyFailure(error))


def failure_frame(endpoint: Endpoint, reply: Reply, error: SwitchgearError) -> bytes:
    """How a stream of ``endpoint`` whose head has gone out ends with ``error``, in its client's dialect."""
    request_id = dict(reply.headers).get(b"x-request-id", b"").decode()
    write_failure = endpoint.dialect.write_failure
    if isinstance(reply.frames, OnlyFailure):
        write_failure = endpoint.write_only_failure or write_failure
    return write_failure(error, request_id)


if TYPE_CHECKING:
    _: type[Frames] = OnlyFailure
