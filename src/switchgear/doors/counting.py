"""Counting tokens for a door, whatever the provider can."""

from switchgear.kernel.call import Call
from switchgear.kernel.chat import Completion, Usage
from switchgear.kernel.errors import NotOffered
from switchgear.kernel.estimate import estimate_tokens
from switchgear.kernel.pipeline import Next
from switchgear.kernel.reply import Reply


class CountTokens:
    """Counts at the provider when it can; elsewhere estimates, and says so in ``x-switchgear-estimated``."""

    __slots__ = ("_route",)

    def __init__(self, route: Next) -> None:
        self._route = route

    async def __call__(self, call: Call) -> Reply:
        try:
            return await self._route(call)
        except NotOffered:
            call.chat()
            usage = Usage(input=estimate_tokens(len(call.body)), estimated=True)
            body = call.dialect.write_reply(Completion(id="", model="", usage=usage))
            return Reply(200, [(b"x-switchgear-estimated", b"true")], body)
