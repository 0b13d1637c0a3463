"""Makes the files of sealed spans in a process of its own, which gives way to everybody else on the machine.

It changes no table and finishes no file. Each segment that it made is told on standard output, a length and then
MessagePack; the next one is begun when the control process answers with a byte. It ends with the one that started it.
"""

import errno
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from msgspec import json, msgpack

from switchgear.engines.sealed_spans.reader import SealedSpans
from switchgear.engines.sealed_spans.segment import folder_beside
from switchgear.engines.sqlite_spans.making import Failed, Made, Making, Turn
from switchgear.processes.crash import prepare_for_a_crash
from switchgear.processes.log import configure_logging
from switchgear.processes.options import LENGTH_BYTES, SealerOptions

_LOWEST: Final = 19
_INPUT, _OUTPUT, _ERRORS = 0, 1, 2


def main(arguments: list[str]) -> int:
    """Make what the options name, and tell of it."""
    # What the terminal says is for the one that started it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    configure_logging()
    prepare_for_a_crash()
    os.setpriority(os.PRIO_PROCESS, 0, _LOWEST)
    options = json.decode(arguments[0], type=SealerOptions)
    answered = threading.Semaphore(0)
    threading.Thread(target=_listen, args=(answered.release,), daemon=True).start()
    output = os.dup(_OUTPUT)
    # Whatever a library has to say there belongs with the errors.
    os.dup2(_ERRORS, _OUTPUT)
    with os.fdopen(output, "wb") as told:

        def tell(message: Made | Failed) -> None:
            data = msgpack.encode(message)
            told.write(len(data).to_bytes(LENGTH_BYTES, "big") + data)
            told.flush()

        try:
            _make(options, tell, answered.acquire)
        except OSError as error:
            tell(Failed(number=error.errno or errno.EIO, said=error.strerror or str(error)))
    return 0


def _make(options: SealerOptions, tell: Callable[[Made], None], wait: Callable[[], object]) -> None:
    path = Path(options.store)
    segments = SealedSpans(folder_beside(path), options.mark)
    turn = Turn(before_ns=options.before_ns, until=options.until, fewest=options.fewest)
    for made in Making(path, segments).made(turn):
        tell(made)
        wait()
    segments.close()


def _listen(answered: Callable[[], None]) -> None:
    while os.read(_INPUT, 1):
        answered()
    # Whoever started this is gone, and somebody else may be about to do the same.
    os._exit(1)
