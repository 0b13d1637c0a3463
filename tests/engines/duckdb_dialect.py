"""SQL as DuckDB writes it, so that what is said for ClickHouse runs where no ClickHouse is.

Its text is compared byte by byte, as long as no collation is set.
"""

from collections.abc import Sequence

from switchgear.engines.span_sql.dialect import Bound
from switchgear.kernel.query import Measure


class DuckDb:
    """Placeholders are ``$name``, bound by ``execute(statement.sql, statement.bound)``."""

    def placeholder(self, name: str, value: Bound) -> str:
        # Without a type, a number would be taken for a decimal one or a smaller one.
        if isinstance(value, bool):
            return f"${name}::BOOLEAN"
        if isinstance(value, int):
            return f"${name}::BIGINT"
        return f"${name}::DOUBLE" if isinstance(value, float) else f"${name}"

    def is_any_of(self, value: str, texts: str) -> str:
        return f"{value} IN (SELECT unnest({texts}::VARCHAR[]))"

    def has(self, texts: str, text: str) -> str:
        return f"list_contains({texts}, {text})"

    def is_noted(self, key: str, value: str) -> str:
        place = f"list_position(metadata_names, {key})"
        return f"coalesce(list_extract(metadata_values, {place}) = {value}, FALSE)"

    def starts_with(self, value: str, prefix: str) -> str:
        return f"starts_with({value}, {prefix})"

    def text_of(self, value: str) -> str:
        return f"coalesce(CAST({value} AS VARCHAR), '')"

    def optional(self, value: str) -> str:
        return value

    def sum(self, value: str) -> str:
        return f"sum({value})"

    def quantile(self, measure: Measure, value: str, q: str) -> str:
        place = f"CAST(greatest(ceil({q} * count({value})), 1) AS BIGINT)"
        return f"list_sort(list({value}) FILTER (WHERE {value} IS NOT NULL))[{place}]"

    def first(self, value: str, where: str, order: Sequence[str]) -> str:
        return f"arg_min({value}, ({', '.join(order)})) FILTER (WHERE {where})"

    def texts(self, value: str) -> str:
        return f"list(DISTINCT {value})"

    def texts_in(self, texts: str) -> str:
        return f"list_distinct(flatten(list({texts})))"
