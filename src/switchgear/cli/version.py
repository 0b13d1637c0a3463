"""``switchgear version``."""

import platform
from importlib import metadata

import typer


def version() -> None:
    """Print the versions of Switchgear and of Python."""
    typer.echo(f"switchgear {metadata.version('switchgear')} (Python {platform.python_version()})")
