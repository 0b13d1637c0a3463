"""Spans in ClickHouse, for more of them than one machine's file holds; asked over its HTTP interface."""
