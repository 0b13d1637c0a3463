"""The only reader of the process environment; everything else takes the mapping as an argument."""

import os
from collections.abc import Mapping


def read_environment() -> Mapping[str, str]:
    """A copy of the environment as it is now."""
    return dict(os.environ)
