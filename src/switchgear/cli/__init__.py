"""The command ``switchgear``. One file to a command; none of them loads what only a gateway needs."""

from switchgear.cli.application import application, main

__all__ = ["application", "main"]
