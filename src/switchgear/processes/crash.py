"""What a process leaves behind that dies of a fault: where each of its threads was, and nothing of its memory."""

import faulthandler
import resource
import signal
from typing import Final

_STANDARD_ERROR: Final = 2


def prepare_for_a_crash() -> None:
    """Have every fatal signal, and SIGUSR1, write where the threads are to standard error; called once, by a ``main``.

    The lines name files, lines and functions, and no value. A core file would hold all secrets of the process in clear:
    none is written unless somebody allows it to a running one (``prlimit --core=unlimited --pid PID``).
    """
    faulthandler.enable(_STANDARD_ERROR)
    faulthandler.register(signal.SIGUSR1, _STANDARD_ERROR, all_threads=True)
    _, hard = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, hard))
