"""What the tests use of Amazon's SDK for Python, which comes without types."""

from importlib import import_module
from typing import Any, Final

boto3: Final[Any] = import_module("boto3")
parsers: Final[Any] = import_module("botocore.parsers")
eventstream: Final[Any] = import_module("botocore.eventstream")
Config: Final[Any] = import_module("botocore.config").Config
UNSIGNED: Final[Any] = import_module("botocore").UNSIGNED
ClientError: Final[type[Exception]] = import_module("botocore.exceptions").ClientError
EventStreamError: Final[type[Exception]] = import_module("botocore.exceptions").EventStreamError


def response_of(error: Exception) -> Any:
    """The parsed answer that an error of the SDK holds."""
    return vars(error)["response"]
