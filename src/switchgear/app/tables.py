"""All tables of the control database, from the slices that own them; the migrations make the same."""

from typing import Final

from sqlalchemy import MetaData

from switchgear.auth import tables as of_accounts
from switchgear.ledger import tables as of_ledger
from switchgear.rest import tables as of_objects

OWNED: Final = (of_objects.METADATA, of_accounts.METADATA, of_ledger.METADATA)
"""A slice with tables of its own adds one line here and a revision in ``migrations/versions``."""


def all_tables() -> MetaData:
    """One collection of all of them."""
    together = MetaData()
    for owned in OWNED:
        for table in owned.sorted_tables:
            table.to_metadata(together)
    return together
