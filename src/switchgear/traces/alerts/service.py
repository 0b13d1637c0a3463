"""What people do with alerts: silence them, hear them again, try a receiver, have something told once more.

All of it is in the audit log. Methods work in the transaction that they are given, and raise Refused.
"""

from collections.abc import Callable, Collection
from typing import Final

from msgspec import Struct, json
from sqlalchemy.ext.asyncio import AsyncConnection

from switchgear.kernel.ids import Ids
from switchgear.rest import audit
from switchgear.rest.principal import Author
from switchgear.rest.problem import Refused, not_found
from switchgear.traces.alerts import store
from switchgear.traces.alerts.notice import trial
from switchgear.traces.alerts.shown import shown_silence
from switchgear.traces.alerts.store import KeptNotice, Silence, Try

_KIND: Final = "alert"


class Wish(Struct, frozen=True, kw_only=True):
    """What somebody wants to hear nothing of, and until when."""

    until_ns: int
    why: str
    rule: str = ""
    labels: str = ""
    project: str = ""


class Alerts:
    """``receivers`` names those that are declared."""

    def __init__(self, ids: Ids, now_ns: Callable[[], int], receivers: Callable[[], Collection[str]]) -> None:
        self._ids = ids
        self.now_ns = now_ns
        self._receivers = receivers

    async def silence(self, connection: AsyncConnection, wish: Wish, author: Author) -> Silence:
        """Keep alerts quiet for a time."""
        now_ns = self.now_ns()
        if wish.until_ns <= now_ns:
            raise Refused(422, "silence_in_the_past", "the silence would be over before it begins")
        made = Silence(
            id=self._ids.new(),
            project=wish.project,
            rule=wish.rule,
            labels=wish.labels,
            why=wish.why,
            made_by=author.name.replace("\0", ""),
            made_ns=now_ns,
            until_ns=wish.until_ns,
        )
        await audit.head(connection, to_add=True)
        await store.add_silence(connection, made)
        await self._tell(connection, author, "silence", made.id, made.project, shown_silence(made, now_ns))
        return made

    async def end_silence(self, connection: AsyncConnection, silence: Silence, author: Author) -> Silence:
        """Let alerts be heard again before the time."""
        now_ns = self.now_ns()
        await audit.head(connection, to_add=True)
        current = await store.find_silence(connection, silence.id)
        if current is None or not current.is_in_force(now_ns):
            raise Refused(409, "silence_over", f"the silence {silence.id} is over already")
        await store.end_silence(connection, silence.id, author.name.replace("\0", ""), now_ns)
        await self._tell(connection, author, "unsilence", silence.id, silence.project, None)
        ended = await store.find_silence(connection, silence.id)
        assert ended is not None, "it was there a moment ago"
        return ended

    async def test(self, connection: AsyncConnection, receiver: str, author: Author) -> KeptNotice:
        """Have a receiver told that nothing is wrong."""
        if receiver not in self._receivers():
            raise not_found(f"receiver {receiver[:100]!r}: alerts.receivers of the configuration declares them")
        await audit.head(connection, to_add=True)
        now_ns = self.now_ns()
        notice = trial(self._ids.new(), receiver, now_ns)
        await store.add_notice(connection, notice, receiver, now_ns)
        await self._tell(connection, author, "test", receiver, "", None)
        return await self._kept(connection, notice.id)

    async def replay(self, connection: AsyncConnection, kept: KeptNotice, author: Author) -> KeptNotice:
        """Have something told once more, under the same id, whatever became of it."""
        await audit.head(connection, to_add=True)
        current = await self._kept(connection, kept.id)
        if current.state == "waiting":
            raise Refused(409, "notice_waiting", f"the notice {kept.id} is not told yet; it is tried again by itself")
        now_ns = self.now_ns()
        number = current.tries + 1
        again = Try(notice=kept.id, number=number, at_ns=now_ns, outcome="replay", status=0, error="")
        await store.add_try(connection, again)
        await store.change_notice(
            connection, kept.id, state="waiting", tries=number, next_ns=now_ns, ended_ns=0, replayed=number
        )
        await self._tell(connection, author, "replay", kept.id, kept.project, None)
        return await self._kept(connection, kept.id)

    @staticmethod
    async def _kept(connection: AsyncConnection, name: str) -> KeptNotice:
        found = await store.find_notice(connection, name)
        assert found is not None, "it was there a moment ago"
        return found

    async def _tell(
        self, connection: AsyncConnection, author: Author, action: str, name: str, project: str, after: Struct | None
    ) -> None:
        change = audit.Change(
            action=action,
            kind=_KIND,
            name=name,
            project=project,
            after=None if after is None else json.encode(after).decode(),
        )
        await audit.record(connection, author, change, self.now_ns())
