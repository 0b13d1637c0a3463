"""Turns a target and a request body into a performance: the simulator without time."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final, Literal, Protocol

from msgspec.structs import replace

from switchgear.kernel.chat import Chat, Completion, Embed, Embeddings
from switchgear.kernel.clock import Clock
from switchgear.kernel.dialect import EventWriter, StreamOptions
from switchgear.kernel.errors import (
    BadRequest,
    CallerError,
    SwitchgearError,
    UpstreamRefused,
    UpstreamUnreachable,
)
from switchgear.kernel.ids import Ids, RandomBits
from switchgear.kernel.upstream import Target
from switchgear.providers.simulator.answers import answer
from switchgear.providers.simulator.catalogue import MODELS
from switchgear.providers.simulator.performance import Performance, Stagehand
from switchgear.providers.simulator.script import Parameters, Script, read_path
from switchgear.providers.simulator.telling import completion
from switchgear.providers.simulator.vectors import embeddings
from switchgear.providers.simulator.words import count_chat

_MOST_CHOICES: Final = 16
_WITHOUT_SCRIPT: Final = Script(model=MODELS[0], parameters=Parameters())
"""Under which an unknown model or a wrong parameter is refused."""

WriteError = Callable[[SwitchgearError, str], bytes]
Play = Callable[[Stagehand], Performance]


class ChatFormat(Protocol):
    """A dialect, as far as the simulator answers in it."""

    def read_request(self, body: bytes) -> Chat: ...
    def write_reply(self, completion: Completion) -> bytes: ...
    def writer(self, options: StreamOptions) -> EventWriter: ...
    def write_error(self, error: SwitchgearError, request_id: str) -> bytes: ...


class EmbeddingsFormat(Protocol):
    """The wire format of embeddings, as far as the simulator answers in it."""

    def read_request(self, body: bytes, /) -> Embed: ...
    def write_reply(self, reply: Embeddings, encoding_format: Literal["float", "base64"] | None, /) -> bytes: ...
    def write_error(self, error: SwitchgearError, request_id: str, /) -> bytes: ...


class Director:
    """Knows the dialects, makes ids and garbage, and decides what happens."""

    def __init__(
        self, dialects: Mapping[str, ChatFormat], embeddings: EmbeddingsFormat, clock: Clock, random_bits: RandomBits
    ) -> None:
        self._dialects = dict(dialects)
        self._embeddings = embeddings
        self._clock = clock
        self._ids = Ids(clock, random_bits)
        self._random_bits = random_bits

    def perform(self, target: Target, body: bytes) -> Performance:
        """Raises UpstreamUnreachable for a dialect that was not handed in."""
        if target.path.startswith("/embeddings/"):
            return self._directed(target, self._embeddings.write_error, partial(self._embed, body))
        dialect = self._dialects.get(target.dialect)
        if dialect is None:
            known = ", ".join(sorted(self._dialects))
            raise UpstreamUnreachable(f"the simulator does not speak {target.dialect!r}; it speaks {known}")
        return self._directed(target, dialect.write_error, partial(self._chat, dialect, body))

    def _directed(self, target: Target, write_error: WriteError, play: Play) -> Performance:
        reply_id = f"sim-{self._ids.new()}"
        script = _WITHOUT_SCRIPT
        try:
            script = read_path(target.path)
            hand = Stagehand(script, reply_id, self._random_bits)
            if script.model.fault == "error":
                error = hand.scripted_error()
                return hand.refusal(error, write_error(error, reply_id))
            return hand.without_answer() or play(hand)
        except CallerError as error:
            refused = UpstreamRefused(error.message, status=error.status, code=error.code, param=error.param)
            hand = Stagehand(script, reply_id, self._random_bits)
            return hand.refusal(refused, write_error(refused, reply_id))

    def _chat(self, dialect: ChatFormat, body: bytes, hand: Stagehand) -> Performance:
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
        if not chat.stream:
            error_body = dialect.write_error(hand.scripted_error(), hand.id)
            return hand.whole(dialect.write_reply(whole), tokens, error_body)
        input_tokens = usage.input if usage is not None and whole.usage is not None else 0
        options = StreamOptions(include_usage=chat.include_usage, input_tokens_estimate=input_tokens)
        return hand.streamed(whole, dialect.writer(options))

    def _embed(self, body: bytes, hand: Stagehand) -> Performance:
        model = hand.script.model
        if model.manner != "vectors" and model.fault is None:
            raise BadRequest("this model of the simulator makes no embeddings; sim/embed does", param="model")
        request = self._embeddings.read_request(body)
        made = embeddings(request, _label(hand.script))
        if model.fault == "no_usage":
            made = replace(made, usage=None)
        error_body = self._embeddings.write_error(hand.scripted_error(), hand.id)
        return hand.whole(self._embeddings.write_reply(made, request.encoding_format), 1, error_body)


def _label(script: Script) -> str:
    return f"simulator/{script.model.name}"
