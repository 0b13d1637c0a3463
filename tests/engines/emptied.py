"""A migrated schema of Postgres for one test after another: each finds what the migrations left, and nothing else."""

from typing import Final

from sqlalchemy import text

from switchgear.app.database import ControlDatabase

_KEEP: Final = """
DO $$
DECLARE
    name text;
    is_filled boolean;
BEGIN
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO is_filled;
        IF is_filled THEN EXECUTE format('CREATE TABLE %I AS TABLE %I', 'first_' || name, name); END IF;
    END LOOP;
END $$
"""
_EMPTY: Final = """
DO $$
DECLARE
    name text;
    is_filled boolean;
BEGIN
    PERFORM set_config('synchronous_commit', 'off', true);
    FOR name IN SELECT tablename FROM pg_tables
        WHERE schemaname = current_schema() AND tablename NOT LIKE 'first\\_%' AND tablename <> 'alembic_version'
    LOOP
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I)', name) INTO is_filled;
        IF is_filled THEN
            EXECUTE format('ALTER TABLE %I DISABLE TRIGGER USER', name);
            EXECUTE format('TRUNCATE %I CASCADE', name);
            EXECUTE format('ALTER TABLE %I ENABLE TRIGGER USER', name);
        END IF;
    END LOOP;
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = current_schema() AND tablename LIKE 'first\\_%'
    LOOP
        EXECUTE format('INSERT INTO %I TABLE %I', substr(name, 7), name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = current_schema() AND last_value IS NOT NULL
    LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""


async def keep_first_rows(database: ControlDatabase) -> None:
    """Note the rows that a schema has now: those of the migrations."""
    async with database.write() as connection:
        await connection.execute(text(_KEEP))


async def empty(database: ControlDatabase) -> None:
    """Leave the noted rows alone, and take all others out, those that may never be deleted too."""
    async with database.write() as connection:
        await connection.execute(text(_EMPTY))
