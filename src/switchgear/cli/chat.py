"""``switchgear chat``: a conversation with a model behind a running gateway."""

import sys
from collections.abc import Iterator
from contextlib import closing
from typing import Annotated, Final

import typer

from switchgear.cli.conversation import Conversation, Server
from switchgear.cli.output import note, show_error
from switchgear.cli.settings import ConfigOption
from switchgear.cli.trace_asking import configured_url
from switchgear.config import read_environment
from switchgear.kernel.clock import Clock, SystemClock
from switchgear.kernel.errors import SwitchgearError

KEY_VARIABLE: Final = "SWITCHGEAR_KEY"
_EXIT: Final = ("/exit", "/quit")


def chat(
    model: Annotated[
        str | None,
        typer.Argument(help="Alias or provider/model. Default: the first one listed.", show_default=False),
    ] = None,
    config: ConfigOption = None,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help="Gateway to talk through. Default: the one at the file's address.", show_default=False
        ),
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(metavar="KEY", help=f"Virtual key. Default: the variable {KEY_VARIABLE}.", show_default=False),
    ] = None,
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="System prompt.", show_default=False)] = None,
    once: Annotated[
        str | None, typer.Option("--once", metavar="TEXT", help="Ask this one question.", show_default=False)
    ] = None,
) -> None:
    """Talk to a model through a running gateway; answers are streamed. /exit or Ctrl-D ends it.

    Text piped in is one question. The answer goes to standard output, everything else to standard error.
    """
    address = url or configured_url(config)
    server = Server(address, key or read_environment().get(KEY_VARIABLE))
    conversation = Conversation(server, model or server.first_model(), system)
    clock = SystemClock()
    if once is None and not sys.stdin.isatty():
        once = sys.stdin.read()
    if once is not None:
        _answer(conversation, once, clock)
        return
    note(f"{conversation.model} at {address}; /exit ends.")
    for question in _questions():
        try:
            _answer(conversation, question, clock)
        except SwitchgearError as error:
            show_error(error.message)
        except KeyboardInterrupt:
            note("\n(cut short)")


def _questions() -> Iterator[str]:
    """What the user types, until the end."""
    while True:
        try:
            question = input("> ").strip()
        except (EOFError, KeyboardInterrupt):
            note("")
            return
        if question in _EXIT:
            return
        if question:
            yield question


def _answer(conversation: Conversation, question: str, clock: Clock) -> None:
    """Print one answer as it comes, then what it took."""
    started = clock.monotonic_ns()
    with closing(conversation.ask(question)) as pieces:
        for piece in pieces:
            sys.stdout.write(piece)
            sys.stdout.flush()
    typer.echo("")
    seconds = (clock.monotonic_ns() - started) / 1e9
    usage = conversation.usage
    tokens = f"{usage.prompt_tokens} tokens in, {usage.completion_tokens} out" if usage else "usage unknown"
    note(f"[{conversation.model}: {tokens}, {seconds:.1f} s]")
