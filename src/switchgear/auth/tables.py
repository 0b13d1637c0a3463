"""What is no configuration: passwords, second factors, sessions. Secrets are hashed or sealed in every column."""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text

METADATA: Final = MetaData()

ACCOUNTS: Final = Table(
    "auth_accounts",
    METADATA,
    Column("user", Text, primary_key=True),
    Column("password_hash", Text, nullable=False),
    Column("second_factor", LargeBinary),
    Column("begun_factor", LargeBinary),
    Column("last_step", BigInteger, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("locked_until_ns", BigInteger, nullable=False),
    Column("changed_ns", BigInteger, nullable=False),
)
"""How each user logs in: a hash by argon2id, and the sealed secret of their authenticator app."""

SESSIONS: Final = Table(
    "auth_sessions",
    METADATA,
    Column("digest", LargeBinary, primary_key=True),
    Column("user", Text, nullable=False),
    Column("method", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("roles", Text, nullable=False),
    Column("began_ns", BigInteger, nullable=False),
    Column("ends_ns", BigInteger, nullable=False),
    Index("auth_sessions_user", "user"),
    Index("auth_sessions_ends", "ends_ns"),
)
"""Sessions that are not over; the digest is the SHA-256 of what the cookie holds."""
