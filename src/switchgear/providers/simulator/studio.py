"""The simulator's answers to what is passed through: pictures, sounds, judgements, files, batches.

Small and always the same for the same request. Files and batches live in memory, the latest ones only.
"""

import re
import struct
import zlib
from base64 import b64encode
from collections.abc import Callable, Iterable, Mapping
from typing import Final, cast

from msgspec import json

from switchgear.kernel.clock import Clock
from switchgear.kernel.upstream import Target
from switchgear.providers.simulator.forms import Form, Upload, read_form
from switchgear.providers.simulator.performance import SIMULATED, Performance, Step
from switchgear.providers.simulator.shelf import Shelf
from switchgear.providers.simulator.words import split_tokens

_JSON: Final = b"application/json"
_EVENTS: Final = b"text/event-stream"
_SAMPLES_A_SECOND: Final = 8000
_SAMPLES_A_WORD: Final = 800
_SPOKEN_PIECE_BYTES: Final = 16_384
_MOST_IMAGES: Final = 10
_INPUT_TOKENS_OF_SOUND: Final = 10
_TOKENS_OF_AN_IMAGE: Final = 64
_FAILING: Final = re.compile(r"error-(\d{3})")
_HARM: Final = "violence"
_CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)

Body = tuple[int, bytes, Iterable[bytes]]
"""Status, content type, and the pieces of an answer."""


class Studio:
    """Answers targets below the simulator's root."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._shelf = Shelf(clock)
        self._makers: Mapping[str, Callable[[Form], Body]] = {
            "/images/generations": self._images,
            "/images/edits": self._images,
            "/images/variations": self._images,
            "/audio/speech": _speech,
            "/audio/transcriptions": _transcript,
            "/audio/translations": _transcript,
            "/moderations": _judgement,
        }

    def perform(self, target: Target, body: bytes, headers: Mapping[str, str]) -> Performance:
        """The answer to one request."""
        path = target.path.partition("?")[0]
        is_head = target.method == "HEAD"
        method = "GET" if is_head else target.method
        status, media, pieces = self._answer(method, path, body, headers.get("content-type", ""))
        steps = [Step(due_seconds=0.0, data=piece) for piece in pieces if piece]
        labels = [(b"content-type", media), SIMULATED]
        if is_head:
            labels.append((b"content-length", b"%d" % sum(len(step.data) for step in steps)))
            steps = []
        return Performance(status=status, headers=labels, opens_seconds=0.0, steps=steps)

    def _answer(self, method: str, path: str, body: bytes, content_type: str) -> Body:
        form = read_form(body, content_type)
        if form is None:
            return refusal(400, "the simulator cannot read this body")
        failing = _FAILING.fullmatch(form.text("model"))
        if failing is not None and 400 <= int(failing[1]) < 600:
            return refusal(int(failing[1]), f"the simulator was asked for status {failing[1]}")
        make = self._makers.get(path) if method == "POST" else None
        if make is not None:
            return make(form)
        kept = self._shelf.answer(method, path, form)
        return kept or refusal(404, f"the simulator has no {method} {path}")

    def _images(self, form: Form) -> Body:
        count = form.text("n", "1")
        if not count.isascii() or not count.isdigit() or not 1 <= int(count) <= _MOST_IMAGES:
            return refusal(400, f"n must be between 1 and {_MOST_IMAGES}")
        picture = b64encode(_png()).decode()
        words = len(split_tokens(form.text("prompt")))
        seen = _TOKENS_OF_AN_IMAGE * sum(isinstance(part, Upload) for part in form.fields.values())
        made = _TOKENS_OF_AN_IMAGE * int(count)
        usage = {
            "total_tokens": words + seen + made,
            "input_tokens": words + seen,
            "output_tokens": made,
            "input_tokens_details": {"text_tokens": words, "image_tokens": seen},
        }
        created = self._clock.wall_ns() // 1_000_000_000
        if form.truth("stream"):
            done = {"type": "image_generation.completed", "b64_json": picture, "created_at": created, "usage": usage}
            return _events([done])
        data = [{"b64_json": picture} for _ in range(int(count))]
        return _json({"created": created, "data": data, "usage": usage})


def refusal(status: int, message: str) -> Body:
    """An error in OpenAI's words."""
    kind = "invalid_request_error" if status < 500 else "server_error"
    return _json({"error": {"message": message, "type": kind, "param": None, "code": None}}, status)


def _json(content: object, status: int = 200) -> Body:
    return status, _JSON, [json.encode(content)]


def _events(said: Iterable[Mapping[str, object]]) -> Body:
    return 200, _EVENTS, [b"event: %b\ndata: %b\n\n" % (str(each["type"]).encode(), json.encode(each)) for each in said]


def _speech(form: Form) -> Body:
    words = split_tokens(form.text("input"))
    sound = _silence(len(words))
    if form.text("stream_format") == "sse":
        usage = {"input_tokens": len(words), "output_tokens": len(words), "total_tokens": 2 * len(words)}
        delta = {"type": "speech.audio.delta", "audio": b64encode(sound).decode()}
        return _events([delta, {"type": "speech.audio.done", "usage": usage}])
    pieces = (sound[at : at + _SPOKEN_PIECE_BYTES] for at in range(0, len(sound), _SPOKEN_PIECE_BYTES))
    return 200, b"audio/wav", list(pieces)


def _transcript(form: Form) -> Body:
    heard = form.fields.get("file")
    if not isinstance(heard, Upload):
        return refusal(400, "'file' is missing")
    text = f"The simulator heard {len(heard.content)} bytes."
    words = split_tokens(text)
    usage = {
        "type": "tokens",
        "input_tokens": _INPUT_TOKENS_OF_SOUND,
        "input_token_details": {"text_tokens": 0, "audio_tokens": _INPUT_TOKENS_OF_SOUND},
        "output_tokens": len(words),
        "total_tokens": _INPUT_TOKENS_OF_SOUND + len(words),
    }
    if form.truth("stream"):
        deltas = [{"type": "transcript.text.delta", "delta": word} for word in words]
        return _events([*deltas, {"type": "transcript.text.done", "text": text, "usage": usage}])
    match form.text("response_format", "json"):
        case "text" | "srt" | "vtt":
            return 200, b"text/plain; charset=utf-8", [text.encode() + b"\n"]
        case _:
            return _json({"text": text, "usage": usage})


def _judgement(form: Form) -> Body:
    asked = form.fields.get("input", "")
    given: list[object] = cast("list[object]", asked) if isinstance(asked, list) else [asked]
    return _json({"id": "modr-sim", "model": "simulator", "results": [_judged(str(each)) for each in given]})


def _judged(text: str) -> Mapping[str, object]:
    flagged = {name: name == _HARM and _HARM in text.lower() for name in _CATEGORIES}
    return {
        "flagged": any(flagged.values()),
        "categories": flagged,
        "category_scores": {name: float(value) for name, value in flagged.items()},
        "category_applied_input_types": {name: ["text"] for name in _CATEGORIES},
    }


def _silence(words: int) -> bytes:
    """A WAV file of a tenth of a second for each word: 8 bits, one channel."""
    size = max(words, 1) * _SAMPLES_A_WORD
    sound = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, _SAMPLES_A_SECOND, _SAMPLES_A_SECOND, 1, 8)
    return (
        struct.pack("<4sI4s", b"RIFF", 36 + size, b"WAVE") + sound + struct.pack("<4sI", b"data", size) + b"\x80" * size
    )


def _png() -> bytes:
    """One grey pixel (www.w3.org/TR/png-3)."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0\x80")) + chunk(b"IEND", b"")
