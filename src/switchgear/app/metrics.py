"""What meters are to know of the configuration, and the form in which a scraper gets what they tell."""

from collections.abc import Callable

from switchgear.config import Config
from switchgear.traces.families import Form, as_openmetrics
from switchgear.traces.meter import Settings


def meter_settings(config: Callable[[], Config]) -> Settings:
    """For a meter that begins now; ``config`` tells the configuration in force."""

    def kind_of(provider: str) -> str:
        entry = config().providers.get(provider)
        return provider if entry is None else entry.kind

    return Settings(
        max_values=config().metrics.max_label_values,
        older_gen_ai=lambda: config().metrics.older_gen_ai,
        kind_of=kind_of,
    )


def exposed(form: Form, text: str) -> str:
    """Everything that is told together, in the form that was asked for."""
    return as_openmetrics(text) if form == "openmetrics" else text
