"""What the databases of SQL have in common: how a failure of the engine is told from one of a statement."""

from collections.abc import Generator
from contextlib import contextmanager

from sqlalchemy.exc import DatabaseError, DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError


@contextmanager
def engine_failures(name: str) -> Generator[None]:
    """Raises ConnectionError (an OSError) where the engine ``name`` failed; other errors pass."""
    try:
        yield
    except DBAPIError as error:
        # A DatabaseError that is none of its subclasses is SQLite's word for a file that is none of its own.
        of_engine = isinstance(error, InterfaceError | OperationalError) or type(error) is DatabaseError
        if of_engine or error.connection_invalidated:
            raise ConnectionError(f"the control database ({name}) cannot be used: {error.orig}") from error
        raise
    except PoolTimeoutError as error:
        raise ConnectionError(f"the control database ({name}) is busy: {error}") from error
