"""A small OpenAI-compatible server of one chat model, which `scripts/real-model --prebuilt` starts within a second.

It has the gaps of llama-cpp-python's server, which a gateway must live with: its streams end without usage, it knows
`max_tokens` only, and it answers one call at a time. It decodes greedily: the same question has the same answer.
It runs in an environment that holds ik_llama.cpp's wheel and nothing else, hence on the standard library alone.
"""

import argparse
import calendar
import codecs
import ctypes
import importlib
import itertools
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

CONTEXT_TOKENS = 2048
BATCH_TOKENS = 512
PIECE_BYTES = 256

Finish = Literal["stop", "length"]


class BadRequest(Exception):
    """The caller's fault; the message says what."""


class Answer:
    """One answer: iterate over its pieces of text, then read why it ended and how many tokens it has."""

    def __init__(self, model: "Model", prompt: Sequence[int], max_tokens: int) -> None:
        self.prompt_tokens = len(prompt)
        self.completion_tokens = 0
        self.finish: Finish = "stop"
        self._model = model
        self._prompt = prompt
        self._max_tokens = max_tokens

    def __iter__(self) -> Iterator[str]:
        # A character may be spread over tokens.
        decoder = codecs.getincrementaldecoder("utf-8")("replace")
        for token in self._model.tokens_after(self._prompt):
            if self.completion_tokens == self._max_tokens:
                self.finish = "length"
                break
            self.completion_tokens += 1
            if text := decoder.decode(self._model.piece(token)):
                yield text
        if rest := decoder.decode(b"", final=True):
            yield rest


class Model:
    """A GGUF file in ik_llama.cpp; not to be used by two threads at once."""

    def __init__(self, weights: Path, threads: int) -> None:
        self._objects = importlib.import_module("ik_llama_cpp._internals")
        self._library = importlib.import_module("ik_llama_cpp._ctypes_api")
        self._model = self._objects.IkModel(str(weights))
        # Flash attention fails an assertion on processors without AVX-VNNI.
        self._context = self._objects.IkContext(self._model, n_ctx=CONTEXT_TOKENS, n_threads=threads, flash_attn=False)

    def answer(self, messages: Sequence[Mapping[str, Any]], max_tokens: int | None) -> Answer:
        """Begin an answer. Raises BadRequest when the context window cannot hold the prompt."""
        prompt: list[int] = self._model.tokenize(chat_ml(messages), add_bos=False, special=True)
        room = CONTEXT_TOKENS - len(prompt)
        if room <= 0:
            raise BadRequest(f"the prompt has {len(prompt)} tokens, the context window {CONTEXT_TOKENS}")
        return Answer(self, prompt, room if max_tokens is None else min(max_tokens, room))

    def tokens_after(self, prompt: Sequence[int]) -> Iterator[int]:
        """What the model says after ``prompt``, until it has said all."""
        self._context.kv_cache_clear()
        for start in range(0, len(prompt), BATCH_TOKENS):
            self._read(prompt[start : start + BATCH_TOKENS], start)
        for position in itertools.count(len(prompt)):
            token: int = self._context.sample(-1, temperature=0.0)
            if self._library.llama_token_is_eog(self._model.model, token):
                return
            yield token
            self._read([token], position)

    def piece(self, token: int) -> bytes:
        """The bytes that a token stands for."""
        buffer = ctypes.create_string_buffer(PIECE_BYTES)
        size = self._library.llama_token_to_piece(self._model.model, token, buffer, PIECE_BYTES, 0, False)
        return buffer.raw[: max(size, 0)]

    def _read(self, tokens: Sequence[int], position: int) -> None:
        batch = self._objects.make_batch_range(tokens, pos_start=position)
        try:
            status = self._context.decode(batch)
        finally:
            self._library.llama_batch_free(batch)
        if status != 0:
            raise RuntimeError(f"llama_decode answered {status} at position {position}")


def chat_ml(messages: Sequence[Mapping[str, Any]]) -> str:
    """The prompt format that the model was trained on."""
    turns = [f"<|im_start|>{message['role']}\n{text_of(message['content'])}<|im_end|>\n" for message in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


def text_of(content: str | Sequence[Mapping[str, Any]]) -> str:
    """A message's text. Raises BadRequest for parts that are none."""
    if isinstance(content, str):
        return content
    if any(part["type"] != "text" for part in content):
        raise BadRequest("this model reads text only")
    return "".join(part["text"] for part in content)


class ModelServer(ThreadingHTTPServer):
    """Connections have a thread each, so that an idle one holds up nobody; the model has one call at a time."""

    def __init__(self, address: tuple[str, int], model: Model, alias: str) -> None:
        super().__init__(address, Handler)
        self.alias = alias
        self.model = model
        self.turn = threading.Lock()
        self.numbers = itertools.count(1)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _owner(self) -> ModelServer:
        assert isinstance(self.server, ModelServer)
        return self.server

    def do_GET(self) -> None:
        if self.path == "/v1/models":
            model = {"id": self._owner.alias, "object": "model", "created": now(), "owned_by": "me"}
            self._send(200, {"object": "list", "data": [model]})
        else:
            self._refuse(404, f"there is nothing at {self.path}")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/v1/chat/completions":
            with self._owner.turn:
                self._complete(body)
        else:
            self._refuse(404, f"there is nothing at {self.path}")

    def _complete(self, body: bytes) -> None:
        try:
            request = json.loads(body)
            answer = self._owner.model.answer(request["messages"], request.get("max_tokens"))
        except (BadRequest, ValueError, LookupError, TypeError) as error:
            self._refuse(400, f"{type(error).__name__}: {error}")
            return
        send = self._stream if request.get("stream") else self._whole
        try:
            send(answer)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def _whole(self, answer: Answer) -> None:
        message = {"role": "assistant", "content": "".join(answer)}
        choice = {"index": 0, "message": message, "finish_reason": answer.finish, "logprobs": None}
        usage = {
            "prompt_tokens": answer.prompt_tokens,
            "completion_tokens": answer.completion_tokens,
            "total_tokens": answer.prompt_tokens + answer.completion_tokens,
        }
        self._send(200, {**self._head("chat.completion"), "choices": [choice], "usage": usage})

    def _stream(self, answer: Answer) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream; charset=utf-8")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        head = self._head("chat.completion.chunk")
        self._chunk(head, {"role": "assistant"}, None)
        for piece in answer:
            self._chunk(head, {"content": piece}, None)
        self._chunk(head, {}, answer.finish)
        self._frame(b"[DONE]")
        self.wfile.write(b"0\r\n\r\n")

    def _chunk(self, head: Mapping[str, Any], delta: Mapping[str, str], finish: Finish | None) -> None:
        choice = {"index": 0, "delta": delta, "finish_reason": finish, "logprobs": None}
        self._frame(json.dumps({**head, "choices": [choice]}).encode())

    def _frame(self, data: bytes) -> None:
        frame = b"data: " + data + b"\n\n"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(frame), frame))

    def _head(self, kind: str) -> Mapping[str, Any]:
        number = next(self._owner.numbers)
        return {"id": f"chatcmpl-{number}", "object": kind, "created": now(), "model": self._owner.alias}

    def _refuse(self, status: int, message: str) -> None:
        self._send(
            status, {"error": {"message": message, "type": "invalid_request_error", "param": None, "code": None}}
        )

    def _send(self, status: int, body: Mapping[str, Any]) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def now() -> int:
    """Seconds since 1970, as OpenAI's answers carry them."""
    return calendar.timegm(time.gmtime())


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve one GGUF chat model behind an OpenAI-compatible API.")
    parser.add_argument("--model", type=Path, required=True, help="the GGUF file")
    parser.add_argument("--alias", required=True, help="the model's name")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8081, help="0 takes a free one; the first line printed names it")
    parser.add_argument(
        "--trial", action="store_true", help="answer one token to nobody and end: can this machine run it?"
    )
    options = parser.parse_args()
    # Its threads wait for each other by spinning, so they leave cores to the rest.
    model = Model(options.model, threads=max(1, len(os.sched_getaffinity(0)) // 2))
    if options.trial:
        "".join(model.answer([{"role": "user", "content": "Hello"}], max_tokens=1))
        return
    server = ModelServer((options.host, options.port), model, options.alias)
    sys.stdout.write(f"{options.alias} on http://{options.host}:{server.server_port}/v1\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
