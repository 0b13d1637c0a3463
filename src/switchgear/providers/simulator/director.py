"""Turns a target and a request body into a performance: the simulator without time."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Protocol, cast

from msgspec.structs import replace

from switchgear.kernel.chat import Chat, Completion, Usage
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import EventWriter, Family, StreamOptions
from switchgear.kernel.errors import (
    BadRequest,
    CallerError,
    SwitchgearError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from switchgear.kernel.ids import Ids, RandomBits
from switchgear.kernel.retrieval import Embed, Embeddings, Ranking, Rerank
from switchgear.kernel.upstream import Target
from switchgear.providers.simulator.answers import answer
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.performance import Performance, Stagehand
from switchgear.providers.simulator.rankings import ranking
from switchgear.providers.simulator.script import Parameters, Script, read_path
from switchgear.providers.simulator.telling import completion
from switchgear.providers.simulator.vectors import embeddings
from switchgear.providers.simulator.words import count_chat

_MOST_CHOICES: Final = 16
_WITHOUT_SCRIPT: Final = Script(model=MODELS[0], parameters=Parameters())
"""Under which an unknown model or a wrong parameter is refused."""

WriteError = Callable[[SwitchgearError, str], bytes]
Play = Callable[[Stagehand], Performance]


class Format(Protocol):
    """A dialect, as far as the simulator answers in it; other families than chat read and write their own forms."""

    family: Family
    stream_type: bytes

    def read_request(self, body: bytes) -> Chat: ...
    def write_reply(self, completion: Completion, asked: Chat | None = None) -> bytes: ...
    def writer(self, options: StreamOptions) -> EventWriter: ...
    def write_error(self, error: SwitchgearError, request_id: str) -> bytes: ...


class Director:
    """Knows the dialects, makes ids and garbage, and decides what happens."""

    def __init__(self, dialects: Mapping[str, Format], clock: Clock, random_bits: RandomBits) -> None:
        self._dialects = dict(dialects)
        self._clock = clock
        self._ids = Ids(clock, random_bits)
        self._random_bits = random_bits
        self._plays: dict[Family, Callable[[Format, bytes, Stagehand], Performance]] = {
            "chat": self._chat,
            "embeddings": self._embed,
            "rerank": self._rerank,
            "count_tokens": self._count,
        }

    def perform(self, target: Target, body: bytes) -> Performance:
        """Raises UpstreamUnreachable for a dialect that was not handed in."""
        dialect = self._dialects.get(target.dialect)
        if dialect is None:
            known = ", ".join(sorted(self._dialects))
            raise UpstreamUnreachable(f"the simulator does not speak {target.dialect!r}; it speaks {known}")
        return self._directed(target, dialect.write_error, partial(self._plays[dialect.family], dialect, body))

    def _directed(self, target: Target, write_error: WriteError, play: Play) -> Performance:
        reply_id = f"sim-{self._ids.new()}"
        script = _WITHOUT_SCRIPT
        try:
            script = read_path(target.path)
            hand = Stagehand(script, reply_id, self._random_bits)
            if script.model.fault == "error" or (script.model.fault == "flap" and self._is_down(script)):
                error = hand.scripted_error()
                return hand.refusal(error, write_error(error, reply_id))
            return hand.without_answer() or play(hand)
        except CallerError as error:
            refused = UpstreamRefused(error.message, status=error.status, code=error.code, param=error.param)
            hand = Stagehand(script, reply_id, self._random_bits)
            return hand.refusal(refused, write_error(refused, reply_id))

    def _is_down(self, script: Script) -> bool:
        """Whether a model that fails by turns fails now; the clock's first turn is a bad one."""
        turns = self._clock.monotonic_ns() / 1e6 // script.parameters.period_ms
        return turns % 2 == 0

    def _chat(self, dialect: Format, body: bytes, hand: Stagehand) -> Performance:
        chat = dialect.read_request(body)
        choices = 1 if chat.choices is None else chat.choices
        if not 1 <= choices <= _MOST_CHOICES:
            raise BadRequest(f"the simulator gives between 1 and {_MOST_CHOICES} choices", param="n")
        whole = completion(
            answer(hand.script, chat, self._ids),
            id=hand.id,
            model=_label(hand.script),
            created_seconds=self._clock.wall_ns() // 1_000_000_000,
            choices=choices,
            input_tokens=count_chat(chat),
        )
        usage = whole.usage
        tokens = usage.total_output if usage is not None else 0
        if hand.script.model.fault == "no_usage":
            whole = replace(whole, usage=None)
        if not (chat.stream or hand.script.streamed):
            error_body = dialect.write_error(hand.scripted_error(), hand.id)
            return hand.whole(dialect.write_reply(whole, chat), tokens, error_body)
        input_tokens = usage.input if usage is not None and whole.usage is not None else 0
        options = StreamOptions(include_usage=chat.include_usage, input_tokens_estimate=input_tokens, asked=chat)
        return hand.streamed(whole, dialect.writer(options), dialect.stream_type)

    def _embed(self, dialect: Format, body: bytes, hand: Stagehand) -> Performance:
        if hand.script.model.manner != "vectors" and hand.script.model.fault is None:
            raise BadRequest("this model of the simulator makes no embeddings; sim/embed does", param="model")
        asked = cast("Embed", dialect.read_request(body))
        return self._at_once(dialect, hand, asked, embeddings(asked, hand.id, _label(hand.script)))

    def _rerank(self, dialect: Format, body: bytes, hand: Stagehand) -> Performance:
        if hand.script.model.manner != "ranks" and hand.script.model.fault is None:
            raise BadRequest("this model of the simulator ranks no documents; sim/rerank does", param="model")
        asked = cast("Rerank", dialect.read_request(body))
        return self._at_once(dialect, hand, asked, ranking(asked, hand.id, _label(hand.script)))

    def _count(self, dialect: Format, body: bytes, hand: Stagehand) -> Performance:
        asked = dialect.read_request(body)
        counted = Completion(id=hand.id, model=_label(hand.script), usage=Usage(input=count_chat(asked)))
        return self._at_once(dialect, hand, asked, counted)

    def _at_once(
        self, dialect: Format, hand: Stagehand, asked: Chat | Embed | Rerank, made: Completion | Embeddings | Ranking
    ) -> Performance:
        """An answer that is never streamed, of whatever family."""
        if hand.script.model.fault == "no_usage":
            made = replace(made, usage=None)
        body = dialect.write_reply(cast("Completion", made), cast("Chat", asked))
        return hand.whole(body, 1, dialect.write_error(hand.scripted_error(), hand.id))


def _label(script: Script) -> str:
    return f"simulator/{script.model.name}"
