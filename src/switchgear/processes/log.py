"""Logging of all processes: one line to standard error, with time, level and place."""

import logging


def configure_logging() -> None:
    """Set the root logger up; called once, by a process's ``main``."""
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s", datefmt="%Y-%m-%dT%H:%M:%S%z"
    )
    # It tells what it is about to do at every start; what was migrated is said by who asked for it.
    logging.getLogger("alembic").setLevel(logging.WARNING)
