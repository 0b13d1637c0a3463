"""Commands of which the options are the fields of one object, and the work is loaded only when it is done.

What prints a line of help must not load a database driver; and a command of many options is a function of one argument.
"""

import inspect
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from importlib import import_module
from typing import Any, Final, get_type_hints

_PLAIN: Final = inspect.Parameter.KEYWORD_ONLY


def deferred(kind: type[Any], place: str) -> Callable[..., None]:
    """A command whose options are the fields of ``kind``, a dataclass, and whose help is its docstring.

    ``place`` is the function that does the work, given a ``kind``: ``module:name``.
    """
    hints = get_type_hints(kind, include_extras=True)
    module, _, name = place.partition(":")

    def run(**given: object) -> None:
        getattr(import_module(module), name)(kind(**given))

    run.__name__, run.__doc__ = name, kind.__doc__
    run.__annotations__ = {**hints, "return": None}
    run.__signature__ = inspect.Signature([_parameter(field, hints[field.name]) for field in fields(kind)])
    return run


def _parameter(field: Field[Any], hint: object) -> inspect.Parameter:
    default = inspect.Parameter.empty if field.default is MISSING else field.default
    return inspect.Parameter(field.name, _PLAIN, default=default, annotation=hint)
