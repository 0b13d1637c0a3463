"""Sealed spans: closed traces in Parquet files beside the store in SQLite, read by DuckDB."""
