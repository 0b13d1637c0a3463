"""Configurations of other gateways, read and written as ours, with a word on every setting of theirs."""

from switchgear.cli.importing.litellm import Imported, import_litellm
from switchgear.cli.importing.report import Line, Report, Verdict

__all__ = ["Imported", "Line", "Report", "Verdict", "import_litellm"]
